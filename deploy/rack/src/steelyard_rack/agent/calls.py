"""What an agent says to the API: lookup, heartbeats, what it found (lifecycle facts §12)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ..web import Answer, Web

LOOKUP_VERSION, HEARTBEAT_VERSION = "1.62", "1.68"
AGENT_VERSION = "13.0.0"
MASK = "******"


@dataclass(kw_only=True)
class Home:
    """``api``: its address without ``/v1``; ``told``: takes (what was asked, status) for the record."""

    web: Web
    api: str
    told: Callable[[str, int], None]

    async def look_up(self, macs: tuple[str, ...], node_uuid: str | None) -> Answer:
        query = f"addresses={','.join(macs)}" + (f"&node_uuid={quote(node_uuid)}" if node_uuid else "")
        answer = await self.web.call("GET", f"{self.api}/v1/lookup?{query}", version=LOOKUP_VERSION)
        self.told("lookup", answer.status)
        return answer

    async def beat(self, node_uuid: str, callback_url: str, token: str, verify_ca: str) -> Answer:
        body = {
            "callback_url": callback_url, "agent_token": token, "agent_version": AGENT_VERSION,
            "agent_verify_ca": verify_ca,
        }  # fmt: skip
        answer = await self.web.call("POST", f"{self.api}/v1/heartbeat/{node_uuid}", body, HEARTBEAT_VERSION)
        self.told("heartbeat", answer.status)
        return answer

    async def tell_found(self, url: str, found: dict[str, Any]) -> Answer:
        """The inspection call-back: without a version, as the real one."""
        answer = await self.web.call("POST", url, found)
        self.told("inspection", answer.status)
        return answer


@dataclass(kw_only=True)
class Orders:
    """What an agent was started with. ``token``: only virtual media bring one."""

    api: str
    inspection_url: str = ""
    token: str = field(default="", repr=False)

    @classmethod
    def of(cls, arguments: str, parameters: dict[str, str]) -> Orders | None:
        """From the kernel's command line and the media; None: this is no agent."""
        words = (word.partition("=") for word in arguments.split())
        told = {name: value for name, equals, value in words if equals} | parameters
        api = told.get("ipa-api-url", "")
        if not api:
            return None
        return cls(
            api=api.rstrip("/"), inspection_url=told.get("ipa-inspection-callback-url", ""),
            token=told.get("ipa-agent-token", ""),
        )  # fmt: skip
