"""sushy's connector with our rules: a deadline for every request, no hidden retry, nothing secret in a log.

sushy's own ``_op`` tries three times, two seconds apart, whatever the method: a reset could be sent three times.
Ours sends once. It sends again only what was certainly not done: a GET over a kept connection that the BMC had
closed; a request that was answered 401 (session lost: one new login); a GET answered 406 (quirk, see below).
"""

from __future__ import annotations

from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

import requests
from sushy import exceptions
from sushy.connector import Connector as SushyConnector

from ...errors import DeviceRefused, Unsupported
from ..deadline import Deadline
from ..driver_info import SERVICE_ROOT, RedfishTarget
from ..line import Line, PoolSettings
from ..tls import TlsContexts
from .errors import from_answer, from_transport
from .wire import WireAdapter

CHUNK = 256 * 1024
REDIRECTS = (301, 302, 307, 308)


class _Auth(Protocol):
    """What we use of sushy.auth."""

    def can_refresh_session(self) -> bool: ...
    def refresh_session(self) -> None: ...


class Connector(SushyConnector):  # type: ignore[misc]  # sushy ships no types
    """One BMC's HTTP connection. ``deadline`` is set at the start of each conversation."""

    def __init__(self, target: RedfishTarget, tls: TlsContexts, line: Line, settings: PoolSettings) -> None:
        super().__init__(target.url, verify=True)
        self._target, self._line, self._limits = target, line, settings
        self.deadline = Deadline(0)
        self.signing_in = False  # a POST that opens a session changes nothing at the node
        parts = urlsplit(target.url)
        context = tls.get(target.verify, target.tls_minimum, target.tls_ciphers) if parts.scheme == "https" else None
        self._adapter = WireAdapter(parts.scheme, parts.hostname or "", parts.port, context)
        self._session.trust_env = False  # no proxies, no netrc, no REQUESTS_CA_BUNDLE: also 0.3 ms less
        self._session.mount(f"{parts.scheme}://", self._adapter)
        del self._session.headers["Connection"]  # sushy closes after each request: 36 ms CPU with TLS

    def cut(self) -> None:
        self._adapter.wire.cut()

    def _url_of(self, path: str) -> str:
        """Only ever our own BMC: what it names by another host name or address is asked at the address we know."""
        parts = urlsplit(path)
        local = parts.path + (f"?{parts.query}" if parts.query else "")
        prefix = self._target.root.removesuffix(SERVICE_ROOT)
        if prefix and local.startswith("/redfish/"):
            local = prefix + local  # a prefix made by a proxy that does not rewrite the links
        return urljoin(self._target.url, local)

    def _op(
        self,
        method: str,
        path: str = "",
        data: Any = None,
        headers: dict[str, Any] | None = None,
        blocking: bool = False,
        allow_reauth: bool = True,
        **_retries: Any,
    ) -> requests.Response:
        if blocking:
            raise Unsupported("waiting inside a call is not supported: read the task instead")
        url = self._url_of(path)
        response = self._send(method, url, data, headers)
        if response.status_code == 401 and allow_reauth and self._sign_in_again():
            response = self._send(method, url, data, headers)
        if response.status_code == 406 and method == "GET":
            # Quirk: HPE iLO 5 (Gen10 Plus) gives registries compressed or not at all (docs/reference/bmc-quirks.md).
            response = self._send(method, url, data, {**(headers or {}), "Accept-Encoding": "gzip"})
        for _ in range(3):
            if response.status_code not in REDIRECTS or method != "GET":
                break
            response = self._send(method, self._url_of(response.headers.get("Location", "")), data, headers)
        self._judge(method, url, response)
        return response

    def _judge(self, method: str, url: str, response: requests.Response) -> None:
        status = response.status_code
        if 300 <= status < 400:
            raise DeviceRefused(f"the BMC at {self._target.url} sends us elsewhere (HTTP {status})")
        if self.signing_in and status >= 400:
            response._content = b"{}"  # a BMC may repeat what it was sent, and that was a password
        try:
            exceptions.raise_for_response(method, url, response)
        except exceptions.HTTPError as error:
            if status == 401 or (status >= 500 and status != 501):
                self._line.failed(from_answer(error, self._target.url, wrote=self._writes(method)))
            raise

    def forgive(self) -> None:
        """The failure just met says nothing of the BMC as a whole."""
        self._line.succeeded()

    def _writes(self, method: str) -> bool:
        return method != "GET" and not self.signing_in

    def _sign_in_again(self) -> bool:
        auth: _Auth | None = self._auth
        if self.signing_in or auth is None or self._session.auth is not None or not auth.can_refresh_session():
            return False
        self.signing_in = True
        try:
            auth.refresh_session()
        finally:
            self.signing_in = False
        return True

    def _send(self, method: str, url: str, data: Any, headers: dict[str, Any] | None) -> requests.Response:
        wire = self._adapter.wire
        for attempt in (1, 2):
            self._line.before_call(self.deadline)
            wire.begin()
            try:
                response = self._request(method, url, data, headers)
            except (requests.RequestException, OSError) as error:
                if attempt == 1 and method == "GET" and wire.reused and isinstance(error, requests.ConnectionError):
                    continue
                ours = from_transport(error, self._target.url, unanswered=wire.sent and self._writes(method))
                self._line.failed(ours)
                raise ours from error
            if response.status_code < 500 and response.status_code != 401:
                self._line.succeeded()
            return response
        raise AssertionError("unreachable: the second attempt returns or raises")

    def _request(self, method: str, url: str, data: Any, headers: dict[str, Any] | None) -> requests.Response:
        left_s = max(self.deadline.left(), 0.001)
        # Identity: with compression some BMCs give weak ETags, which they then refuse in If-Match.
        defaults = {"OData-Version": "4.0", "Accept-Encoding": "identity", "Accept": "application/json"}
        response: requests.Response = self._session.request(
            method,
            url,
            json=data,
            headers={**defaults, **(headers or {})},
            timeout=(min(self._limits.connect_timeout_s, left_s), left_s),
            allow_redirects=False,
            stream=True,
        )
        try:
            response._content = self._body(response)
        except BaseException:
            response.close()
            raise
        return response

    def _body(self, response: requests.Response) -> bytes:
        """All of the body, in time and not too large: a BMC may also trickle, or never end."""
        chunks: list[bytes] = []
        size = 0
        self._adapter.wire.limit(self.deadline.left())
        for chunk in response.iter_content(CHUNK):
            chunks.append(chunk)
            size += len(chunk)
            if size > self._limits.max_reply_bytes:
                raise requests.ConnectionError(f"the answer is larger than {self._limits.max_reply_bytes} bytes")
            if self.deadline.passed():
                raise requests.ReadTimeout("the answer did not end in time")
            self._adapter.wire.limit(self.deadline.left())
        return b"".join(chunks)
