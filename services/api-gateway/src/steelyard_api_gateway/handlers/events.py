"""`/v1/events/stream`: what happens, as it happens (Server-Sent Events). An addition to Ironic's API, from 1.1 on.

A reader stays for hours, so that it must not hold a thread: when the head of the answer is sent, its socket is handed
over, and what gunicorn sees is a client that left.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from typing import Any

from flask import Response

from ..service.event_stream import Asked as Wish
from ..service.event_stream import Events
from .routes import Asked, Route

SOCKET = "gunicorn.socket"  # the key in the WSGI environ
MEDIA_TYPE = "text/event-stream"


def stream(asked: Asked) -> Response:
    wish = asked.services.events.prepare(
        asked.call, asked.query(), asked.environ.get("HTTP_LAST_EVENT_ID", "").strip()
    )  # fmt: skip
    response = Response(_hand_over(asked.services.events, wish, asked.environ), mimetype=MEDIA_TYPE)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # nginx would keep events back
    return response


def _hand_over(events: Events, wish: Wish, environ: dict[str, Any]) -> Iterator[bytes]:
    """The body, as the HTTP server sees it: one comment, with which the head goes out."""
    yield b": the stream of events\n\n"
    client: socket.socket = environ[SOCKET]
    if not getattr(client, "unsent", 0):  # else it took not even the head
        chunked = environ.get("SERVER_PROTOCOL") != "HTTP/1.0"
        events.open(wish, socket.socket(fileno=client.detach()), chunked=chunked)
    raise BrokenPipeError(errno.EPIPE, "the connection is in other hands")


ROUTES = [Route(method="GET", path="/events/stream", handler=stream, policy="baremetal:event:stream")]
