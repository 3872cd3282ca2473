"""What the steps do where neither agent nor ramdisk is needed, by implementation, under an engine."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_boot.domain.catalogue import AGENT_DEPLOYS, STEPS
from steelyard_boot.handlers.steps import step_functions
from steelyard_common.bus import MemoryBus
from steelyard_common.contracts.steps import Done, Failed, StepResult
from steelyard_common.errors import InvalidRequest, Unsupported
from steelyard_common.provider import StepProvider
from steelyard_common.provider.testing import StepEngine, node
from steelyard_common.testing import SetClock

IMAGE = {"kernel": "http://example.com/k", "ramdisk": "http://example.com/r"}
ALL_STEPS = [spec.name for spec in STEPS if spec.interface == "deploy"]


@pytest.fixture
def engine(memory_bus: MemoryBus, clock: SetClock) -> StepEngine:
    provider = StepProvider(memory_bus, step_functions(clock), site="local", service="boot", instance="boot-1.test")
    return StepEngine(provider=provider, bus=memory_bus, clock=clock)


def _node(deploy: str, **more: Any) -> dict[str, Any]:
    return node(interfaces={"deploy": deploy, "boot": "fake", "rescue": "agent"}, **more)


def _error(result: StepResult) -> Exception:
    assert isinstance(result, Failed)
    return result.error


@pytest.mark.parametrize("name", ALL_STEPS)
def test_noop_deploys_nothing_and_is_done(engine: StepEngine, name: str) -> None:
    assert engine.run(_node("noop"), "deploy", name) == Done()


def test_a_ramdisk_deployment_looks_at_its_image_first(engine: StepEngine) -> None:
    without = engine.run(_node("ramdisk"), "deploy", "take_over")
    engine.begin_anew()

    assert isinstance(_error(without), InvalidRequest)
    assert engine.run(_node("ramdisk", instance_info=IMAGE), "deploy", "take_over") == Done()


@pytest.mark.parametrize("deploy", [*AGENT_DEPLOYS, "ramdisk"])
def test_an_instance_is_taken_off_without_a_word(engine: StepEngine, deploy: str) -> None:
    assert engine.run(_node(deploy), "deploy", "tear_down") == Done()


@pytest.mark.parametrize("deploy", AGENT_DEPLOYS)
def test_a_machine_that_runs_already_is_looked_after_without_an_agent(engine: StepEngine, deploy: str) -> None:
    assert engine.run(_node(deploy, provision_state="adopting"), "deploy", "take_over") == Done()


def test_a_boot_service_without_ramdisks_says_that_it_has_no_such_step(engine: StepEngine) -> None:
    error = _error(engine.run(_node("direct"), "deploy", "prepare_cleaning"))

    assert isinstance(error, Unsupported)
    assert "direct" in error.message
