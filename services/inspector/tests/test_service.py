"""Inspections under an engine."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from steelyard_common.bus import Endpoint, MemoryBus, Request
from steelyard_common.contracts.steps import Done, Failed, Wait
from steelyard_common.errors import InvalidRequest, NotFound
from steelyard_common.provider import StepProvider
from steelyard_common.provider.testing import StepEngine, node
from steelyard_common.testing import SetClock
from steelyard_inspector.handlers import endpoints, step_functions
from steelyard_inspector.service.inspections import Inspections

NODE = "11111111-1111-4111-8111-111111111111"
MAC, OTHER = "52:54:00:00:00:01", "52:54:00:00:00:02"
FOUND: dict[str, Any] = {
    "inventory": {
        "interfaces": [
            {"name": "eth0", "mac_address": MAC.upper(), "ipv4_address": "192.0.2.7"},
            {"name": "eth1", "mac_address": OTHER, "ipv4_address": None},
        ],
        "cpu": {"architecture": "x86_64", "count": 4},
        "boot": {"pxe_interface": "01-52-54-00-00-00-01", "current_boot_mode": "uefi"},
    },
    "root_disk": {"name": "/dev/vda"},
}


@pytest.fixture
def engine(memory_bus: MemoryBus, clock: SetClock) -> StepEngine:
    provider = StepProvider(
        memory_bus, step_functions(clock), site="local", service="inspector", instance="inspector-1.test"
    )
    return StepEngine(provider=provider, bus=memory_bus, clock=clock)


def test_a_fake_inspection_tells_properties_and_inventory(engine: StepEngine) -> None:
    on = node(interfaces={"inspect": "fake"}, properties={"cpus": 2})

    result = engine.run(on, "inspect", "inspect_hardware")

    assert isinstance(result, Done)
    assert result.facts["properties"]["cpus"] == 2
    assert result.facts["inventory"]["cpu"]["count"] == 2


def test_an_inspection_by_agent_waits_for_what_the_ramdisk_tells(engine: StepEngine) -> None:
    on = node(interfaces={"inspect": "agent"})

    waits = engine.run(on, "inspect", "inspect_hardware")
    assert isinstance(waits, Wait)
    assert waits.signal == "inspection"
    engine.memo = {"signal": {"findings": FOUND}}
    done = engine.run(on, "inspect", "inspect_hardware")

    assert isinstance(done, Done)
    assert done.facts["properties"] == {"cpu_arch": "x86_64"}
    assert done.facts["ports"] == [{"address": MAC, "pxe_enabled": True}]
    assert done.facts["inventory"] == FOUND["inventory"]
    assert done.facts["plugin_data"]["macs"] == [MAC]
    engine.begin_anew()
    assert engine.run(on, "inspect", "abort") == Done()


def test_a_ramdisk_that_failed_fails_the_inspection_in_its_words(engine: StepEngine) -> None:
    engine.memo = {"signal": {"findings": FOUND | {"error": "no disks"}}}

    failed = engine.run(node(interfaces={"inspect": "agent"}), "inspect", "inspect_hardware")

    assert isinstance(failed, Failed)
    assert "no disks" in failed.error.message


# ---- what ramdisks tell


class Inventory:
    """At the border of the bus: one node waits for findings."""

    def __init__(self, bus: MemoryBus) -> None:
        self.signals: list[dict[str, Any]] = []
        self.is_waiting = True
        bus.serve("inventory", [
            Endpoint(subject="local.inventory.qry.inspection-node", handler=self._find),
            Endpoint(subject="local.inventory.cmd.signal", handler=self._signal),
        ])  # fmt: skip

    def _find(self, request: Request) -> dict[str, str]:
        if MAC not in request.body["addresses"]:
            raise NotFound("nobody")
        return {"uuid": NODE}

    def _signal(self, request: Request) -> dict[str, bool]:
        self.signals.append(dict(request.body))
        return {"woken": self.is_waiting}


def tell(bus: MemoryBus, findings: dict[str, Any], *addresses: str) -> Any:
    bus.serve("inspector", endpoints("local", Inspections(bus, "local")))
    body = {"addresses": list(addresses), "findings": findings}
    return orjson.loads(bus.request("local.inspector.cmd.take-inspection", body, timeout_s=5))


def test_findings_wake_the_inspection_that_waits_for_them(memory_bus: MemoryBus) -> None:
    inventory = Inventory(memory_bus)

    assert tell(memory_bus, FOUND, MAC) == {"uuid": NODE}

    assert inventory.signals == [{"ident": NODE, "signal": "inspection", "data": {"findings": FOUND}}]


def test_findings_that_nobody_waits_for_are_refused(memory_bus: MemoryBus) -> None:
    inventory = Inventory(memory_bus)
    with pytest.raises(NotFound):
        tell(memory_bus, FOUND, "52:54:00:00:00:99")
    inventory.is_waiting = False
    with pytest.raises(NotFound):
        tell(memory_bus, FOUND, MAC)


def test_findings_too_large_for_a_message_are_refused_with_what_to_do(memory_bus: MemoryBus) -> None:
    Inventory(memory_bus)
    with pytest.raises(InvalidRequest, match="collectors"):
        tell(memory_bus, FOUND | {"data": "x" * 950_000}, MAC)
