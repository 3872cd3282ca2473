"""What the steps do, by implementation, under an engine."""

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
TAKES_DOWN = ["clean_up", "tear_down", "tear_down_cleaning", "tear_down_service"]


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


@pytest.mark.parametrize("name", ["prepare", "deploy", "take_over"])
def test_a_ramdisk_deployment_looks_at_its_image_first(engine: StepEngine, name: str) -> None:
    without = engine.run(_node("ramdisk"), "deploy", name)
    engine.begin_anew()

    assert isinstance(_error(without), InvalidRequest)
    assert engine.run(_node("ramdisk", instance_info=IMAGE), "deploy", name) == Done()


@pytest.mark.parametrize("deploy", [*AGENT_DEPLOYS, "ramdisk"])
@pytest.mark.parametrize("name", TAKES_DOWN)
def test_what_was_never_put_up_is_taken_down_without_a_word(engine: StepEngine, deploy: str, name: str) -> None:
    assert engine.run(_node(deploy), "deploy", name) == Done()


@pytest.mark.parametrize("deploy", AGENT_DEPLOYS)
def test_an_agent_cannot_be_booted_yet_and_every_step_says_what_to_do_instead(engine: StepEngine, deploy: str) -> None:
    for name, instead in {"prepare": "adopt", "deploy": "adopt", "prepare_cleaning": "automated_clean",
                          "prepare_service": "disable_ramdisk"}.items():  # fmt: skip
        error = _error(engine.run(_node(deploy), "deploy", name))
        engine.begin_anew()
        assert isinstance(error, Unsupported)
        assert deploy in error.message
        assert instead in error.message


@pytest.mark.parametrize("deploy", AGENT_DEPLOYS)
def test_a_machine_that_runs_already_is_adopted_without_an_agent(engine: StepEngine, deploy: str) -> None:
    on = _node(deploy, provision_state="adopting")

    assert engine.run(on, "deploy", "prepare") == Done()
    assert engine.run(on, "deploy", "take_over") == Done()


def test_a_rescue_by_agent_fails_and_leaves_nothing_to_take_back(engine: StepEngine) -> None:
    error = _error(engine.run(_node("direct"), "rescue", "rescue"))
    engine.begin_anew()

    assert "rescue_interface" in str(error)
    assert engine.run(_node("direct"), "rescue", "unrescue") == Done()
    assert engine.run(_node("direct"), "rescue", "clean_up") == Done()
