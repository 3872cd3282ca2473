"""Inventory as boot's tests need it, at the border of the bus: a few nodes, in a few states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from steelyard_common.bus import Endpoint, MemoryBus, Request
from steelyard_common.contracts import subjects
from steelyard_common.errors import NotFound, Unavailable

SITE = "local"


@dataclass
class InventoryTwin:
    """``nodes``: UUID → {name, boot, ...}. ``observed``: every heartbeat that was told, in order."""

    bus: MemoryBus
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    observed: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, str]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)  # what becomes of the heartbeats of a node
    messages: int = 0
    is_away: bool = False

    def __post_init__(self) -> None:
        rows = {
            subjects.query(SITE, "inventory", "ramdisk-nodes"): self._lookups,
            subjects.query(SITE, "inventory", "node-uuid"): self._uuid,
            subjects.query(SITE, "inventory", "instance-of-node"): self._instance,
            subjects.query(SITE, "inventory", "node-volumes"): self._volumes,
            subjects.query(SITE, "inventory", "knows-machine"): self._knows,
            subjects.command(SITE, "inventory", "observe-agents"): self._observe,
        }
        self.bus.serve("inventory", [Endpoint(subject=subject, handler=each) for subject, each in rows.items()])

    def switch_off(self, uuid: str) -> None:
        """And on again: the node's next boot."""
        self.nodes[uuid]["boot"] = f"{int(self.nodes[uuid].get('boot') or 0) + 1}"

    def _lookups(self, request: Request) -> dict[str, Any]:
        self._check()
        asked = request.body["asked"]
        several = [self._owners(each["addresses"]) for each in asked]
        return {
            "found": [self._lookup(each["node_uuid"]) for each in asked],
            "several": [owners if len(owners) > 1 else [] for owners in several],
        }

    def _owners(self, macs: Sequence[str]) -> list[str]:
        return [uuid for uuid, node in self.nodes.items() if set(macs).intersection(node.get("macs", ()))]

    def _lookup(self, uuid: str) -> dict[str, Any] | None:
        if uuid not in self.nodes:
            return None
        node = self.nodes[uuid]
        shown = {"uuid": uuid, "properties": {}, "instance_info": {}, "driver_internal_info": {}, "links": []}
        return {"node": shown, "boot": node.get("boot"), "management": node.get("management")}

    def _uuid(self, request: Request) -> dict[str, Any]:
        self._check()
        for uuid, node in self.nodes.items():
            if request.body["ident"] in (uuid, node.get("name")):
                return {"uuid": uuid}
        raise NotFound(f"Node {request.body['ident']} could not be found.")

    def _instance(self, request: Request) -> dict[str, Any]:
        self._check()
        node = self.nodes.get(request.body["ident"])
        if node is None:
            raise NotFound("no such node")
        return {"configdrive": node.get("configdrive"), "project": node.get("project"), "disks": node.get("disks", [])}

    def _knows(self, request: Request) -> dict[str, Any]:
        self._check()
        asked = set(request.body["macs"])
        return {"known": any(asked.intersection(node.get("macs", ())) for node in self.nodes.values())}

    def _volumes(self, request: Request) -> dict[str, Any]:
        self._check()
        node = self.nodes[request.body["ident"]]
        return {"connectors": node.get("connectors", []), "targets": node.get("targets", [])}

    def _observe(self, request: Request) -> dict[str, Any]:
        self._check()
        self.messages += 1
        self.refused += request.body.get("refused", [])
        return {"agents": [self._judge(agent) for agent in request.body["agents"]]}

    def _judge(self, agent: dict[str, Any]) -> dict[str, Any]:
        uuid = agent["node"]
        if uuid not in self.nodes:
            return {"node": uuid, "taken": "unknown", "boot": None}
        boot = self.nodes[uuid].get("boot")
        taken = self.answers.get(uuid, "taken")
        if agent["boot"] is not None and agent["boot"] != (boot or ""):
            taken = "stale"
        if taken == "taken":
            self.observed.append(agent)
        return {"node": uuid, "taken": taken, "boot": boot}

    def _check(self) -> None:
        if self.is_away:
            raise Unavailable("inventory is away")
