"""The instance is started by the agent over real HTTPS: slice by slice, and cut off at every place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from steelyard_boot.service.kexec import LOAD_S, POLL_S, SILENT_S, START
from steelyard_boot.store import agents as store
from steelyard_common.bus import MemoryBus
from steelyard_common.contracts.steps import Again, Done, Failed, StepResult
from steelyard_common.db import Database
from steelyard_common.errors import DeviceRefused, OutcomeUnknown, SteelyardError, Unsupported
from steelyard_common.testing import SetClock
from steelyard_rack.agent.answers import CommandFailed, steps

from services.boot.tests.agent_stage import NODE, Stage, stage

LOAD = "deploy.execute_deploy_step"
STEP = ("deploy", "start_by_kexec")
STARTED = Done(facts={"kexec": True})
AFTER, LONG = "after it acted", "for so long that it is sent anew"
KILLS = ("before it acts", AFTER, LONG)


@pytest.fixture
def up(database: Database, memory_bus: MemoryBus, clock: SetClock, tmp_path: Path) -> Iterator[Stage]:
    """The agent is up, and has written the instance's disk."""
    with stage(database, memory_bus, clock, tmp_path) as made:
        made.agents.expect(NODE)
        made.agent_up()
        made.engine.begin_anew()
        yield made


@pytest.fixture
def armed(up: Stage) -> Stage:
    """The kernel is loaded, and the memo kept that comes before the command."""
    up.slice(*STEP)
    up.agent.finish(result={"deploy_result": {"kernel": "/boot/vmlinuz-6.1"}, "deploy_step": None})
    result = up.slice(*STEP)
    assert isinstance(result, Again)
    assert result.progress == "the instance is started by kexec: /boot/vmlinuz-6.1 is loaded"
    assert START not in up.agent.names
    return up


def gone(ground: Stage) -> None:
    """Nobody answers at the agent's address: its port is closed."""
    session = ground.agents.session(NODE)
    assert session is not None
    with ground.database.begin() as transaction:
        store.write(transaction.connection, [replace(session, url="https://127.0.0.1:1")])


def back(ground: Stage) -> None:
    session = ground.agents.session(NODE)
    assert session is not None
    with ground.database.begin() as transaction:
        store.write(transaction.connection, [replace(session, url=ground.agent.url)])


def to_its_end(ground: Stage, within_s: float = SILENT_S) -> StepResult:
    """Slice after slice till it is known; not sooner than after ``within_s``, and not much later."""
    for number in range(1000):
        result = ground.slice(*STEP)
        if not isinstance(result, Again):
            assert number * POLL_S >= within_s - 1
            return result
        assert number * POLL_S <= within_s + 6
    raise AssertionError("it never ends")


def error(result: StepResult) -> SteelyardError:
    assert isinstance(result, Failed), result
    return result.error


def test_the_instance_is_loaded_and_then_started(armed: Stage) -> None:
    assert armed.slice(*STEP) == STARTED

    assert armed.agent.names == ["deploy.get_deploy_steps", LOAD, "standby.sync", START]
    (params,) = [params for name, params in armed.agent.received if name == LOAD]
    assert (params["step"]["step"], params["node"]["uuid"]) == ("kexec_instance", NODE)


# ---- what cannot be: the machine goes through its firmware, and says why


def test_a_ramdisk_without_the_step_is_not_asked_for_it(up: Stage) -> None:
    up.agent.sync["deploy.get_deploy_steps"] = lambda _params: steps("deploy", lacks="kexec_instance")

    failed = error(up.slice(*STEP))

    assert isinstance(failed, Unsupported)
    assert "put steelyard-agent into it" in failed.message
    assert "through its firmware" in failed.message
    assert LOAD not in up.agent.names


def test_a_kernel_that_cannot_be_loaded_is_told_in_the_agents_words(up: Stage) -> None:
    up.slice(*STEP)
    up.agent.finish("FAILED", "no boot loader's configuration was found")

    failed = error(up.slice(*STEP))

    assert "no boot loader's configuration was found" in failed.message
    assert START not in up.agent.names


def test_an_agent_that_loads_for_ever_is_given_up_before_the_deployment_is(up: Stage) -> None:
    failed = error(to_its_end(up, LOAD_S))

    assert "took longer than 120 s" in failed.message
    assert up.agent.names.count(LOAD) == 1


def test_an_agent_that_dies_while_it_loads_is_given_up(up: Stage) -> None:
    up.slice(*STEP)
    gone(up)

    assert isinstance(error(to_its_end(up, LOAD_S)), OutcomeUnknown)


def test_an_agent_that_will_not_start_it_says_so(armed: Stage) -> None:
    def refuse(_params: dict[str, Any]) -> None:
        raise CommandFailed("nothing is loaded")

    armed.agent.sync[START] = refuse

    failed = error(armed.slice(*STEP))

    assert isinstance(failed, DeviceRefused)
    assert "nothing is loaded" in failed.message


# ---- cut off at every place


def test_a_load_that_is_delivered_again_is_looked_for(up: Stage) -> None:
    up.slice(*STEP)
    up.agent.finish()
    up.engine.memo = {}  # the answer was lost, and with it the memo

    assert isinstance(up.slice(*STEP, times=2), Again)
    assert up.agent.names.count(LOAD) == 1
    assert up.slice(*STEP) == STARTED


@pytest.mark.parametrize("cut", ["delivered again", "dispatched again", "answer lost"])
def test_silence_after_the_command_may_have_been_sent_is_the_start_and_nothing_is_switched_off(
    armed: Stage, cut: str
) -> None:
    if cut == "answer lost":
        armed.agent.lose_answers = True
        assert isinstance(armed.slice(*STEP), Again)
    else:  # boot was killed with the command sent, or before it: nobody knows
        armed.engine.attempt += cut == "dispatched again"
    gone(armed)
    if cut == "delivered again":
        assert isinstance(armed.slice(*STEP, times=2), Again)

    assert to_its_end(armed, SILENT_S - 2) == STARTED


@pytest.mark.parametrize("cuts", list(product(KILLS, repeat=3)))
def test_however_often_boot_is_killed_an_instance_that_was_started_stays_so(
    armed: Stage, cuts: tuple[str, ...]
) -> None:
    message, times = armed.engine.dispatch(armed.node, *STEP), 1
    for cut in cuts:
        if cut == AFTER:
            armed.engine.deliver(message, times)  # what it answered is lost
        times += 1
        if cut == LONG:
            message, times = armed.engine.dispatch(armed.node, *STEP), 1
        if START in armed.agent.names:
            gone(armed)

    result = armed.engine.deliver(message, times)
    if isinstance(result, Again):
        armed.engine.rest(result)
        result = to_its_end(armed, SILENT_S - 2)

    assert result == STARTED
    assert armed.agent.names.count(START) == 1


@pytest.mark.parametrize("times", [1, 2])
def test_an_agent_that_still_answers_is_told_again(armed: Stage, times: int) -> None:
    armed.agent.lose_answers = True
    armed.slice(*STEP)
    armed.agent.lose_answers = False

    assert armed.slice(*STEP, times=times) == STARTED
    assert armed.agent.names.count(START) == 2


def test_an_agent_that_was_never_told_and_is_silent_has_started_nothing(armed: Stage) -> None:
    gone(armed)

    assert "did not start the instance" in error(to_its_end(armed)).message


def test_an_agent_that_comes_back_before_it_was_told_is_told(armed: Stage) -> None:
    gone(armed)
    armed.slice(*STEP)
    back(armed)

    assert armed.slice(*STEP) == STARTED
    assert armed.agent.names.count(START) == 1


def test_an_agent_of_another_boot_has_started_nothing_whatever_was_sent(armed: Stage) -> None:
    armed.agent.token = "another"  # of the machine's next boot

    assert "another boot of the machine" in error(armed.slice(*STEP, times=2)).message


def test_an_agent_that_is_busy_for_ever_has_started_nothing_whatever_was_sent(armed: Stage) -> None:
    armed.agent.run("standby.power_off", {})
    assert isinstance(armed.slice(*STEP, times=2), Again)

    assert "at work on another command" in error(to_its_end(armed, SILENT_S - 2)).message
