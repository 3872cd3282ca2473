"""The command API of an agent, as ironic-python-agent 13 has it, without a network or a clock. Thread-safe.

It is as strict as the real one: a token on every command (401), one command at a time (409), unknown commands 400,
other ids 404, results wrapped as the real one wraps them. Whoever owns a desk ends the asynchronous commands.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .answers import SYNC, Answer, CommandFailed

ASYNC = frozenset({
    "clean.execute_clean_step", "deploy.execute_deploy_step", "service.execute_service_step", "standby.power_off",
    "image.install_bootloader", "standby.prepare_image", "standby.run_image", "standby.execute_bootc_install",
})  # fmt: skip
RUNNING, SUCCEEDED, FAILED, MISMATCH = "RUNNING", "SUCCEEDED", "FAILED", "CLEAN_VERSION_MISMATCH"
Reply = tuple[int, Any]
Begun = Callable[[dict[str, Any], str, dict[str, Any]], None]


@dataclass(kw_only=True)
class Desk:
    """``received``: (name, params) of every command that was taken. ``begun`` is told of each asynchronous command
    (its record, name, params) once it is listed."""

    token: str
    sync: dict[str, Answer] = field(default_factory=lambda: dict(SYNC))
    commands: list[dict[str, Any]] = field(default_factory=list)
    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    begun: Begun = lambda _command, _name, _params: None
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _params: dict[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.received]

    def reply(self, method: str, path: str, token: str | None, body: Any) -> Reply:
        """``path``: below the agent's address, with or without ``/v1``. → (HTTP status, body)"""
        path = path.removeprefix("/v1").rstrip("/")
        if (method, path) == ("GET", "/status"):
            return 200, self.status()
        if token != self.token:
            return 401, fault("Token invalid.")
        if method == "POST" and path == "/commands":
            return self.run(str(body["name"]), body["params"])
        if method == "GET" and path == "/commands":
            return 200, {"commands": [dict(each) for each in self.commands]}
        found = self.find(path.removeprefix("/commands/"))
        return (404, fault("Command not found")) if found is None else (200, dict(found))

    def status(self) -> dict[str, Any]:
        return {"started_at": 1, "version": "13.0.0"}

    def find(self, command_id: str) -> dict[str, Any] | None:
        return next((each for each in self.commands if each["id"] == command_id), None)

    def run(self, name: str, params: dict[str, Any]) -> Reply:
        """Take a command. → (HTTP status, body)"""
        with self._lock:
            if any(each["command_status"] == RUNNING for each in self.commands):
                return 409, fault("Agent is busy: executing a command")
            if name not in self.sync and name not in ASYNC:
                return 400, fault(f"Invalid command: {name}")
            self.received.append((name, params))
            command: dict[str, Any] = {
                "id": str(uuid.uuid4()), "command_name": name.rpartition(".")[2], "command_status": RUNNING,
                "command_error": None, "command_result": None,
            }  # fmt: skip
            self._params[command["id"]] = params
            self.commands.append(command)
            if name in self.sync:
                try:
                    command |= {"command_status": SUCCEEDED, "command_result": self.sync[name](params)}
                except CommandFailed as failure:
                    self.end(command, FAILED, str(failure))
            else:
                self.begun(command, name, params)
            return 200, dict(command)

    def end(
        self, command: dict[str, Any], status: str = SUCCEEDED, error: str | None = None, result: Any = None,
        told: Any = None,
    ) -> None:  # fmt: skip
        """A command ends. ``result`` None: as the real one answers, with what the step ``told``; ``error``: what it
        says."""
        with self._lock:
            if error is not None:
                command["command_error"] = {"type": "Oops", "code": 500, "message": "failed", "details": error}
            elif status == SUCCEEDED:
                command["command_result"] = self._echo(command, told) if result is None else result
            command["command_status"] = status

    def restart(self) -> None:
        """The machine was reset: the list is empty again."""
        with self._lock:
            self.commands.clear()

    def _echo(self, command: dict[str, Any], told: Any) -> Any:
        kind = command["command_name"].removeprefix("execute_").removesuffix("_step")
        step = self._params[command["id"]].get("step")
        return {f"{kind}_result": told, f"{kind}_step": step} if step else {"result": command["command_name"]}


def fault(text: str) -> dict[str, str]:
    return {"faultcode": "Client", "faultstring": text}
