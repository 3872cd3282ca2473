"""How a machine behaves over time. The clock is a number, so nothing waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steelyard_rack.faults import HEALTHY, changed
from steelyard_rack.hardware import Identity, Timings
from steelyard_rack.machine import Action, Machine, NotPossible, Power
from steelyard_rack.sensors import readings

TIMINGS = Timings(power_on_s=(2, 2), power_off_s=(1, 1), soft_off_s=(5, 5))
LATER = 100.0


def machine(**faults: object) -> Machine:
    made = Machine(Identity(name="m", uuid="u", serial="s", macs=(), seed=7), TIMINGS)
    made.set_faults(changed(HEALTHY, faults), 0.0)
    return made


def running(**faults: object) -> Machine:
    made = machine(**faults)
    made.start_at_once(0.0)
    return made


def test_power_on_takes_its_time_and_shows_that() -> None:
    it = machine()

    it.act(Action.ON, 10.0)

    assert [it.power(now) for now in (10.0, 11.9, 12.0)] == [Power.POWERING_ON, Power.POWERING_ON, Power.ON]


def test_power_off_takes_its_time_and_shows_that() -> None:
    it = running()

    it.act(Action.FORCE_OFF, 10.0)

    assert [it.power(now) for now in (10.0, 10.9, 11.0)] == [Power.POWERING_OFF, Power.POWERING_OFF, Power.OFF]


def test_graceful_shutdown_leaves_the_operating_system_its_time_first() -> None:
    it = running()

    it.act(Action.GRACEFUL_SHUTDOWN, 10.0)

    assert [it.power(now) for now in (14.9, 15.0, 16.0)] == [Power.ON, Power.POWERING_OFF, Power.OFF]


def test_a_second_graceful_shutdown_does_not_start_the_wait_again() -> None:
    it = running()
    it.act(Action.GRACEFUL_SHUTDOWN, 10.0)

    it.act(Action.GRACEFUL_SHUTDOWN, 14.0)

    assert it.power(16.0) is Power.OFF


def test_force_off_overtakes_a_graceful_shutdown() -> None:
    it = running()
    it.act(Action.GRACEFUL_SHUTDOWN, 10.0)

    it.act(Action.FORCE_OFF, 11.0)

    assert it.power(12.0) is Power.OFF


def test_power_on_during_power_off_comes_after_it() -> None:
    it = running()
    it.act(Action.FORCE_OFF, 10.0)

    it.act(Action.ON, 10.5)

    assert [it.power(now) for now in (10.9, 11.0, 13.0)] == [Power.POWERING_OFF, Power.POWERING_ON, Power.ON]


def test_power_cycle_goes_through_off() -> None:
    it = running()

    it.act(Action.POWER_CYCLE, 10.0)

    seen = [it.power(now) for now in (10.5, 11.5, 12.5, LATER)]
    assert seen == [Power.POWERING_OFF, Power.OFF, Power.POWERING_ON, Power.ON]
    assert it.boots == 2


def test_an_override_for_once_is_used_up_by_the_next_power_on() -> None:
    it = machine()
    it.boot.target, it.boot.enabled = "Pxe", "Once"

    it.act(Action.ON, 1.0)

    assert it.booted is not None
    assert it.booted.device == "Pxe"
    assert (it.boot.target, it.boot.enabled) == ("None", "Disabled")
    it.act(Action.FORCE_RESTART, LATER)
    assert it.booted.device == "Hdd"


def test_a_continuous_override_stays() -> None:
    it = machine()
    it.boot.target, it.boot.enabled = "Cd", "Continuous"

    it.act(Action.ON, 1.0)
    it.act(Action.FORCE_RESTART, LATER)

    assert it.booted is not None
    assert it.booted.device == "Cd"
    assert it.boot.target == "Cd"


def test_secure_boot_takes_effect_with_the_next_reset() -> None:
    it = running()
    it.secure_boot = True
    assert it.booted is not None
    assert not it.booted.secure_boot

    it.act(Action.FORCE_RESTART, 1.0)

    assert it.booted.secure_boot


@pytest.mark.parametrize("action", [Action.FORCE_RESTART, Action.GRACEFUL_RESTART, Action.POWER_CYCLE, Action.NMI])
def test_what_needs_power_is_refused_while_off(action: Action) -> None:
    it = machine()

    with pytest.raises(NotPossible, match="Off"):
        it.act(action, 1.0)

    assert it.power(LATER) is Power.OFF


def test_asking_for_the_state_it_has_changes_nothing() -> None:
    it = running()

    it.act(Action.ON, 1.0)

    assert (it.power(1.0), it.boots) == (Power.ON, 1)


def test_the_same_is_refused_by_a_bmc_that_minds() -> None:
    it = running(refuse_same_power=True)

    with pytest.raises(NotPossible, match="already"):
        it.act(Action.ON, 1.0)


def test_soft_off_may_be_ignored_while_force_off_is_not() -> None:
    it = running(ignore_soft_off=True)

    it.act(Action.GRACEFUL_SHUTDOWN, 1.0)
    assert it.power(LATER) is Power.ON

    it.act(Action.FORCE_OFF, LATER)
    assert it.power(LATER + 1) is Power.OFF


def test_a_dropped_command_does_nothing() -> None:
    it = machine(drop_power=True)

    it.act(Action.ON, 1.0)

    assert it.power(LATER) is Power.OFF


def test_slow_power_takes_longer_by_its_factor() -> None:
    it = machine(slow_power=10.0)

    it.act(Action.ON, 0.0)

    assert [it.power(now) for now in (19.9, 20.0)] == [Power.POWERING_ON, Power.ON]


@pytest.mark.parametrize(("lie", "told"), [("stale", "Off"), ("inverted", "Off"), ("Off", "Off"), ("On", "On")])
def test_a_lie_hides_the_truth_and_does_not_change_it(lie: str, told: str) -> None:
    it = machine()
    it.set_faults(changed(HEALTHY, {"lie_about_power": lie}), 0.0)

    it.act(Action.ON, 1.0)

    assert it.reported_power(LATER) == told
    assert it.power(LATER) is Power.ON


def test_flapping_power_turns_with_every_period() -> None:
    it = running(flapping_s=10.0)

    assert [it.power(now) for now in (5.0, 15.0, 25.0, 26.0, 65.0)] == ["On", "Off", "On", "On", "On"]


def test_an_identify_with_a_time_ends_by_itself() -> None:
    it = machine()
    it.set_led("Blinking", until=10.0)

    assert [it.led(9.9), it.led(10.0), it.led(11.0)] == ["Blinking", "Off", "Off"]


def test_sensors_follow_the_power_and_vary() -> None:
    it = machine()
    off = {reading.name: reading.value for reading in readings(it, 1.0)}
    it.start_at_once(2.0)
    on = {reading.name: reading.value for reading in readings(it, 3.0)}
    later = {reading.name: reading.value for reading in readings(it, 90.0)}

    assert off["Fan 1"] == 0 < on["Fan 1"]
    assert off["CPU1 Temp"] < on["CPU1 Temp"]
    assert on["CPU1 Temp"] != later["CPU1 Temp"]


@given(st.lists(st.tuples(st.sampled_from(list(Action)), st.floats(0, 5)), max_size=20))
def test_whatever_is_asked_the_power_comes_to_rest(asked: list[tuple[Action, float]]) -> None:
    it, now = machine(), 0.0
    for action, pause in asked:
        now += pause
        try:
            it.act(action, now)
        except NotPossible:
            assert it.power(now) is not Power.ON

    assert it.power(now + LATER) in (Power.ON, Power.OFF)
    assert it.power(now + 2 * LATER) is it.power(now + LATER)
