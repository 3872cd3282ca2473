"""Consoles of fake machines."""

from __future__ import annotations

from steelyard_common.bus import MemoryBus
from steelyard_common.contracts.steps import Done, Failed
from steelyard_common.provider import StepProvider
from steelyard_common.provider.testing import StepEngine, node
from steelyard_common.testing import SetClock
from steelyard_console.handlers import step_functions


def test_a_fake_console_is_started_and_stopped_and_one_that_is_none_is_not(
    memory_bus: MemoryBus, clock: SetClock
) -> None:
    provider = StepProvider(
        memory_bus, step_functions(clock), site="local", service="console", instance="console-1.test"
    )
    engine = StepEngine(provider=provider, bus=memory_bus, clock=clock)
    on = node(interfaces={"console": "fake"})

    assert engine.run(on, "console", "start") == Done(facts={"console_enabled": True})
    assert engine.run(on, "console", "stop") == Done(facts={"console_enabled": False})
    assert isinstance(engine.run(node(interfaces={"console": "no-console"}), "console", "start"), Failed)
