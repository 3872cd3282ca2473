"""How requests and replies look on the wire; used by both buses, so that the twin takes the same road."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from ..errors import InternalError, InvalidRequest, SteelyardError, Unavailable, from_dict, from_foreign
from ..telemetry import get_logger, inject, is_on, span
from .types import (
    CHUNK,
    CHUNK_BYTES,
    DEADLINE,
    ERROR,
    ERROR_CODE,
    MAX_MESSAGE_BYTES,
    TAG,
    Endpoint,
    Reply,
    Request,
    Tagged,
)

if TYPE_CHECKING:
    from marshmallow import Schema

log = get_logger(__name__)


def encode_request(
    body: Mapping[str, Any], timeout_s: float, headers: Mapping[str, str] | None
) -> tuple[bytes, dict[str, str]]:
    """Bytes and headers of a request. Errors: InvalidRequest when it is larger than a message may be."""
    data = orjson.dumps(body)
    if len(data) > MAX_MESSAGE_BYTES:
        raise InvalidRequest(f"the request is larger than {MAX_MESSAGE_BYTES} bytes")
    out = dict(headers) if headers else {}
    out[DEADLINE] = str(int(timeout_s * 1000))
    if is_on():
        inject(out)
    return data, out


def answer(
    endpoint: Endpoint, data: bytes, headers: Mapping[str, str], received: float
) -> tuple[bytes, dict[str, str]]:
    """Run an endpoint's handler; the reply's bytes and headers, an error's too.

    ``received``: time.monotonic() at arrival. A request whose caller has given up is not begun.
    """
    deadline = received + float(headers.get(DEADLINE, 30_000)) / 1000
    try:
        if time.monotonic() >= deadline:
            raise Unavailable("the request waited longer than its caller")
        request = Request(subject=endpoint.subject, body=_load(endpoint, data), headers=headers, deadline=deadline)
        if not is_on():
            return _reply_parts(endpoint.handler(request))
        with span(endpoint.subject, headers=headers):
            return _reply_parts(endpoint.handler(request))
    except Exception as error:  # noqa: BLE001  the runner: whatever happens, the caller is answered
        return error_reply(endpoint.subject, error)


def _load(endpoint: Endpoint, data: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(data) if data else {}
        if not isinstance(body, dict):
            raise InvalidRequest("a request's body is a JSON object")
        if endpoint.schema is None:
            return body
        return _fit(endpoint.schema, body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"the request is not JSON: {error}") from error


def _fit(kind: type[Schema], body: dict[str, Any]) -> dict[str, Any]:
    # Here, not on top: a service without endpoints need not hold marshmallow in its memory (7 MB).
    from marshmallow import EXCLUDE, ValidationError

    try:
        loaded: dict[str, Any] = _schema(kind).load(body, unknown=EXCLUDE)
    except ValidationError as error:
        raise InvalidRequest(f"the request does not fit its schema: {error.messages}") from error
    return loaded


@functools.cache
def _schema(kind: type[Schema]) -> Schema:
    """One of a kind: making one costs more than loading with it, and loading keeps nothing in it."""
    return kind()


def _reply_parts(reply: Reply) -> tuple[bytes, dict[str, str]]:
    if isinstance(reply, Tagged):
        return bytes(reply), {TAG: reply.tag}
    return (reply if isinstance(reply, bytes) else orjson.dumps(reply)), {}


def error_reply(subject: str, error: Exception) -> tuple[bytes, dict[str, str]]:
    """The JSON body and the headers that tell the caller, and ordinary NATS tools, what went wrong."""
    known = from_foreign(error)
    if isinstance(known, InternalError):
        log.exception("request failed", subject=subject, detail=known.detail)
    elif known.detail:
        log.warning("request refused", subject=subject, code=known.code, detail=known.detail)
    text = known.message.encode("ascii", "replace").decode()[:200]
    return orjson.dumps(known.to_dict()), {ERROR_CODE: str(known.http_status), ERROR: text}


def split(data: bytes) -> Iterator[tuple[bytes, dict[str, str]]]:
    """A reply too large for one message, in numbered parts; NATS keeps the order of one sender."""
    count = -(-len(data) // CHUNK_BYTES)
    view = memoryview(data)
    for index in range(count):
        part = view[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES]
        yield bytes(part), {CHUNK: f"{index + 1}/{count}"}


class Parts:
    """Puts the parts of one reply together. A gap or a repeat makes the reply unusable."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._broken = False

    def add(self, data: bytes, numbers: str) -> bool:
        """True when this was the last one."""
        index, _, count = numbers.partition("/")
        self._parts.append(data)
        self._broken = self._broken or int(index) != len(self._parts)
        return index == count

    def join(self) -> bytes:
        if self._broken:
            raise Unavailable("a part of the reply was lost")
        return b"".join(self._parts)


def raise_error(data: bytes) -> None:
    """Raise the error that an error reply carries."""
    error: SteelyardError
    try:
        error = from_dict(orjson.loads(data))
    except (orjson.JSONDecodeError, AttributeError):
        error = InternalError(detail="an error reply without a readable body")
    raise error
