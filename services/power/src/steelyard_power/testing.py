"""What tests of power share: nodes as providers see them, an engine that runs one step to its end, and an inventory."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

import orjson
from steelyard_common.bus import Bus, Delivery, Endpoint, MemoryBus, Request
from steelyard_common.contracts import subjects
from steelyard_common.contracts.steps import Again, Outcome, ResultMessage, Step, StepMessage, StepResult
from steelyard_common.errors import Busy, NotFound
from steelyard_common.testing import SetClock

from .drivers.simulated import SimulatedBmc, SimulatedConversations
from .service.steps import StepProvider


def node(kind: str = "redfish", **changes: Any) -> dict[str, Any]:
    """A NodeForProvider."""
    body: dict[str, Any] = {
        "uuid": str(uuid.uuid4()), "name": "n1", "driver": "redfish", "driver_info": {}, "sealed": {},
        "interfaces": {"power": kind, "management": kind}, "properties": {}, "power_state": None, "boot_mode": None,
        "secure_boot": None, "disable_power_off": False,
    }  # fmt: skip
    return body | changes


@dataclass
class Engine:
    """Does what inventory's engine does with one step: dispatches it, waits, dispatches again with the memo."""

    provider: StepProvider
    bus: MemoryBus
    clock: SetClock
    conversations: SimulatedConversations
    workflow: str = field(default_factory=lambda: str(uuid.uuid4()))
    attempt: int = 0
    sequence: int = 0
    memo: dict[str, Any] = field(default_factory=dict)

    def begin_anew(self) -> None:
        """Another workflow."""
        self.workflow, self.attempt, self.memo = str(uuid.uuid4()), 0, {}

    def bmc(self, of: dict[str, Any], **changes: Any) -> SimulatedBmc:
        self.conversations.bmcs[of["uuid"]] = bmc = SimulatedBmc(clock=self.clock, **changes)
        return bmc

    def dispatch(self, on: dict[str, Any], interface: str, name: str, **args: Any) -> StepMessage:
        self.attempt += 1
        step = Step(index=0, interface=interface, name=name, args=args, attempt=self.attempt, memo=self.memo)
        return StepMessage(workflow=self.workflow, fence=1, node=on, steps=[step])

    def deliver(self, message: StepMessage, times: int = 1) -> StepResult:
        """Hand the message over, for the ``times``-th time. → what was answered (the stream drops repeats)"""
        self.sequence += 1
        body = orjson.dumps(message.to_dict())
        subject = f"local.step.{message.steps[0].interface}.{message.node['uuid']}"
        self.provider.handle(
            Delivery(subject=subject, data=body, headers={}, num_delivered=times, stream_sequence=self.sequence)
        )
        return self.answers()[-1].result

    def answers(self) -> list[Outcome]:
        answer = ResultMessage.from_dict(orjson.loads(self.bus.published[-1].body))
        return answer.outcomes

    def run(self, on: dict[str, Any], interface: str, name: str, **args: Any) -> StepResult:
        """The step from where it is to its end."""
        for _ in range(1000):
            result = self.deliver(self.dispatch(on, interface, name, **args))
            if not isinstance(result, Again):
                return result
            self.rest(result)
        raise AssertionError("the step never ends")

    def rest(self, result: Again) -> None:
        self.memo = result.memo
        self.clock.advance(result.after_s)


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
