"""What every request meets first, before Flask: version, sign-in, size, the root documents, common headers (facts §1).

It stands in front as WSGI because it rewrites the path (`/v1` may be left out, a slash may trail, `.json` may be
cut) and because the root documents, which every client asks for, need nothing that Flask does.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import uuid4

from steelyard_common.errors import InvalidRequest, SteelyardError, TooManyRequests, Unauthenticated
from steelyard_common.http import CALLER, HEAVY, HELD_S

from ..domain import versions
from ..domain.versions import MAX_HEADER, MAX_VERSION, MIN_HEADER, MIN_VERSION
from ..service.call import RAMDISK, Call, Caller
from ..service.identity import Credentials, SignIn
from ..service.rates import Rates
from ..service.root import Root
from .answers import JSON, TITLES, BodyTooLarge, abort_body, error_parts
from .routes import CALL, MAX_BODY_BYTES, MAX_INSPECTION_BYTES, MAX_PROVISION_BYTES

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]

JSON_SUFFIX_UNTIL = 91
# Answers that are held back, so that whoever asks again at once asks rarely: too often, and not signed in.
HELD_BACK_S: dict[type[SteelyardError], float] = {TooManyRequests: 1.0, Unauthenticated: 0.2}
METHODS = "GET, PUT, POST, DELETE, PATCH"
LARGE_BODIES = {
    "/states/provision": MAX_PROVISION_BYTES,
    "/plans": MAX_PROVISION_BYTES,
    "/continue_inspection": MAX_INSPECTION_BYTES,
}
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")
_REQUEST_ID = re.compile(r"req-[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# Whoever can reach the API may ask these: a ramdisk has no credentials (facts §20).
_FOR_RAMDISKS = re.compile(r"/(lookup|continue_inspection|heartbeat/[^/]+)")
_LINES = {200: "200 OK"} | {status: f"{status} {title}" for status, title in TITLES.items()}
_RANGE = [(MIN_HEADER, MIN_VERSION), (MAX_HEADER, MAX_VERSION)]
_CORS_EXPOSED = ", ".join((versions.HEADER, MIN_HEADER, MAX_HEADER, "ETag", "Retry-After"))
_CORS_ALLOWED = (
    f"{versions.HEADER}, OpenStack-API-Version, Content-Type, Authorization, X-Auth-Token, If-Match, If-None-Match"
)

# It hands Retry-After to exceptions that do not know it (common/apiclient/exceptions.py, from_response; 6.3 still does)
# and dies of a TypeError, where without the header it would try again by itself.
_BREAKS_AT_RETRY_AFTER = "python-ironicclient"


class Front:
    """The outermost WSGI application of the API."""

    def __init__(
        self,
        app: WsgiApp,
        sign_in: SignIn,
        *,
        public_url: str = "",
        cors_origins: tuple[str, ...] = (),
        documents: Mapping[str, bytes] | None = None,
        rates: Rates | None = None,
    ) -> None:
        self._app = app
        self._sign_in = sign_in
        self._public_url = public_url
        self._origins = frozenset(cors_origins)
        self._root = Root()
        # Path below /v1 → JSON for everybody. Older versions cut the suffix.
        self._documents = {
            path: data for name, data in (documents or {}).items() for path in (f"/{name}.json", f"/{name}")
        }
        self._rates = rates if rates is not None and rates.is_on else None

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if _BREAKS_AT_RETRY_AFTER in environ.get("HTTP_USER_AGENT", ""):
            start_response = _without_retry_after(start_response)
        path = environ["PATH_INFO"]
        request_id = f"req-{uuid4()}"
        common: Headers = [("Openstack-Request-Id", request_id), ("X-Openstack-Request-Id", request_id)]
        if (origin := environ.get("HTTP_ORIGIN")) in self._origins and origin is not None:
            common += [("Access-Control-Allow-Origin", origin), ("Access-Control-Expose-Headers", _CORS_EXPOSED)]
            common.append(("Vary", "Origin"))
        try:
            return self._admit(environ, start_response, path, common)
        except SteelyardError as error:
            HELD_S.set(HELD_BACK_S.get(type(error), 0.0))
            status, body, headers = error_parts(error)
            if isinstance(error, Unauthenticated) and self._sign_in.challenge:
                headers["WWW-Authenticate"] = self._sign_in.challenge
            return _send(start_response, status, body, common + list(headers.items()))

    def _admit(self, environ: Environ, start_response: StartResponse, path: str, common: Headers) -> Iterable[bytes]:
        """Errors: those of the version, the size and the sign-in; ``common`` grows by the version headers."""
        method = environ["REQUEST_METHOD"]
        if method == "OPTIONS":
            return _options(start_response, common)
        common += _RANGE
        minor = versions.negotiate(
            environ.get("HTTP_OPENSTACK_API_VERSION"), environ.get("HTTP_X_OPENSTACK_IRONIC_API_VERSION")
        )
        common.append((versions.HEADER, f"1.{minor}"))
        _check_size(environ, path)
        path, dropped_json = _below_v1(path, minor)
        if path in ("", "/"):
            return self._answer_root(environ, start_response, method, minor, path, common)
        if method == "GET" and path in self._documents:
            return _send(start_response, 200, self._documents[path], common)
        if method == "HEAD":
            return _send(start_response, 405, b"", [*common, ("Allow", "GET")])
        caller = RAMDISK if _FOR_RAMDISKS.fullmatch(path) else self._sign_in.identify(_credentials(environ))
        CALLER.set(_line_of(caller))
        environ["PATH_INFO"] = path
        environ[CALL] = self._call(environ, minor, common[0][1], caller, dropped_json)
        if self._rates is None or caller.system or caller.project is None:
            return self._app(environ, _with_headers(start_response, common))
        return self._measured(environ, _with_headers(start_response, common), caller.project, self._rates)

    def _measured(
        self, environ: Environ, start_response: StartResponse, project: str, rates: Rates
    ) -> Iterable[bytes]:  # fmt: skip
        """Within the project's rate. Errors: TooManyRequests."""
        rates.take(project)
        sent = 0

        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            nonlocal sent
            sent = sum(int(value) for name, value in headers if name == "Content-Length")
            return start_response(status, headers, exc_info)

        began = time.thread_time()
        try:
            return self._app(environ, start)
        finally:
            received = int(environ.get("CONTENT_LENGTH") or 0)
            extra = rates.settle(project, cpu_s=time.thread_time() - began, received=received, sent=sent)
            HEAVY.set(extra > 1)

    def _call(self, environ: Environ, minor: int, request_id: str, caller: Caller, dropped_json: bool) -> Call:
        sent_id = environ.get("HTTP_X_OPENSTACK_REQUEST_ID", "")
        return Call(
            minor=minor,
            base_url=self._base_url(environ),
            request_id=request_id,
            caller=caller,
            global_request_id=sent_id if _REQUEST_ID.fullmatch(sent_id) else None,
            dropped_json=dropped_json,
        )

    def _answer_root(
        self, environ: Environ, start_response: StartResponse, method: str, minor: int, path: str, common: Headers
    ) -> Iterable[bytes]:
        if method not in ("GET", "HEAD"):
            return _send(start_response, 405, abort_body(405), [*common, ("Allow", "GET, HEAD")])
        base_url = self._base_url(environ)
        body = self._root.v1(base_url, minor) if path else self._root.versions(base_url)
        return _send(start_response, 200, body, common, without_body=method == "HEAD")

    def _base_url(self, environ: Mapping[str, Any]) -> str:
        """Errors: InvalidRequest for a Host header that is none: it would end up in links."""
        if self._public_url:
            return self._public_url
        host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
        if not _HOST.fullmatch(host):
            raise InvalidRequest("The Host header is malformed")
        return f"{environ['wsgi.url_scheme']}://{host}"


def _line_of(caller: Caller) -> str | None:
    """With whom a request waits for its turn; None: with all that come from its address."""
    if caller.project is not None and not caller.system:
        return f"project {caller.project}"
    return f"user {caller.user}" if caller.user is not None else None


def _credentials(environ: Environ) -> Credentials:
    return Credentials(
        authorization=environ.get("HTTP_AUTHORIZATION"),
        token=environ.get("HTTP_X_AUTH_TOKEN"),
        service_token=environ.get("HTTP_X_SERVICE_TOKEN"),
    )


def _below_v1(path: str, minor: int) -> tuple[str, bool]:
    """The path below `/v1`, and whether a `.json` was cut: `` for `/`, `/` for `/v1`, else `/nodes/…`."""
    dropped = minor < JSON_SUFFIX_UNTIL and path.endswith(".json")
    if dropped:
        path = path[: -len(".json")]
    if path.endswith("/"):
        path = path[:-1]
    if path == "/v1":
        return "/", dropped
    if path.startswith("/v1/"):
        return path[3:], dropped
    return path, dropped


def _check_size(environ: Environ, path: str) -> None:
    length = environ.get("CONTENT_LENGTH")
    if not length:
        return
    if not length.isdecimal():
        raise InvalidRequest("The Content-Length header is malformed")
    limit = next((most for end, most in LARGE_BODIES.items() if path.rstrip("/").endswith(end)), MAX_BODY_BYTES)
    if int(length) > limit:
        raise BodyTooLarge()


def _options(start_response: StartResponse, common: Headers) -> Iterable[bytes]:
    """Preflight. Without STEELYARD_CORS_ORIGINS no origin is allowed, so browsers stay out."""
    allowed = [("Access-Control-Allow-Methods", METHODS), ("Access-Control-Allow-Headers", _CORS_ALLOWED)]
    start_response("200 OK", [("Content-Length", "0"), ("Allow", METHODS), *allowed, *common])
    return [b""]


def _without_retry_after(start_response: StartResponse) -> StartResponse:
    def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
        return start_response(status, [each for each in headers if each[0].lower() != "retry-after"], exc_info)

    return start


def _with_headers(start_response: StartResponse, common: Headers) -> StartResponse:
    def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
        headers.extend(common)
        return start_response(status, headers, exc_info)

    return start


def _send(
    start_response: StartResponse, status: int, body: bytes, headers: Headers, *, without_body: bool = False
) -> Iterable[bytes]:
    start_response(
        _LINES.get(status, f"{status} Error"),
        [("Content-Type", JSON), ("Content-Length", str(len(body))), *headers],
    )
    return [b""] if without_body else [body]
