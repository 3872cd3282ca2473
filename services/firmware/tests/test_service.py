"""RAID of a fake machine: made, applied, deleted."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_common.bus import MemoryBus
from steelyard_common.contracts.steps import Done, Failed, StepResult
from steelyard_common.errors import InvalidRequest
from steelyard_common.provider import StepProvider
from steelyard_common.provider.testing import StepEngine, node
from steelyard_common.testing import SetClock
from steelyard_firmware.handlers import step_functions

DISKS = [{"raid_level": "1", "size_gb": 100}]


@pytest.fixture
def engine(memory_bus: MemoryBus, clock: SetClock) -> StepEngine:
    provider = StepProvider(
        memory_bus, step_functions(clock), site="local", service="firmware", instance="firmware-1.test"
    )
    return StepEngine(provider=provider, bus=memory_bus, clock=clock)


def _raid(result: StepResult) -> Any:
    assert isinstance(result, Done)
    return result.facts["raid_config"]


def test_the_wanted_disks_are_made(engine: StepEngine) -> None:
    on = node(interfaces={"raid": "fake"}, target_raid_config={"logical_disks": DISKS})

    assert _raid(engine.run(on, "raid", "create_configuration"))["logical_disks"] == DISKS


def test_the_disks_of_the_argument_are_made_and_all_are_deleted(engine: StepEngine) -> None:
    on = node(interfaces={"raid": "fake"})

    applied = engine.run(on, "raid", "apply_configuration", raid_config={"logical_disks": DISKS})
    engine.begin_anew()

    assert _raid(applied)["logical_disks"] == DISKS
    assert _raid(engine.run(on, "raid", "delete_configuration")) == {}


def test_a_node_that_wants_no_disks_gets_none(engine: StepEngine) -> None:
    result = engine.run(node(interfaces={"raid": "fake"}), "raid", "create_configuration")

    assert isinstance(result, Failed)
    assert isinstance(result.error, InvalidRequest)
