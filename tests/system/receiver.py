"""Somebody's HTTP server that takes webhooks: it checks each signature, and remembers what came, and when."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from steelyard_common.embedded.process import free_port


@dataclass(frozen=True, kw_only=True)
class Call:
    """One delivery. ``began``, ``ended``: time.monotonic(); ``answer``: what it was answered."""

    delivery: str
    event: dict[str, Any]
    is_signed: bool
    began: float
    ended: float
    answer: int

    @property
    def fact(self) -> str:
        return str(self.event["type"]).rpartition(".")[2]


def is_ours(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """As docs/howto/webhooks.md tells receivers to check it."""
    if abs(time.time() - int(headers["webhook-timestamp"])) > 300:
        return False
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mine = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return hmac.compare_digest(mine, headers["webhook-signature"])


def _reply(handler: BaseHTTPRequestHandler, answer: int) -> None:
    try:
        handler.send_response(answer)
        handler.end_headers()
    except OSError:  # who sent it was killed
        return


class Receiver:
    """``answer`` says what an event is answered; ``stop`` and ``start`` are a restart on the same port."""

    def __init__(self) -> None:
        self.secret = ""
        self.answer: Callable[[dict[str, Any]], int] = lambda event: 204
        self.pause_s = 0.0
        self.calls: list[Call] = []
        self.port = free_port()  # which is still free after a stop
        self._lock = threading.Lock()
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks?who=steelyard"

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                began = time.monotonic()
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.take(self, {name.lower(): value for name, value in self.headers.items()}, body, began)

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def take(self, handler: BaseHTTPRequestHandler, headers: dict[str, str], body: bytes, began: float) -> None:
        event = json.loads(body)
        if not self.secret:  # who made the webhook is just being told it: what comes now has to come again
            _reply(handler, 503)
            return
        answer = self.answer(event)
        time.sleep(self.pause_s)
        with self._lock:
            self.calls.append(
                Call(
                    delivery=headers["webhook-id"],
                    event=event,
                    is_signed=is_ours(self.secret, headers, body),
                    began=began,
                    ended=time.monotonic(),
                    answer=answer,
                )
            )
        _reply(handler, answer)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def taken(self, subject: str) -> list[Call]:
        """What was answered 2xx of one node, each event once, in the order in which it was first taken."""
        first: dict[str, Call] = {}
        with self._lock:
            for call in sorted(self.calls, key=lambda each: each.began):
                if call.event["subject"] == subject and call.answer < 300:
                    first.setdefault(call.delivery, call)
        return list(first.values())
