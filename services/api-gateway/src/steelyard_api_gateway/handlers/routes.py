"""Route tables: what a row is, and how a blueprint is made from rows. The reference page is made from them too."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial, update_wrapper
from typing import Any
from urllib.parse import parse_qsl

import orjson
from flask import Blueprint, Response, request
from steelyard_common.errors import InvalidRequest, NotAcceptable, NotFound, SteelyardError
from steelyard_common.telemetry import span
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.exceptions import NotFound as NoSuchPath

from ..domain import conditions, values
from ..domain.listings import Query, refuse_unknown
from ..domain.versions import too_new
from ..service.access import Gate
from ..service.allocations import Allocations
from ..service.artifacts import Artifacts
from ..service.call import Call
from ..service.event_stream import Events
from ..service.insight import Insight
from ..service.management import Management
from ..service.node_parts import NodeParts
from ..service.nodes import Nodes
from ..service.operations import Operations
from ..service.ports import Ports
from ..service.ramdisks import Ramdisks
from ..service.recipes import Recipes
from ..service.records import Records
from ..service.refusals import Refusals
from ..service.states import States
from ..service.tenancy import Tenancy
from ..service.vendor import Vendor
from ..service.webhooks import Webhooks
from ..service.workers import Workers
from .answers import BodyRefused, BodyTooLarge, not_modified

MAX_DEPTH = 25
MAX_BODY_BYTES = 1024 * 1024
MAX_PROVISION_BYTES = 64 * 1024 * 1024
MAX_INSPECTION_BYTES = 16 * 1024 * 1024
LOOKED_AT = 4096
CALL = "steelyard.call"  # the key in the WSGI environ
BEGAN, BODY = "steelyard.began", "steelyard.body"  # time.monotonic(); the decoded body, once it was read
TOO_DEEP = f"Request body JSON is nested more than {MAX_DEPTH} levels deep."


@dataclass(frozen=True, kw_only=True)
class Services:
    """What handlers may ask. ``gate`` stands in front of each."""

    gate: Gate
    nodes: Nodes
    ports: Ports
    states: States
    management: Management
    workers: Workers
    chassis: Records
    portgroups: Records
    connectors: Records
    targets: Records
    node_parts: NodeParts
    deploy_templates: Recipes
    runbooks: Recipes
    inspection_rules: Recipes
    allocations: Allocations
    tenancy: Tenancy
    insight: Insight
    operations: Operations
    webhooks: Webhooks
    artifacts: Artifacts
    events: Events
    refusals: Refusals
    vendor: Vendor
    ramdisks: Ramdisks


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as a handler sees it."""

    call: Call
    services: Services
    environ: dict[str, Any]

    def query(self) -> dict[str, list[str]]:
        """The query string, every value decoded. Errors: InvalidRequest (far too many parameters)."""
        text = self.environ.get("QUERY_STRING")
        if not text:
            return {}
        found: dict[str, list[str]] = {}
        try:
            for name, value in parse_qsl(text, keep_blank_values=True, max_num_fields=1000):
                found.setdefault(name, []).append(value)
        except ValueError as error:
            raise InvalidRequest("The query string has too many parameters") from error
        return found

    def no_query(self) -> None:
        """Errors: InvalidRequest when there are parameters."""
        refuse_unknown(self.query(), frozenset())

    def json(self, limit: int = MAX_BODY_BYTES) -> Any:
        """The decoded body, None when there is none. Errors: InvalidRequest, BodyRefused."""
        body = _read(self.environ, limit)
        if not body.strip():
            return None
        try:
            decoded = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            if _is_deep(body):
                raise BodyRefused(TOO_DEEP) from None
            raise InvalidRequest(f"The body is not valid JSON: {error.msg} at character {error.pos}") from None
        if _may_be_deep(body) and values.depth(decoded) > MAX_DEPTH:
            raise BodyRefused(TOO_DEEP)
        if b"\\u0000" in body and values.has_nul(decoded):
            raise InvalidRequest("The body holds the character U+0000, which cannot be stored; leave it out")
        self.environ[BODY] = decoded
        return decoded


class NotYetAllowed(SteelyardError):
    """The API version of the request does not allow this."""

    code, http_status = "not_yet_allowed", 405


Handler = Callable[..., Response]


@dataclass(frozen=True, kw_only=True)
class Route:
    """One row. ``path`` is below `/v1`; ``since``: the minor version; ``too_old``: the status below it.

    ``is_routed``: below it, the error has the shape of what routing finds wrong, not of what a handler does.
    """

    method: str
    path: str
    handler: Handler
    policy: str
    since: int = 1
    too_old: int = 404
    is_routed: bool = False
    success: int = 200


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A path that only ever refuses, because Ironic does so: kept apart from what the API offers."""

    methods: tuple[str, ...]
    path: str
    error: Callable[..., Exception]


def blueprint(name: str, routes: Sequence[Route], refusals: Sequence[Refusal], services: Services) -> Blueprint:
    """A blueprint that answers these rows."""
    made = Blueprint(name, __name__)
    for number, route in enumerate(routes):
        services.gate.check_rule(route.policy)
        view = partial(_answer, route, services)
        made.add_url_rule(route.path, f"{number}", view, methods=[route.method], provide_automatic_options=False)
    for number, refusal in enumerate(refusals):
        view = partial(_refuse, refusal)
        made.add_url_rule(
            refusal.path, f"refusal{number}", view, methods=refusal.methods, provide_automatic_options=False
        )
    return made


def _answer(route: Route, services: Services, **parts: str) -> Response:
    environ = request.environ
    call: Call = environ[CALL]
    environ[BEGAN] = time.monotonic()
    if call.minor < route.since:
        raise _too_old(route)
    with span(f"{route.method} {route.path}", headers=_trace(environ), request_id=call.request_id):
        call, parts = services.gate.admit(call, route.method, route.path, route.policy, parts)
        if "HTTP_IF_MATCH" in environ and route.method != "GET":
            wanted = conditions.versions(environ["HTTP_IF_MATCH"], route.method, route.path)
            call = replace(call, if_match=wanted)
        response = route.handler(Asked(call, services, environ), **parts)
        if "HTTP_IF_NONE_MATCH" in environ and route.method == "GET":
            return _unless_known(response, environ["HTTP_IF_NONE_MATCH"])
        return response


def _unless_known(response: Response, header: str) -> Response:
    """304 without a body when the caller has this document already. Errors: InvalidRequest."""
    tag = response.headers.get("ETag")
    return not_modified(tag) if tag is not None and conditions.is_known(header, tag) else response


def _trace(environ: dict[str, Any]) -> dict[str, str] | None:
    sent = environ.get("HTTP_TRACEPARENT")
    return {"traceparent": sent} if sent else None


def _refuse(refusal: Refusal, **parts: str) -> Response:
    raise refusal.error(**parts)


def _too_old(route: Route) -> Exception:
    if route.is_routed:
        return MethodNotAllowed() if route.too_old == MethodNotAllowed.code else NoSuchPath()
    if route.too_old == MethodNotAllowed.code:
        return NotYetAllowed(f"{route.method} {route.path} is supported starting with the API version 1.{route.since}")
    if route.too_old == NotAcceptable.http_status:
        return too_new(f"{route.method} {route.path}", route.since)
    return NotFound(f"This endpoint is supported starting with the API version 1.{route.since}")


def bound(handler: Handler, whose: Any) -> Handler:
    """A handler that several resources share, for one of them; it keeps its name, which the reference page shows."""
    return update_wrapper(partial(handler, whose), handler)


def only(query: Query, *names: str) -> None:
    refuse_unknown(query, frozenset(names))


def _read(environ: dict[str, Any], limit: int) -> bytes:
    stream = environ["wsgi.input"]
    length = environ.get("CONTENT_LENGTH")
    if length:
        body: bytes = stream.read(min(int(length), limit + 1))
    elif environ.get("wsgi.input_terminated"):
        body = stream.read(limit + 1)
    else:
        return b""
    if len(body) > limit:
        raise BodyTooLarge()
    return body


def _may_be_deep(body: bytes) -> bool:
    """Cheap: fewer brackets than levels cannot be too deep, and most bodies have few."""
    return body.count(b"{") + body.count(b"[") > MAX_DEPTH


def _is_deep(body: bytes) -> bool:
    """For a body that could not be decoded (the decoder has a limit of its own): does it begin too deep?"""
    level = 0
    for byte in body[:LOOKED_AT]:
        if byte in b"[{":
            level += 1
            if level > MAX_DEPTH:
                return True
        elif byte in b"]}":
            level -= 1
    return False
