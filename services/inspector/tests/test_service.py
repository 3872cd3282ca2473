"""Inspections under an engine."""

from __future__ import annotations

import pytest
from steelyard_common.bus import MemoryBus
from steelyard_common.contracts.steps import Done, Failed
from steelyard_common.provider import StepProvider
from steelyard_common.provider.testing import StepEngine, node
from steelyard_common.testing import SetClock
from steelyard_inspector.handlers import step_functions


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


def test_an_inspection_by_agent_says_what_to_do_instead_and_may_be_ended(engine: StepEngine) -> None:
    on = node(interfaces={"inspect": "agent"})

    result = engine.run(on, "inspect", "inspect_hardware")
    engine.begin_anew()

    assert isinstance(result, Failed)
    assert "inspect_interface" in result.error.message
    assert engine.run(on, "inspect", "abort") == Done()
