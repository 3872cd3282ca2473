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
        """Looks itself up as its machine runs it, calls home while it is believed; then it was switched off."""
        while not self.stopping.wait(BEAT_S):
            if not self.uuid:
                if self._is_started():
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

    def _is_started(self) -> bool:
        """A machine runs its ramdisk once it was switched on for it. Of a fake one this shows when its node waits: one
        that asked while its power was still to be changed would be of a boot that is over."""
        status, listed = self.ask("GET", f"/v1/ports?address={self.mac}&fields=node_uuid")
        for port in listed["ports"] if status == 200 else ():
            status, node = self.ask("GET", f"/v1/nodes/{port['node_uuid']}?fields=provision_state")
            return status == 200 and "wait" in node["provision_state"]
        return False

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
def living_agent(api: str, mac: str, folder: Path, *, at_once: bool = True) -> Iterator[LivingAgent]:
    """It lives till the end of the block. ``at_once``: its commands are done as they begin; else they run for ever."""
    with scripted_agent("none yet", folder) as agent:
        agent.at_once = at_once
        living = LivingAgent(api=api, mac=mac, agent=agent)
        thread = threading.Thread(target=living.run, daemon=True)
        thread.start()
        try:
            yield living
        finally:
            living.stopping.set()
            thread.join(30)
