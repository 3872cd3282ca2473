"""Answers and errors as HTTP, in the two shapes that clients know (facts §2)."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response
from steelyard_common.errors import (
    InternalError,
    InvalidRequest,
    SteelyardError,
    TooManyRequests,
    Unavailable,
    Unsupported,
)
from steelyard_common.telemetry import get_logger
from werkzeug.exceptions import HTTPException

from ..domain.identifiers import BadIdentifier
from ..domain.versions import VersionRefused
from ..drivers.over_bus import tag_of

log = get_logger(__name__)
JSON = "application/json"
RETRY_AFTER_S = 2
TITLES = {
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    406: "Not Acceptable", 409: "Conflict", 412: "Precondition Failed", 413: "Request Entity Too Large",
    429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway",
    503: "Service Unavailable", 504: "Gateway Timeout",
}  # fmt: skip
# Errors that routing finds; everything else has the fault shape.
_ABORTS = (BadIdentifier, VersionRefused)


class BodyRefused(InvalidRequest):
    """The body is too deep or too large (answered bare, without `error_message`)."""


class BodyTooLarge(BodyRefused):
    """Request body is too large."""

    http_status = 413


def document(body: bytes, status: int = 200, location: str | None = None) -> Response:
    """A finished JSON document."""
    response = Response(body, status, mimetype=JSON)
    tag = tag_of(body)
    if tag is not None:
        response.headers["ETag"] = tag
    if location is not None:
        response.headers["Location"] = location
    return response


def empty(status: int, location: str | None = None) -> Response:
    """204, or 202 without a result: no body and no Content-Type."""
    response = Response(b"", status)
    del response.headers["Content-Type"]
    if location is not None:
        response.headers["Location"] = location
    return response


def not_modified(tag: str) -> Response:
    """304: the caller has it already."""
    response = empty(304)
    response.headers["ETag"] = tag
    return response


def fault_body(status: int, message: str) -> bytes:
    """The shape of what handlers find wrong."""
    code = "Client" if status < 500 else "Server"
    return _wrapped({"faultcode": code, "faultstring": message, "debuginfo": None})


def abort_body(status: int, description: str = "") -> bytes:
    """The shape of what routing finds wrong."""
    return _wrapped({"code": status, "title": TITLES.get(status, "Error"), "description": description})


def _wrapped(inner: dict[str, Any]) -> bytes:
    return orjson.dumps({"error_message": orjson.dumps(inner).decode()})


def error_parts(error: SteelyardError) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers of an error."""
    status = 400 if isinstance(error, Unsupported) else error.http_status
    if isinstance(error, BodyRefused):
        return status, orjson.dumps({"faultcode": "Client", "faultstring": error.message}), {}
    if isinstance(error, _ABORTS):
        return status, abort_body(status, error.message), {}
    headers = {}
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if isinstance(error, TooManyRequests):
        headers["Retry-After"] = str(error.retry_after_s)
    return status, fault_body(status, error.message), headers


def steelyard_error(error: SteelyardError) -> Response:
    status, body, headers = error_parts(error)
    if status >= 500 or error.detail:
        log.warning("request failed", code=error.code, status=status, message=error.message, detail=error.detail)
    response = document(body, status)
    response.headers.update(headers)
    return response


def http_error(error: HTTPException) -> Response:
    """What Flask's routing refuses (404, 405), and a bug (500), which Flask has logged."""
    status = error.code or 500
    if status >= 500:
        return steelyard_error(InternalError())
    said = dict(error.get_headers())
    # werkzeug adds HEAD to every GET; it is served on the roots alone
    allowed = ", ".join(verb for verb in sorted(said.get("Allow", "").split(", ")) if verb not in ("", "HEAD"))
    description = "There is no such path." if status == 404 else f"This path takes {allowed}." if allowed else ""
    response = document(abort_body(status, description), status)
    if allowed:
        response.headers["Allow"] = allowed
    return response
