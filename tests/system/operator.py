"""An operator with a script: patient where a client should be, strict where an answer makes no sense."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from typing import Any

# What a client may meet while a process is down: the gateway away, a part of it away, the node held.
PASSING = frozenset({409, 500, 502, 503, 504})
RETRY_S = 0.2


class Unexpected(Exception):
    """An answer that no client should ever see."""


class Operator:
    """Speaks to the API as any client does; ``seen`` counts the statuses, ``unwell`` tells of those from 500 on."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen: dict[int, int] = {}
        self.unwell: list[str] = []

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """(status, decoded body); status 0: the gateway did not answer, or not to the end."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-OpenStack-Ironic-API-Version": "1.115", "Content-Type": "application/json"},
        )
        began = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=70) as answer:
                status, data = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, data = error.code, error.read()
        except (OSError, http.client.HTTPException):  # also in the middle of an answer
            status, data = 0, b""
        self.seen[status] = self.seen.get(status, 0) + 1
        if status >= 500:
            took = time.monotonic() - began
            self.unwell.append(f"{method} {path} of {body}: {status} after {took:.1f} s: {data[:300]!r}")
        return status, json.loads(data) if data else None

    def ask(self, method: str, path: str, body: Any = None, *, within_s: float = 120.0) -> Any:
        """The answer of a call that succeeds in the end. Raises Unexpected for a real refusal and at the deadline."""
        end = time.monotonic() + within_s
        while True:
            status, answer = self.call(method, path, body)
            if 200 <= status < 300:
                return answer
            if status not in PASSING and status != 0:
                raise Unexpected(f"{method} {path} answered {status}: {answer}")
            if time.monotonic() > end:
                raise Unexpected(f"{method} {path} still answers {status} after {within_s:.0f} s: {answer}")
            time.sleep(RETRY_S)

    def until_taken(self, method: str, path: str, body: Any = None, *, within_s: float = 120.0) -> Any:
        """As ``ask``, but a refusal (400) may pass, too: what it is about is only just being announced."""
        end = time.monotonic() + within_s
        while True:
            status, answer = self.call(method, path, body)
            if 200 <= status < 300:
                return answer
            if time.monotonic() > end:
                raise Unexpected(f"{method} {path} still answers {status} after {within_s:.0f} s: {answer}")
            time.sleep(RETRY_S)

    def node(self, name: str) -> dict[str, Any]:
        answer = self.ask("GET", f"/v1/nodes/{name}")
        assert isinstance(answer, dict)
        return answer

    def wait(self, name: str, done: Callable[[dict[str, Any]], bool], *, within_s: float = 120.0) -> dict[str, Any]:
        """The node once it is ``done``. Raises Unexpected at the deadline, with what the node says."""
        end = time.monotonic() + within_s
        while True:
            node = self.node(name)
            if done(node):
                return node
            if time.monotonic() > end:
                shown = ("provision_state", "power_state", "target_power_state", "last_error", "reservation", "fault")
                raise Unexpected(f"{name} is not there after {within_s:.0f} s: { ({key: node[key] for key in shown}) }")
            time.sleep(RETRY_S)

    def enrol(self, bodies: Iterable[dict[str, Any]]) -> list[str]:
        """Create, with ports, and verify; the nodes' names."""
        names = []
        for body in bodies:
            ports = body.pop("ports", [])
            uuid = self.ask("POST", "/v1/nodes", body)["uuid"]
            for port in ports:
                self.ask("POST", "/v1/ports", port | {"node_uuid": uuid})
            self.ask("PUT", f"/v1/nodes/{uuid}/states/provision", {"target": "manage"})
            names.append(body["name"])
        for name in names:
            self.wait(name, lambda node: node["provision_state"] == "manageable")
        return names

    def set_power(self, name: str, target: str, *, within_s: float = 240.0) -> dict[str, Any]:
        """Ask for a power state and see it reached."""
        self.ask("PUT", f"/v1/nodes/{name}/states/power", {"target": target}, within_s=within_s)
        return self.wait(
            name, lambda node: node["power_state"] == target and not node["target_power_state"], within_s=within_s
        )
