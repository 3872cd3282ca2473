"""Boot attempts as the bus shows them, and what boot hears of power and of nodes that are gone."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from steelyard_boot.domain.composing import Site as SiteRules
from steelyard_boot.domain.waterfall import Hop, Note
from steelyard_boot.handlers import boot_attempts
from steelyard_boot.service.attempts import Attempts
from steelyard_boot.service.boots import Boots
from steelyard_boot.service.trail import PowerSeen, Trail
from steelyard_common.bus import MemoryBus
from steelyard_common.contracts import subjects
from steelyard_common.contracts.events import cloud_event
from steelyard_common.db import Database
from steelyard_common.errors import InvalidRequest, NotFound
from steelyard_common.testing import SetClock

from services.boot.tests.boot_stage import NoMedia, agent, machine
from services.boot.tests.test_boot_scripts import LAN

API = {"minor": 1, "base_url": "http://api"}


@pytest.fixture
def trail(database: Database, clock: SetClock) -> Iterator[Trail]:
    trail = Trail(database, "local", clock)
    yield trail
    trail.stop()


def _ask(bus: MemoryBus, verb: str, **body: Any) -> Any:
    return orjson.loads(bus.request(subjects.query("local", "boot", verb), {"api": API, **body}, timeout_s=5))


def test_attempts_are_listed_page_by_page_and_shown_hop_by_hop(
    memory_bus: MemoryBus, database: Database, clock: SetClock, trail: Trail
) -> None:
    node = machine()
    Boots(database, SiteRules(api_url=LAN), NoMedia(), clock).prepare(node, agent())
    memory_bus.serve("boot", boot_attempts.endpoints("local", Attempts(database, {"n1": node.uuid}.__getitem__, clock)))
    for _ in range(3):
        trail.note(PowerSeen(node_uuid=node.uuid, is_on=True, at=clock()))
        clock.advance(2)
        detail = {"what": "kernel", "status": 404, "bytes": 0}
        trail.note(Note(node_uuid=node.uuid, hop=Hop.KERNEL, outcome="failed", at=clock(), detail=detail))
        clock.advance(1)
    trail.flush()

    first = _ask(memory_bus, "boot-attempts", ident="n1", limit=2)
    second = _ask(memory_bus, "boot-attempts", ident="n1", limit=2, marker=first["boots"][-1]["uuid"])
    shown = _ask(memory_bus, "boot-attempt", ident="n1", attempt=first["boots"][0]["uuid"])

    assert first["next"] == f"http://api/v1/nodes/n1/boots?limit=2&marker={first['boots'][-1]['uuid']}"
    assert len({each["uuid"] for each in first["boots"] + second["boots"]}) == 3
    assert "next" not in second
    assert shown == first["boots"][0]
    assert (shown["outcome"], shown["failing_hop"]) == ("running", "kernel")
    assert "404" in shown["reason"]
    assert [(hop["hop"], hop["outcome"], hop["after_s"]) for hop in shown["hops"]] == [
        ("power-on", "ok", 0.0), ("kernel", "failed", 2.0),
    ]  # fmt: skip


def test_an_attempt_that_is_not_there_and_a_name_that_is_none_are_said_so(
    memory_bus: MemoryBus, database: Database, clock: SetClock
) -> None:
    memory_bus.serve("boot", boot_attempts.endpoints("local", Attempts(database, lambda _: str(uuid.uuid4()), clock)))

    with pytest.raises(NotFound):
        _ask(memory_bus, "boot-attempt", ident="n1", attempt=str(uuid.uuid4()))
    with pytest.raises(InvalidRequest):
        _ask(memory_bus, "boot-attempts", ident="n1", limit=0)


def test_power_changes_and_deleted_nodes_are_heard_and_nonsense_is_not(memory_bus: MemoryBus, clock: SetClock) -> None:
    node, power, gone = str(uuid.uuid4()), list[PowerSeen](), list[str]()
    boot_attempts.listen(memory_bus, "local", power.append, gone.append)

    def tell(fact: str, data: dict[str, Any]) -> None:
        memory_bus.publish([cloud_event("local", "inventory", fact, node, data, now=clock())])

    tell("power-state-changed", {"from": None, "to": "something"})
    tell("power-state-changed", {})
    tell("power-state-changed", {"from": None, "to": "power on"})
    tell("node-deleted", {"uuid": node})
    memory_bus.deliver()

    assert power == [PowerSeen(node_uuid=node, is_on=True, at=power[0].at)]
    assert gone == [node]
