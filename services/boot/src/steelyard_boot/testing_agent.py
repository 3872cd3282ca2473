"""An agent for tests: the API of ironic-python-agent over real HTTPS on loopback, with a script instead of a machine.

It is as strict as the real one: a token on every command, one command at a time (409), unknown ids 404, unknown
commands 400, results wrapped as the real one wraps them. Asynchronous commands run until ``finish``; ``restart`` is a
machine that was reset: the list is empty again.
"""

from __future__ import annotations

import base64
import ssl
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
from steelyard_common.certificates import Authority, certificate_pem, key_pem, new_key

STEPS: dict[str, Any] = {
    "erase_devices_metadata": {"priority": 99, "interface": "deploy", "reboot_requested": False, "abortable": True},
    "erase_devices": {"priority": 10, "interface": "deploy", "reboot_requested": False, "abortable": True},
}
VERSION = {"generic_hardware_manager": "1.2"}
Answer = Callable[[dict[str, Any]], Any]


def _steps(kind: str) -> Answer:
    unasked = {} if kind == "clean" else {"priority": 0}
    listed = [{"step": name, **rest, **unasked} for name, rest in STEPS.items()]
    told = {f"{kind}_steps": {"GenericHardwareManager": listed}, "hardware_manager_version": VERSION}
    return lambda _params: told


# Synchronous commands: name → what they answer.
SYNC: dict[str, Answer] = {
    **{f"{kind}.get_{kind}_steps": _steps(kind) for kind in ("clean", "deploy", "service")},
    "standby.sync": lambda _params: {"result": "sync"},
    "standby.get_partition_uuids": lambda _params: {"root uuid": "c-1", "efi system partition uuid": "e-1"},
    "rescue.finalize_rescue": lambda _params: None,
    "log.collect_system_logs": lambda _params: {"system_logs": base64.b64encode(b"logs").decode()},
    "system.lockdown": lambda _params: None,
    "poll.get_hardware_info": lambda _params: {"interfaces": [{"mac_address": "52:54:00:00:00:01"}]},
    "poll.set_node_info": lambda _params: None,
}
ASYNC = frozenset({
    "clean.execute_clean_step", "deploy.execute_deploy_step", "service.execute_service_step", "standby.power_off",
    "image.install_bootloader", "standby.prepare_image",
})  # fmt: skip


@dataclass
class ScriptedAgent:
    """``received``: (name, params) of every command that was taken; ``refuse``: HTTP status for all that comes."""

    token: str
    url: str = ""
    verify_ca: str = ""
    sync: dict[str, Answer] = field(default_factory=lambda: dict(SYNC))
    at_once: bool = False  # asynchronous commands succeed as they begin
    commands: list[dict[str, Any]] = field(default_factory=list)
    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    refuse: tuple[int, str] | None = None
    lose_answers: bool = False  # the command is taken, the connection cut
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _params: dict[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.received]

    def finish(self, status: str = "SUCCEEDED", error: str | None = None, result: Any = None) -> None:
        """The command that runs ends."""
        with self._lock:
            running = next(each for each in reversed(self.commands) if each["command_status"] == "RUNNING")
            running["command_status"] = status
            if error is not None:
                running["command_error"] = {"type": "Oops", "code": 500, "message": "failed", "details": error}
            elif status == "SUCCEEDED":
                running["command_result"] = self._echo(running) if result is None else result

    def restart(self) -> None:
        with self._lock:
            self.commands.clear()

    def status(self) -> dict[str, Any]:
        return {"started_at": 1, "version": "13.0.0"}

    def run(self, name: str, params: dict[str, Any]) -> tuple[int, Any]:
        """→ (HTTP status, body)"""
        with self._lock:
            if any(each["command_status"] == "RUNNING" for each in self.commands):
                return 409, _fault("Agent is busy: executing a command")
            if name not in self.sync and name not in ASYNC:
                return 400, _fault(f"Invalid command: {name}")
            self.received.append((name, params))
            command: dict[str, Any] = {
                "id": str(uuid.uuid4()), "command_name": name.rpartition(".")[2], "command_status": "RUNNING",
                "command_error": None, "command_result": None,
            }  # fmt: skip
            self._params[command["id"]] = params
            self.commands.append(command)
            if name in self.sync:
                command |= {"command_status": "SUCCEEDED", "command_result": self.sync[name](params)}
            elif self.at_once:
                command |= {"command_status": "SUCCEEDED", "command_result": self._echo(command)}
            return 200, dict(command)

    def _echo(self, command: dict[str, Any]) -> Any:
        kind = command["command_name"].removeprefix("execute_").removesuffix("_step")
        step = self._params[command["id"]].get("step")
        return {f"{kind}_result": None, f"{kind}_step": step} if step else {"result": command["command_name"]}


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


def _fault(text: str) -> dict[str, str]:
    return {"faultcode": "Client", "faultstring": text}


class _Handler(BaseHTTPRequestHandler):
    agent: ScriptedAgent
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_GET(self) -> None:
        path, query = self._asked()
        if path == "/status":
            return self._answer(200, self.agent.status())
        if not self._may(query):
            return self._answer(401, _fault("Token invalid."))
        if path == "/commands":
            return self._answer(200, {"commands": self.agent.commands})
        wanted = path.removeprefix("/commands/")
        found = next((each for each in self.agent.commands if each["id"] == wanted), None)
        return self._answer(404, _fault("Command not found")) if found is None else self._answer(200, found)

    def do_POST(self) -> None:
        path, query = self._asked()
        body = orjson.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        if self.agent.refuse is not None:
            return self._answer(self.agent.refuse[0], _fault(self.agent.refuse[1]))
        if path != "/commands" or not self._may(query):
            return self._answer(401, _fault("Token invalid."))
        answer = self.agent.run(body["name"], body["params"])
        if self.agent.lose_answers:
            self.close_connection = True
            self.connection.close()
            return None
        return self._answer(*answer)

    def _asked(self) -> tuple[str, dict[str, list[str]]]:
        parts = urlsplit(self.path)
        return parts.path.removeprefix("/v1").rstrip("/"), parse_qs(parts.query)

    def _may(self, query: dict[str, list[str]]) -> bool:
        return query.get("agent_token") == [self.agent.token]

    def _answer(self, status: int, body: Any) -> None:
        data = orjson.dumps(body)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Quiet."""
