"""What tests of power share: nodes as providers see them, an engine with BMCs, and an inventory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from steelyard_common.bus import Bus, Endpoint, Request
from steelyard_common.contracts import subjects
from steelyard_common.errors import Busy, NotFound
from steelyard_common.provider.testing import StepEngine
from steelyard_common.provider.testing import node as common_node

from .drivers.simulated import SimulatedBmc, SimulatedConversations


def node(kind: str = "redfish", **changes: Any) -> dict[str, Any]:
    """A NodeForProvider."""
    return common_node(**({"driver": "redfish", "interfaces": {"power": kind, "management": kind}} | changes))


@dataclass(kw_only=True)
class Engine(StepEngine):
    """With BMCs in memory."""

    conversations: SimulatedConversations

    def bmc(self, of: dict[str, Any], **changes: Any) -> SimulatedBmc:
        self.conversations.bmcs[of["uuid"]] = bmc = SimulatedBmc(clock=self.clock, **changes)
        return bmc


@dataclass
class InventoryTwin:
    """Keeps nodes, lends them by lease and remembers who announced itself, as inventory does; answers on a bus."""

    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    leased: dict[str, int] = field(default_factory=dict)
    leases: list[dict[str, Any]] = field(default_factory=list)
    announced: list[dict[str, Any]] = field(default_factory=list)
    fence: int = 0

    def add(self, body: dict[str, Any], *, shard: int = 0, **more: Any) -> dict[str, Any]:
        """A node; ``more``: recorded, busy, maintenance, fault, provision_state, target_power_state."""
        row = {"recorded": None, "busy": False, "maintenance": False, "fault": None, "provision_state": "available",
               "target_power_state": None}  # fmt: skip
        self.nodes[body["uuid"]] = body | row | more | {"id": 64 * (len(self.nodes) + 1) + shard}
        return self.nodes[body["uuid"]]

    def serve(self, bus: Bus, site: str = "local") -> None:
        bus.serve(
            "inventory",
            [
                Endpoint(subject=subjects.query(site, "inventory", "node-for-provider"), handler=self._node),
                Endpoint(subject=subjects.query(site, "inventory", "power-targets"), handler=self._targets),
                Endpoint(subject=subjects.command(site, "inventory", "take-lease"), handler=self._take),
                Endpoint(subject=subjects.command(site, "inventory", "release-lease"), handler=self._release),
                Endpoint(subject=subjects.command(site, "inventory", "announce"), handler=self._announce),
            ],
        )

    def _find(self, ident: str) -> dict[str, Any]:
        for row in self.nodes.values():
            if ident in (row["uuid"], row["name"]):
                return row
        raise NotFound(f"Node {ident} could not be found.")

    def _node(self, request: Request) -> dict[str, Any]:
        return {"node": self._find(request.body["ident"])}

    def _targets(self, request: Request) -> dict[str, Any]:
        after, limit = request.body["after_id"], request.body["limit"]
        rows = [row for row in self.nodes.values() if row["id"] % 64 == request.body["shard"] and row["id"] > after]
        page = sorted(rows, key=lambda row: int(row["id"]))[:limit]
        return {"targets": page, "next": page[-1]["id"] if len(page) < len(rows) else None}

    def _take(self, request: Request) -> dict[str, Any]:
        row = self._find(request.body["ident"])
        if row["busy"] or row["uuid"] in self.leased:
            raise Busy(f"Node {row['uuid']} is locked by host somebody")
        self.fence += 1
        self.leased[row["uuid"]] = self.fence
        self.leases.append(request.body)
        return {"fence": self.fence, "node": row}

    def _release(self, request: Request) -> None:
        if self.leased.get(request.body["node"]) == request.body["fence"]:
            del self.leased[request.body["node"]]

    def _announce(self, request: Request) -> None:
        self.announced.append(request.body)
