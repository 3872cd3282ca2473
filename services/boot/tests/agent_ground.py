"""What tests of lookups and heartbeats stand on: agents behind the bus, with a twin of inventory."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from steelyard_boot.domain.lookup_config import AgentRules
from steelyard_boot.handlers.agents import endpoints
from steelyard_boot.service.agents import Agents
from steelyard_boot.service.inventory import Inventory
from steelyard_boot.service.refusals import Refusals
from steelyard_boot.testing_inventory import SITE, InventoryTwin
from steelyard_common.bus import CALLER, MemoryBus
from steelyard_common.certificates import certificate_pem, new_key, self_signed
from steelyard_common.db import Database
from steelyard_common.secrets import Sealer
from steelyard_common.testing import SetClock

NODE, OTHER, NOBODY = (str(uuid.UUID(int=number)) for number in (1, 2, 3))
URL = "https://192.0.2.7:9999"
API = {"minor": 115, "base_url": "http://api.example:6385"}
CA, OTHER_CA = (certificate_pem(self_signed("agent", new_key())).decode() for _ in range(2))
SEALER = Sealer.from_text(Sealer.new_key())


class Ground:
    """Agents behind the bus, with a twin of inventory."""

    def __init__(self, database: Database, bus: MemoryBus, clock: SetClock, *, require_tls: bool = True) -> None:
        self.bus, self.database, self.clock = bus, database, clock
        self.inventory = InventoryTwin(bus, {NODE: {"name": "n1"}, OTHER: {"name": "n2"}})
        inventory = Inventory(bus, SITE)
        self.came: list[tuple[str, str]] = []
        self.noted: list[tuple[str, str]] = []
        self.agents = Agents(
            database, SEALER, inventory, clock, AgentRules(), require_tls=require_tls,
            came=lambda node, how: self.came.append((node, how)),
            refusals=Refusals(inventory, clock, lambda node, why: self.noted.append((node, why))),
        )  # fmt: skip
        bus.serve("boot", endpoints(SITE, self.agents))

    def lookup(
        self,
        node: str = NODE,
        minor: int = 115,
        addresses: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        body = {"api": API | {"minor": minor}, "node_uuid": node, "addresses": list(addresses)}
        reply = self.bus.request(f"{SITE}.boot.cmd.agent-lookup", body, timeout_s=5, headers=headers)
        answer: dict[str, Any] = orjson.loads(reply)
        return answer

    def token(self, node: str = NODE, request_id: str = "") -> str:
        """As one HTTP request gets it, whose id the gateway tells."""
        headers = {CALLER: orjson.dumps({"user": None, "request_id": request_id}).decode()} if request_id else None
        given: str = self.lookup(node, headers=headers)["config"]["agent_token"]
        return given

    def beat(self, token: str, ident: str = NODE, url: str = URL, **more: Any) -> None:
        body = {"ident": ident, "url": url, "token": token, "version": "13.0.0", **more}
        self.bus.request(f"{SITE}.boot.cmd.agent-heartbeat", body, timeout_s=5)
