"""An agent on a fake machine of a running suite: lookup, heartbeats, commands over HTTPS, as the real one has them."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steelyard_rack.testing_agent import ScriptedAgent, scripted_agent

BEAT_S = 0.5


@dataclass
class LivingAgent:
    """``lookups``: how often a token was given; ``refused``: statuses of heartbeats that were not taken."""

    api: str
    mac: str
    agent: ScriptedAgent
    lookups: int = 0
    refused: list[int] = field(default_factory=list)
    uuid: str = ""
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Looks itself up till it is expected, calls home while it is believed; then it was switched off."""
        while not self.stopping.wait(BEAT_S):
            if not self.uuid:
                self._look_up()
            elif self._beat() == 400:
                self.uuid = ""
                self.agent.restart()

    def ask(self, method: str, path: str, body: Any = None, version: str = "1.68") -> tuple[int, Any]:
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json"}
        if version:
            headers["X-OpenStack-Ironic-API-Version"] = version
        request = urllib.request.Request(f"{self.api}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def _look_up(self) -> None:
        status, answer = self.ask("GET", f"/v1/lookup?addresses={self.mac}", version="1.62")
        if status == 200 and len(answer["config"]["agent_token"]) >= 32:
            self.lookups += 1
            self.agent.token = answer["config"]["agent_token"]
            self.uuid = answer["node"]["uuid"]

    def _beat(self) -> int:
        body = {
            "callback_url": self.agent.url, "agent_token": self.agent.token, "agent_version": "13.0.0",
            "agent_verify_ca": self.agent.verify_ca,
        }  # fmt: skip
        status, _ = self.ask("POST", f"/v1/heartbeat/{self.uuid}", body)
        if status != 202:
            self.refused.append(status)
        return status


@contextmanager
def living_agent(api: str, mac: str, folder: Path) -> Iterator[LivingAgent]:
    """It lives till the end of the block."""
    with scripted_agent("none yet", folder) as agent:
        agent.at_once = True
        living = LivingAgent(api=api, mac=mac, agent=agent)
        thread = threading.Thread(target=living.run, daemon=True)
        thread.start()
        try:
            yield living
        finally:
            living.stopping.set()
            thread.join(30)
