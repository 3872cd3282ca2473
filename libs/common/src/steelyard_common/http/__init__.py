"""The small HTTP side that every service has: health, metrics, and errors as problem JSON (RFC 9457)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any

import orjson

from .. import health
from ..errors import NotFound, SteelyardError, Unavailable

StartResponse = Callable[..., Any]
Wsgi = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
# How long the request that this thread answers had to wait for the thread, in seconds.
WAITED_S: ContextVar[float] = ContextVar("waited_s", default=0.0)
# Told by the application: who asks (callers take turns, each has a line of its own), and for how long its answer is to
# be held back, in seconds, which takes no thread.
CALLER: ContextVar[str | None] = ContextVar("caller", default=None)
HELD_S: ContextVar[float] = ContextVar("held_s", default=0.0)
# Told by the application: this request was much work; among others its caller then has one at a time.
HEAVY: ContextVar[bool] = ContextVar("heavy", default=False)
CLOSED_S = 10.0  # longer a service that does not start keeps no shared port closed
_PHRASES = {200: "OK", 404: "Not Found", 503: "Service Unavailable"}


def problem(error: SteelyardError) -> dict[str, Any]:
    """The body of ``application/problem+json`` for an error."""
    return {
        "type": f"urn:steelyard:error:{error.code}",
        "title": type(error).__doc__ or error.code,
        "status": error.http_status,
        "detail": error.message,
        "retryable": error.retryable,
    }


class ServiceHttp:
    """WSGI: ``/health/live``, ``/health/ready``, ``/metrics``; all else is the service's own app, if it has one."""

    def __init__(self, service: str, version: str, instance: str, state: Callable[[], Mapping[str, bool]]) -> None:
        """``state``: each part's health; ``app`` is set when the service has started."""
        self._about = {"service": service, "version": version, "instance": instance}
        self._state = state
        self.app: Wsgi | None = None
        self.has_app = False
        self.shares_port = False
        self._open_at = time.monotonic() + CLOSED_S

    @property
    def is_open(self) -> bool:
        """Whether to take connections: on a shared port the other replicas answer until we can. If that takes too
        long, there may be no others, and callers shall hear why they wait."""
        can_answer = not (self.shares_port and self.has_app) or self.app is not None
        return can_answer or time.monotonic() > self._open_at

    @property
    def desks(self) -> Mapping[str, Any]:
        """What is answered to many together (``at_once``)."""
        return getattr(self.app, "desks", {})

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/health/live":
            return _json(start_response, 200, {"status": "live", **self._about})
        if path == "/health/ready":
            status, body = health.report(self._state(), **self._about)
            return _json(start_response, status, body)
        if path == "/metrics":
            return _metrics(start_response)
        if self.app is not None:
            return self.app(environ, start_response)
        error = Unavailable("the service is starting") if self.has_app else NotFound()
        return _json(start_response, error.http_status, problem(error), "application/problem+json")


def _json(
    start_response: StartResponse, status: int, body: Mapping[str, Any], content_type: str = "application/json"
) -> Iterable[bytes]:
    data = orjson.dumps(body)
    headers = [("Content-Type", content_type), ("Content-Length", str(len(data)))]
    start_response(f"{status} {_PHRASES[status]}", headers)
    return [data]


def _metrics(start_response: StartResponse) -> Iterable[bytes]:
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    data = generate_latest()
    start_response("200 OK", [("Content-Type", CONTENT_TYPE_LATEST), ("Content-Length", str(len(data)))])
    return [data]
