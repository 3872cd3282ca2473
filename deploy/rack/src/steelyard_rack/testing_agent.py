"""An agent for tests: its command API over real HTTPS on loopback, with a script instead of a machine.

Asynchronous commands run until ``finish``; ``restart`` is a machine that was reset: the list is empty again.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
from steelyard_common.certificates import Authority, certificate_pem, key_pem, new_key

from .agent.desk import RUNNING, SUCCEEDED, Desk, fault


@dataclass(kw_only=True)
class ScriptedAgent(Desk):
    """``refuse``: HTTP status and text for every command that comes. ``waited_for``: commands asked with wait=true."""

    url: str = ""
    waited_for: list[str] = field(default_factory=list)
    verify_ca: str = ""
    at_once: bool = False  # asynchronous commands succeed as they begin
    refuse: tuple[int, str] | None = None
    lose_answers: bool = False  # the command is taken, the connection cut

    def __post_init__(self) -> None:
        self.begun = self._begun

    def finish(self, status: str = SUCCEEDED, error: str | None = None, result: Any = None) -> None:
        """The command that runs ends."""
        with self._lock:
            running = next(each for each in reversed(self.commands) if each["command_status"] == RUNNING)
            self.end(running, status, error, result)

    def _begun(self, command: dict[str, Any], _name: str, _params: dict[str, Any]) -> None:
        if self.at_once:
            self.end(command)


@contextmanager
def scripted_agent(token: str, folder: Path) -> Iterator[ScriptedAgent]:
    """One that serves until the end of the block. ``folder``: for its certificate."""
    agent = ScriptedAgent(token=token)
    authority = Authority.keep(folder, "agent", "agent")
    key = new_key()
    chain, secret = folder / "chain.pem", folder / "chain.key"
    chain.write_bytes(certificate_pem(authority.issue("agent", key, ["127.0.0.1"])))
    secret.write_bytes(key_pem(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, secret)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"agent": agent}))
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    agent.url = f"https://127.0.0.1:{server.server_address[1]}"
    agent.verify_ca = certificate_pem(authority.certificate).decode()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield agent
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""


class _Handler(BaseHTTPRequestHandler):
    agent: ScriptedAgent
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        self._reply("GET", None)

    def do_POST(self) -> None:
        body = orjson.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        if self.agent.refuse is not None:
            self._answer(self.agent.refuse[0], fault(self.agent.refuse[1]))
            return
        self._reply("POST", body)

    def _reply(self, method: str, body: Any) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        token = query.get("agent_token", [None])[0]
        if method == "POST" and query.get("wait") == ["true"]:
            self.agent.waited_for.append(body["name"])
        status, answer = self.agent.reply(method, parts.path, token, body)
        if method == "POST" and self.agent.lose_answers:
            self.close_connection = True
            self.connection.close()
            return
        self._answer(status, answer)

    def _answer(self, status: int, body: Any) -> None:
        data = orjson.dumps(body)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Quiet."""
