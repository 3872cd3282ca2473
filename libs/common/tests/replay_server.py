"""A BMC made of replies in a file: for quirks that the simulated rack does not have.

replies/<model>/<case>.json: ``{"source": where this behaviour is known from, "replies": {"GET /path": [status, headers,
body], …}, "refusals": [{"request": "PATCH /path", "having": {...} | "lacking": [...], "reply": [...]}]}``. A PATCH that
nothing refuses is merged into the document, so that the next GET shows it; a POST that nothing refuses is answered 204.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

REPLIES = Path(__file__).parent / "replies"
Reply = tuple[int, dict[str, str], Any]


class ReplayBmc:
    """Replies by request line; ``requests`` is what came in: (method, path, body)."""

    def __init__(self, replies: dict[str, Any], refusals: list[dict[str, Any]] | None = None) -> None:
        self.replies = replies
        self.refusals = refusals or []
        self.requests: list[tuple[str, str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.hook: Callable[[BaseHTTPRequestHandler, str, str], bool] | None = None
        self.url = ""

    def of(self, method: str) -> list[tuple[str, Any]]:
        return [(path, body) for verb, path, body in self.requests if verb == method]

    def answer(self, method: str, path: str, body: Any) -> Reply:
        for refusal in self.refusals:
            if refusal["request"] == f"{method} {path}" and _matches(refusal, body or {}):
                status, headers, said = refusal["reply"]
                return status, headers, said
        known = self.replies.get(f"{method} {path}")
        if known is not None:
            return known[0], known[1], known[2]
        shown = self.replies.get(f"GET {path}")
        if method == "PATCH" and shown is not None:
            _merge(shown[2], body)
            return 204, {}, None
        return (204, {}, None) if method in ("POST", "DELETE") else (404, {}, {"error": {"code": "Base.1.0.NotFound"}})


def _merge(document: dict[str, Any], changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(document.get(key), dict):
            _merge(document[key], value)
        else:
            document[key] = value


def _matches(refusal: dict[str, Any], body: dict[str, Any]) -> bool:
    fields = body.get("Boot", body)
    lacking = refusal.get("lacking", [])
    if not all(fields.get(key) == value for key, value in refusal.get("having", {}).items()):
        return False
    return not lacking or any(key not in fields for key in lacking)


@contextlib.contextmanager
def serving(bmc: ReplayBmc) -> Iterator[ReplayBmc]:
    """The BMC on a free port of loopback, over plain HTTP."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65536  # one packet an answer: no waiting for delayed ACKs

        def _any(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            bmc.requests.append((self.command, self.path, body))
            bmc.headers.append({name.lower(): value for name, value in self.headers.items()})
            if bmc.hook is not None and bmc.hook(self, self.command, self.path):
                return
            status, headers, answer = bmc.answer(self.command, self.path, body)
            raw = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)
            self.wfile.flush()

        do_GET = do_POST = do_PATCH = do_DELETE = _any

        def log_message(self, *_args: Any) -> None:
            """Quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, *_args: Any) -> None:
            """A client that went away is part of the tests."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    bmc.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield bmc
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def recorded(case: str) -> ReplayBmc:
    """``model/case`` under replies/, on top of the plain BMC."""
    plain = json.loads((REPLIES / "plain.json").read_text())
    own = json.loads((REPLIES / f"{case}.json").read_text()) if case != "plain" else {}
    replies = plain["replies"] | own.get("replies", {})
    for request, changes in own.get("changes", {}).items():
        _merge(replies[request][2], changes)
    return ReplayBmc(replies, own.get("refusals"))
