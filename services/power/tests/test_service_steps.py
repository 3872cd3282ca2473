"""Steps from dispatch to result: run twice, and broken at every point."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from steelyard_common.bmc import BootDevice, PowerAction, PowerState
from steelyard_common.contracts.steps import Again, Done, Failed
from steelyard_common.db import Database
from steelyard_common.errors import (
    CommitUnknown,
    Conflict,
    DeviceRefused,
    DeviceUnreachable,
    InvalidRequest,
    OutcomeUnknown,
    Unavailable,
    Unsupported,
)
from steelyard_power.store import journal
from steelyard_power.store.journal import StepKey
from steelyard_power.testing import Engine, node

ON, OFF = PowerState.ON, PowerState.OFF
TARGETS: list[tuple[str, PowerState, list[PowerAction], str]] = [
    ("power on", OFF, [PowerAction.ON], "power on"),
    ("power off", ON, [PowerAction.OFF], "power off"),
    ("soft power off", ON, [PowerAction.SOFT_OFF], "power off"),
    ("rebooting", ON, [PowerAction.OFF, PowerAction.ON], "power on"),
    ("soft rebooting", ON, [PowerAction.SOFT_OFF, PowerAction.ON], "power on"),
    ("rebooting", OFF, [PowerAction.ON], "power on"),
]


class Killed(BaseException):
    """The process was killed here."""


def _kill(*_args: Any, **_more: Any) -> None:
    raise Killed


def set_power(engine: Engine, on: dict[str, Any], target: str, **args: Any) -> Any:
    return engine.run(on, "power", "set_power", target=target, **args)


@pytest.mark.parametrize(("target", "start", "sent", "end"), TARGETS)
def test_a_power_change_arrives_and_sends_each_action_once(
    engine: Engine, target: str, start: PowerState, sent: list[PowerAction], end: str
) -> None:
    on = node()
    bmc = engine.bmc(on, power=start)

    assert set_power(engine, on, target) == Done(facts={"power_state": end})
    assert bmc.received == sent


@pytest.mark.parametrize(("target", "start"), [("power on", ON), ("power off", OFF), ("soft power off", OFF)])
def test_a_node_that_is_there_already_is_done_at_once_and_leaves_no_mark(
    engine: Engine, database: Database, target: str, start: PowerState
) -> None:
    on = node()
    bmc = engine.bmc(on, power=start)

    assert set_power(engine, on, target) == Done(facts={"power_state": start.value})
    assert (bmc.received, engine.attempt) == ([], 1)
    with database.read() as connection:
        assert journal.find(connection, StepKey(workflow=engine.workflow, index=0)) is None


@pytest.mark.parametrize(("target", "start", "sent", "end"), TARGETS)
def test_every_slice_may_come_twice(
    engine: Engine, target: str, start: PowerState, sent: list[PowerAction], end: str
) -> None:
    for twice in range(1, 7):
        engine.begin_anew()
        on = node()
        bmc = engine.bmc(on, power=start)

        for count in range(1, 100):
            message = engine.dispatch(on, "power", "set_power", target=target)
            result = engine.deliver(message)
            if count == twice:
                again = engine.deliver(message, times=2)
                assert type(again) is type(result)
            if not isinstance(result, Again):
                break
            engine.rest(result)

        assert (result, bmc.received) == (Done(facts={"power_state": end}), sent), f"slice {twice} twice"


@pytest.mark.parametrize("broken", ["on_read", "before_send", "after_send", "publish"])
@pytest.mark.parametrize(("target", "start", "sent", "end"), TARGETS)
def test_a_process_killed_at_any_point_doubles_and_loses_nothing(
    engine: Engine, target: str, start: PowerState, sent: list[PowerAction], end: str, broken: str
) -> None:
    for broken_slice in range(1, 7):
        engine.begin_anew()
        on = node()
        bmc = engine.bmc(on, power=start)

        result: Any = None
        for count in range(1, 200):
            message = engine.dispatch(on, "power", "set_power", target=target)
            try:
                with pytest.MonkeyPatch.context() as patch:
                    if count == broken_slice:
                        patch.setattr(engine.bus if broken == "publish" else bmc, broken, _kill)
                    result = engine.deliver(message)
            except Killed:
                engine.clock.advance(15)  # the time until the stream gives it again
                result = engine.deliver(message, times=2)
            if not isinstance(result, Again):
                break
            engine.rest(result)

        assert (result, bmc.received) == (Done(facts={"power_state": end}), sent), f"slice {broken_slice} killed"


@pytest.mark.parametrize("is_saved", [True, False])
@pytest.mark.parametrize(("target", "start", "sent", "end"), TARGETS)
def test_a_commit_of_which_nobody_knows_fails_nothing_and_doubles_nothing(
    engine: Engine,
    database: Database,
    target: str,
    start: PowerState,
    sent: list[PowerAction],
    end: str,
    is_saved: bool,
) -> None:
    commit = database._commit
    for broken_commit in range(1, 6):
        engine.begin_anew()
        on = node()
        bmc = engine.bmc(on, power=start)
        left = iter(range(broken_commit, 0, -1))

        def lose(connection: Any, transaction: Any, ids: list[int], left: Iterator[int] = left) -> None:
            is_lost = next(left, 0) == 1
            if is_saved or not is_lost:
                commit(connection, transaction, ids)
            if is_lost:
                raise CommitUnknown("the database went away while a change was being saved")

        result: Any = None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(database, "_commit", lose)
            for _ in range(200):
                message = engine.dispatch(on, "power", "set_power", target=target)
                try:
                    result = engine.deliver(message)
                except Unavailable:
                    engine.clock.advance(15)  # the time until the stream gives it again
                    result = engine.deliver(message, times=2)
                if not isinstance(result, Again):
                    break
                engine.rest(result)

        assert (result, bmc.received) == (Done(facts={"power_state": end}), sent), f"commit {broken_commit} lost"


def test_an_action_that_was_marked_but_never_sent_is_sent_after_the_grace_time(engine: Engine) -> None:
    on = node()
    bmc = engine.bmc(on, power=ON)
    message = engine.dispatch(on, "power", "set_power", target="power off")
    bmc.before_send = _kill
    with pytest.raises(Killed):
        engine.deliver(message)
    bmc.before_send = lambda: None

    watching = engine.deliver(message, times=2)

    assert isinstance(watching, Again)
    assert bmc.received == []
    engine.rest(watching)
    engine.clock.advance(9)
    assert set_power(engine, on, "power off") == Done(facts={"power_state": "power off"})
    assert bmc.received == [PowerAction.OFF]


def test_a_late_copy_of_the_first_slice_does_not_reboot_a_node_again(engine: Engine) -> None:
    on = node()
    bmc = engine.bmc(on, power=ON)
    first = engine.dispatch(on, "power", "set_power", target="rebooting")
    result = engine.deliver(first)
    assert isinstance(result, Again)
    engine.rest(result)
    assert isinstance(set_power(engine, on, "rebooting"), Done)

    engine.deliver(first, times=2)
    engine.deliver(first, times=1)

    assert bmc.received == [PowerAction.OFF, PowerAction.ON]


def test_an_old_memo_after_a_lost_answer_does_not_hang_or_double_a_reboot(engine: Engine) -> None:
    on = node()
    bmc = engine.bmc(on, power=ON)
    old: dict[str, Any] = {}
    while PowerAction.ON not in bmc.received:
        old = dict(engine.memo)
        result = engine.deliver(engine.dispatch(on, "power", "set_power", target="rebooting"))
        assert isinstance(result, Again)
        engine.rest(result)
    engine.memo = old  # the answer with the newest memo never reached the engine
    engine.clock.advance(60)

    assert set_power(engine, on, "rebooting") == Done(facts={"power_state": "power on"})
    assert bmc.received == [PowerAction.OFF, PowerAction.ON]


def test_a_reset_is_the_reboot_of_a_node_that_must_stay_on(engine: Engine) -> None:
    on = node(disable_power_off=True)
    bmc = engine.bmc(on, power=ON)

    assert set_power(engine, on, "rebooting") == Done(facts={"power_state": "power on"})
    assert bmc.received == [PowerAction.RESET]
    refused = set_power(engine, on, "power off")
    assert isinstance(refused, Failed)
    assert isinstance(refused.error, Conflict)


@pytest.mark.parametrize("point", ["before_send", "after_send"])
def test_a_reset_with_an_unknown_outcome_is_never_sent_again(engine: Engine, point: str) -> None:
    on = node(disable_power_off=True)
    bmc = engine.bmc(on, power=ON)
    setattr(bmc, point, _kill)
    message = engine.dispatch(on, "power", "set_power", target="rebooting")
    with pytest.raises(Killed):
        engine.deliver(message)
    setattr(bmc, point, lambda: None)
    sent = len(bmc.received)
    assert isinstance(engine.deliver(message, times=2), Again)  # it may still be on its way
    engine.clock.advance(10)

    result = engine.deliver(engine.dispatch(on, "power", "set_power", target="rebooting"))

    assert isinstance(result, Failed)
    assert isinstance(result.error, OutcomeUnknown)
    assert "Look at the node" in result.error.message
    assert len(bmc.received) == sent


@pytest.mark.parametrize("point", ["before_send", "after_send"])
def test_a_reset_whose_outcome_the_bmc_tells_is_done_or_known_to_be_missing(engine: Engine, point: str) -> None:
    on = node(disable_power_off=True)
    bmc = engine.bmc(on, power=ON, tells_resets=True)
    setattr(bmc, point, _kill)
    message = engine.dispatch(on, "power", "set_power", target="rebooting")
    with pytest.raises(Killed):
        engine.deliver(message)
    setattr(bmc, point, lambda: None)
    engine.clock.advance(10)

    result = engine.deliver(message, times=2)

    if point == "after_send":
        assert (result, bmc.received) == (Done(facts={"power_state": "power on"}), [PowerAction.RESET])
    else:
        assert isinstance(result, Failed)
        assert "it probably did not happen" in result.error.message
        assert bmc.received == []


def test_a_reset_whose_answer_is_lost_is_done_when_the_bmc_tells_of_it(engine: Engine) -> None:
    on = node(disable_power_off=True)
    bmc = engine.bmc(on, power=ON, tells_resets=True, loses_answers=True)

    assert set_power(engine, on, "rebooting") == Done(facts={"power_state": "power on"})
    assert bmc.received == [PowerAction.RESET]


def test_a_soft_power_off_that_is_ignored_fails_at_the_deadline(engine: Engine) -> None:
    on = node()
    bmc = engine.bmc(on, power=ON, ignores_soft_off=True)
    begun = engine.clock().timestamp()

    result = set_power(engine, on, "soft power off", timeout_s=30)

    assert isinstance(result, Failed)
    assert "may ignore" in result.error.message
    assert 30 <= engine.clock().timestamp() - begun <= 36
    assert bmc.received == [PowerAction.SOFT_OFF]


@pytest.mark.parametrize("target", ["power off", "rebooting"])
def test_a_bmc_that_lies_about_power_is_found_out(engine: Engine, target: str) -> None:
    on = node()
    bmc = engine.bmc(on, power=ON, lies=True)

    result = set_power(engine, on, target)

    assert isinstance(result, Failed)
    assert isinstance(result.error, DeviceRefused)
    assert "'power off' was sent" in result.error.message
    assert bmc.received == [PowerAction.OFF]


def test_a_lost_answer_of_the_bmc_is_made_good_by_looking(engine: Engine) -> None:
    on = node()
    bmc = engine.bmc(on, power=OFF, loses_answers=True)

    assert set_power(engine, on, "power on") == Done(facts={"power_state": "power on"})
    assert bmc.received == [PowerAction.ON]


def test_nothing_is_sent_while_the_bmc_is_changing(engine: Engine) -> None:
    on = node()
    bmc = engine.bmc(on, power=OFF, says_changing=True)
    bmc.set_power(PowerAction.ON)  # somebody pressed the button

    assert set_power(engine, on, "power on") == Done(facts={"power_state": "power on"})
    assert bmc.received == [PowerAction.ON]


def test_an_unreachable_bmc_fails_the_step_and_the_engine_may_try_again(engine: Engine) -> None:
    on = node()
    bmc = engine.bmc(on, power=OFF, fault=DeviceUnreachable("no answer"))

    result = set_power(engine, on, "power on")

    assert isinstance(result, Failed)
    assert result.error.retryable
    bmc.fault = None
    assert set_power(engine, on, "power on") == Done(facts={"power_state": "power on"})


def test_a_bmc_that_is_silent_while_it_switches_is_waited_for(engine: Engine) -> None:
    on = node()
    bmc = engine.bmc(on, power=OFF)
    first = engine.deliver(engine.dispatch(on, "power", "set_power", target="power on"))
    assert isinstance(first, Again)
    engine.rest(first)
    bmc.fault = DeviceUnreachable("no answer")

    silent = engine.deliver(engine.dispatch(on, "power", "set_power", target="power on"))

    assert isinstance(silent, Again)
    engine.rest(silent)
    bmc.fault = None
    assert set_power(engine, on, "power on") == Done(facts={"power_state": "power on"})
    assert bmc.received == [PowerAction.ON]


def test_a_refused_action_fails_and_a_later_attempt_begins_anew(engine: Engine) -> None:
    on = node()
    bmc = engine.bmc(on, power=OFF)

    def refuse() -> None:
        raise DeviceRefused("out of order")

    bmc.before_send = refuse
    refused = set_power(engine, on, "power on")
    bmc.before_send = lambda: None

    assert isinstance(refused, Failed)
    assert "'power on' on the way to 'power on' failed: out of order" in refused.error.message
    engine.memo = {}
    assert set_power(engine, on, "power on") == Done(facts={"power_state": "power on"})
    assert bmc.received == [PowerAction.ON]


def test_a_refusal_of_what_has_come_true_is_a_success(engine: Engine) -> None:
    on = node()
    bmc = engine.bmc(on, power=OFF)

    def refuse() -> None:
        bmc.power = ON
        raise DeviceRefused("already on")

    bmc.before_send = refuse

    assert set_power(engine, on, "power on") == Done(facts={"power_state": "power on"})


def test_without_a_database_no_action_is_sent_and_the_message_comes_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    on = node()
    bmc = engine.bmc(on, power=OFF)
    message = engine.dispatch(on, "power", "set_power", target="power on")

    def away(*_args: Any, **_more: Any) -> Any:
        raise Unavailable("the database is away or busy")

    monkeypatch.setattr(database, "begin", away)
    with pytest.raises(Unavailable):
        engine.deliver(message)

    assert (bmc.received, engine.bus.published) == ([], [])


@pytest.mark.parametrize(("target", "end"), [(target, end) for target, _, _, end in TARGETS])
def test_fake_power_takes_no_time_and_touches_nothing(engine: Engine, target: str, end: str) -> None:
    assert set_power(engine, node("fake"), target) == Done(facts={"power_state": end})
    assert engine.attempt == 1


def test_an_unknown_target_and_an_unknown_step_fail_with_a_reason(engine: Engine) -> None:
    wrong = set_power(engine, node(), "reset")
    unknown = engine.run(node(), "power", "explode")

    assert isinstance(wrong, Failed)
    assert isinstance(wrong.error, InvalidRequest)
    assert isinstance(unknown, Failed)
    assert isinstance(unknown.error, Unsupported)


# --- verify and management -------------------------------------------------------------------------------------------


def test_verify_reads_the_power_state_and_waits_for_it_to_settle(engine: Engine) -> None:
    on = node()
    bmc = engine.bmc(on, power=OFF, says_changing=True)
    bmc.set_power(PowerAction.ON)

    assert engine.run(on, "power", "verify") == Done(facts={"power_state": "power on"})
    assert engine.attempt > 1


def test_observe_tells_what_it_can_and_leaves_the_rest_out(engine: Engine) -> None:
    on = node()
    engine.bmc(on, secure_boot=None, vendor=None)

    assert engine.run(on, "management", "observe") == Done(facts={"boot_mode": "uefi", "health": "OK"})


def test_the_steps_of_one_message_run_in_order_until_one_is_not_done(engine: Engine) -> None:
    on = node()
    bmc = engine.bmc(on)
    message = engine.dispatch(on, "power", "verify")
    observe = engine.dispatch(on, "management", "observe").steps[0]
    object.__setattr__(observe, "index", 1)
    message.steps.append(observe)

    engine.deliver(message)
    assert [type(outcome.result) for outcome in engine.answers()] == [Done, Done]

    bmc.fault = DeviceUnreachable()
    engine.workflow = "00000000-0000-0000-0000-000000000001"
    engine.deliver(type(message)(workflow=engine.workflow, fence=1, node=on, steps=message.steps))
    assert [type(outcome.result) for outcome in engine.answers()] == [Failed]


@pytest.mark.parametrize(
    ("name", "args", "facts"),
    [
        ("set_boot_device", {"device": "pxe", "persistent": False}, {}),
        ("set_boot_mode", {"target": "bios"}, {"boot_mode": "bios"}),
        ("set_secure_boot", {"target": True}, {"secure_boot": True}),
    ],
)
def test_settings_may_be_set_twice(engine: Engine, name: str, args: dict[str, Any], facts: dict[str, Any]) -> None:
    on = node()
    bmc = engine.bmc(on)

    for _ in range(2):
        assert engine.run(on, "management", name, **args) == Done(facts=facts)

    if name == "set_boot_device":
        assert bmc.boot == BootDevice(device="pxe", persistent=False)


def test_a_setting_whose_answer_is_lost_is_sent_again_a_few_times(engine: Engine) -> None:
    on = node()
    engine.bmc(on, loses_answers=True)

    result = engine.run(on, "management", "set_boot_device", device="pxe")

    assert isinstance(result, Failed)
    assert isinstance(result.error, OutcomeUnknown)
    assert engine.attempt == 3


def test_a_boot_device_that_the_bmc_lacks_fails_the_step(engine: Engine) -> None:
    on = node()
    engine.bmc(on)

    result = engine.run(on, "management", "set_boot_device", device="wanboot")

    assert isinstance(result, Failed)
    assert isinstance(result.error, Unsupported)
