"""The rules of power."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from steelyard_common.bmc import PowerAction, PowerState
from steelyard_common.errors import (
    Conflict,
    DeviceRefused,
    DeviceUnreachable,
    InvalidRequest,
    OutcomeUnknown,
)
from steelyard_power.domain import catalogue, observation, schedule
from steelyard_power.domain.observation import Missed, Observation, Seen
from steelyard_power.domain.power_change import (
    Change,
    Decision,
    Finish,
    GiveUp,
    Mark,
    Progress,
    Send,
    Watch,
    answered,
    begin,
    decide,
    look_again_s,
    needs_last_reset,
    unanswered,
    unreadable,
)
from steelyard_power.domain.power_plans import GRACE_TIMES, PLANS, PLANS_WITHOUT_OFF, TIMEOUT_S, plan_for

ON, OFF, CHANGING = PowerState.ON, PowerState.OFF, PowerState.CHANGING
START = 1_000.0
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def change_to(target: str, *, disable_power_off: bool = False, **args: Any) -> tuple[Change, Progress]:
    return begin(
        {"target": target, **args}, {}, disable_power_off=disable_power_off, step_deadline_at=0, grace_s=10, now=START
    )


def first(target: str, state: PowerState, **more: Any) -> Decision:
    change, progress = change_to(target, **more)
    return decide(change, progress, None, state, START)


def mark(action: PowerAction, phase: int = 0, begun_at: float = START) -> Mark:
    return Mark(phase=phase, action=action.value, begun_at=begun_at)


# --- power changes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("target", "state"), [("power on", ON), ("power off", OFF), ("soft power off", OFF)])
def test_a_node_that_is_there_already_is_left_alone(target: str, state: PowerState) -> None:
    assert first(target, state) == Finish(state=state)


@pytest.mark.parametrize(
    ("target", "state", "action"),
    [
        ("power on", OFF, PowerAction.ON),
        ("power off", ON, PowerAction.OFF),
        ("soft power off", ON, PowerAction.SOFT_OFF),
        ("rebooting", ON, PowerAction.OFF),
        ("soft rebooting", ON, PowerAction.SOFT_OFF),
        ("rebooting", OFF, PowerAction.ON),
        ("soft rebooting", OFF, PowerAction.ON),
    ],
)
def test_the_first_action_fits_the_target_and_the_state(target: str, state: PowerState, action: PowerAction) -> None:
    decision = first(target, state)

    assert isinstance(decision, Send)
    assert decision.action is action


@pytest.mark.parametrize("target", list(PLANS))
def test_every_target_has_a_plan_for_nodes_that_must_stay_on_and_a_timeout(target: str) -> None:
    assert target in PLANS_WITHOUT_OFF
    assert TIMEOUT_S[target] > 0


def test_every_action_has_a_grace_time() -> None:
    assert set(GRACE_TIMES) == set(PowerAction)


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no power target"):
        plan_for("reset", disable_power_off=False)


@pytest.mark.parametrize("target", ["power off", "soft power off", "soft rebooting"])
def test_a_node_that_must_stay_on_is_never_switched_off(target: str) -> None:
    with pytest.raises(Conflict, match="disable_power_off"):
        plan_for(target, disable_power_off=True)


def test_while_the_bmc_is_changing_nothing_is_sent() -> None:
    assert isinstance(first("power on", CHANGING), Watch)


def test_what_was_answered_is_watched_and_not_sent_again() -> None:
    change, progress = change_to("power off")
    progress = answered(progress, PowerAction.OFF, START)

    assert isinstance(decide(change, progress, None, ON, START + 30), Watch)
    assert decide(change, progress, None, OFF, START + 31) == Finish(state=OFF)


def test_a_reboot_goes_on_to_power_on_once_the_node_is_off() -> None:
    change, progress = change_to("rebooting")
    off_sent = answered(progress, PowerAction.OFF, START)

    decision = decide(change, off_sent, mark(PowerAction.OFF), OFF, START + 2)

    assert isinstance(decision, Send)
    assert (decision.action, decision.progress.phase) == (PowerAction.ON, 1)
    on_sent = answered(decision.progress, PowerAction.ON, START + 2)
    assert decide(change, on_sent, mark(PowerAction.ON, 1), ON, START + 4) == Finish(state=ON)


def test_a_mark_without_an_answer_is_watched_for_the_grace_time_and_then_sent_again() -> None:
    change, progress = change_to("power off")
    begun = mark(PowerAction.OFF)

    assert isinstance(decide(change, progress, begun, ON, START + 9.9), Watch)
    assert isinstance(decide(change, progress, begun, ON, START + 10), Send)
    assert decide(change, progress, begun, OFF, START + 5) == Finish(state=OFF)


def test_an_unanswered_soft_power_off_is_given_more_time() -> None:
    change, progress = change_to("soft power off")

    assert isinstance(decide(change, progress, mark(PowerAction.SOFT_OFF), ON, START + 59), Watch)
    assert isinstance(decide(change, progress, mark(PowerAction.SOFT_OFF), ON, START + 60), Send)


def test_a_lost_memo_of_a_reboot_is_made_good_by_the_mark() -> None:
    change, progress = change_to("rebooting")

    assert decide(change, progress, mark(PowerAction.ON, 1), ON, START + 3) == Finish(state=ON)
    assert isinstance(decide(change, progress, mark(PowerAction.ON, 1), OFF, START + 3), Watch)


def test_each_phase_of_a_reboot_has_the_whole_timeout() -> None:
    change, progress = change_to("rebooting", timeout_s=30)

    decision = decide(change, answered(progress, PowerAction.OFF, START), None, OFF, START + 29)

    assert isinstance(decision, Send)
    assert change.deadline_at(decision.progress) == START + 59


def test_a_mark_that_was_answered_is_watched_even_when_the_memo_was_lost() -> None:
    change, progress = change_to("soft power off")
    taken = Mark(phase=0, action="soft power off", begun_at=START, answered_at=START + 1)

    decision = decide(change, progress, taken, ON, START + 300)

    assert isinstance(decision, Watch)
    assert decision.progress.answered_at == START + 1


def test_a_reset_is_sent_once_and_done_when_the_node_is_on() -> None:
    change, progress = change_to("rebooting", disable_power_off=True)
    sent = answered(progress, PowerAction.RESET, START)

    decision = decide(change, progress, None, ON, START)

    assert isinstance(decision, Send)
    assert decision.action is PowerAction.RESET
    assert decide(change, sent, mark(PowerAction.RESET), ON, START + 1) == Finish(state=ON)


def test_a_reset_that_was_begun_and_not_answered_is_an_unknown_outcome() -> None:
    change, progress = change_to("rebooting", disable_power_off=True)

    assert isinstance(decide(change, progress, mark(PowerAction.RESET), ON, START + 9), Watch)
    decision = decide(change, progress, mark(PowerAction.RESET), ON, START + 10)

    assert isinstance(decision, GiveUp)
    assert isinstance(decision.error, OutcomeUnknown)


def test_a_reset_that_was_begun_has_happened_if_the_last_reset_is_another_one() -> None:
    change, progress = change_to("rebooting", disable_power_off=True)
    begun = Mark(phase=0, action=PowerAction.RESET, begun_at=START, reset_before="at eight")

    assert needs_last_reset(progress, begun)
    assert isinstance(unanswered(change, progress, PowerAction.RESET, OutcomeUnknown(), START, can_tell=True), Watch)
    assert isinstance(decide(change, progress, begun, ON, START + 1, "at eight"), Watch)
    assert decide(change, progress, begun, ON, START + 1, "at nine") == Finish(state=ON)
    assert isinstance(decide(change, progress, begun, CHANGING, START + 1, "at nine"), Watch)
    late = decide(change, progress, begun, ON, START + 10, "at eight")
    assert isinstance(late, GiveUp)
    assert "last reset is still that of at eight" in late.error.message


@pytest.mark.parametrize(
    "marked",
    [
        None,
        Mark(phase=0, action=PowerAction.RESET, begun_at=START),
        Mark(phase=0, action=PowerAction.RESET, begun_at=START, reset_before="at eight", answered_at=START),
        Mark(phase=0, action=PowerAction.OFF, begun_at=START, reset_before="at eight"),
    ],
)
def test_the_last_reset_is_asked_for_only_where_it_tells(marked: Mark | None) -> None:
    assert not needs_last_reset(Progress(started_at=START), marked)


def test_a_node_that_must_stay_on_but_is_off_is_switched_on_by_a_reboot() -> None:
    change, progress = change_to("rebooting", disable_power_off=True)

    decision = decide(change, progress, None, OFF, START)

    assert isinstance(decision, Send)
    assert decision.action is PowerAction.ON
    assert decide(change, progress, mark(PowerAction.ON), ON, START + 1) == Finish(state=ON)


def test_at_the_deadline_the_failure_says_what_was_sent_seen_and_wanted() -> None:
    change, progress = change_to("soft power off", timeout_s=20)
    progress = answered(progress, PowerAction.SOFT_OFF, START)

    decision = decide(change, progress, None, ON, START + 20)

    assert isinstance(decision, GiveUp)
    assert isinstance(decision.error, DeviceRefused)
    for words in ("soft power off", "20 s", "'power on'", "not 'power off'", "may ignore"):
        assert words in decision.error.message


def test_nothing_is_sent_when_the_time_is_over_before_the_start() -> None:
    change, progress = begin(
        {"target": "power on"}, {}, disable_power_off=False, step_deadline_at=START, grace_s=10, now=START
    )

    decision = decide(change, progress, None, OFF, START)

    assert isinstance(decision, GiveUp)
    assert "No time was left" in decision.error.message


def test_the_steps_own_deadline_leaves_time_for_the_answer() -> None:
    change, progress = begin(
        {"target": "power on"}, {}, disable_power_off=False, step_deadline_at=START + 30, grace_s=10, now=START
    )

    assert change.deadline_at(progress) == START + 29


def test_an_unreadable_state_fails_before_and_is_waited_out_after_the_sending() -> None:
    change, progress = change_to("power off")
    gone = DeviceUnreachable("no answer")

    assert unreadable(change, progress, None, gone, START) == GiveUp(error=gone)
    sent = answered(progress, PowerAction.OFF, START)
    assert isinstance(unreadable(change, sent, None, gone, START + 5), Watch)
    assert isinstance(unreadable(change, progress, mark(PowerAction.OFF), gone, START + 5), Watch)


def test_an_unreadable_state_ends_at_the_deadline_with_what_was_sent() -> None:
    change, progress = change_to("power off")
    sent = answered(progress, PowerAction.OFF, START)

    decision = unreadable(change, sent, None, DeviceUnreachable("no answer"), START + 60)

    assert isinstance(decision, GiveUp)
    assert "'power off' was sent" in decision.error.message


def test_a_lost_answer_of_a_power_off_is_watched_but_of_a_reset_it_is_the_end() -> None:
    change, progress = change_to("power off")
    lost = OutcomeUnknown()

    watched = unanswered(change, progress, PowerAction.OFF, lost, START, can_tell=False)

    assert isinstance(watched, Watch)
    assert watched.progress.answered_at == START
    assert isinstance(unanswered(change, progress, PowerAction.RESET, lost, START, can_tell=False), GiveUp)
    refused = unanswered(change, progress, PowerAction.OFF, DeviceRefused("no"), START, can_tell=True)
    assert isinstance(refused, GiveUp)
    assert "on the way to 'power off' failed: no" in refused.error.message


@pytest.mark.parametrize("state", list(PowerState))
@pytest.mark.parametrize("target", list(PLANS))
def test_from_every_state_every_target_is_decided_and_its_memo_survives_json(target: str, state: PowerState) -> None:
    change, progress = change_to(target)

    decision = decide(change, progress, None, state, START)

    if isinstance(decision, (Send, Watch)):
        _, again = begin(
            {"target": target}, decision.progress.to_memo(),
            disable_power_off=False, step_deadline_at=0, grace_s=10, now=START + 5,
        )  # fmt: skip
        assert again == decision.progress


def test_looking_again_slows_down_and_stays_within_five_seconds() -> None:
    progress = Progress(started_at=START)

    assert [look_again_s(progress, START + passed) for passed in (0, 10, 30, 600)] == [1, 1, 3, 5]


# --- observations ----------------------------------------------------------------------------------------------------


def target(**changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "interfaces": {"power": "redfish"}, "busy": False, "maintenance": False, "fault": None,
        "provision_state": "available", "target_power_state": None,
    }  # fmt: skip
    return row | changes


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"busy": True}, "busy"),
        ({"maintenance": True}, "maintenance"),
        ({"maintenance": True, "fault": "clean failure"}, "maintenance"),
        ({"maintenance": True, "fault": "power failure"}, None),
        ({"target_power_state": "power on"}, "power change"),
        ({"interfaces": {"power": "fake"}}, "fake"),
        *(({"provision_state": state}, state) for state in sorted(observation.UNPOLLED_STATES)),
    ],
)
def test_who_is_polled(changes: dict[str, Any], reason: str | None) -> None:
    assert observation.skip_reason(target(**changes)) == reason


def observed(before: Observation, reading: observation.Reading, recorded: str | None = "power on", **more: Any) -> Any:
    return observation.observe(before, reading, recorded=recorded, fault=more.get("fault"), now=NOW)


def test_a_state_as_recorded_is_remembered_and_not_told() -> None:
    after, facts = observed(Observation(node_uuid="n"), Seen(state=ON))

    assert (after.power_state, after.seen_at, facts) == ("power on", NOW, [])


@pytest.mark.parametrize("recorded", [None, "power off"])
def test_a_state_that_differs_is_told(recorded: str | None) -> None:
    _, facts = observed(Observation(node_uuid="n"), Seen(state=ON), recorded)

    assert [fact.name for fact in facts] == ["power-observed"]
    assert facts[0].data == {"power_state": "power on", "seen_at": NOW.isoformat(), "recorded": recorded}


def test_a_node_with_a_power_failure_is_told_of_even_when_nothing_differs() -> None:
    _, facts = observed(Observation(node_uuid="n"), Seen(state=ON), fault="power failure")

    assert [fact.name for fact in facts] == ["power-observed"]


def test_a_bmc_that_is_changing_changes_no_record() -> None:
    before = Observation(node_uuid="n", power_state="power off", seen_at=NOW - timedelta(minutes=1), failures=1)

    after, facts = observed(before, Seen(state=CHANGING))

    assert (after.power_state, after.seen_at, after.failures, facts) == ("power off", before.seen_at, 0, [])


def test_unreachable_is_told_at_the_third_failure_and_each_tenth() -> None:
    state = Observation(node_uuid="n", power_state="power on", seen_at=NOW)
    told = []

    for _ in range(20):
        state, facts = observed(state, Missed(code="device-unreachable", message="no answer"))
        told += [(fact.name, fact.data["failures"]) for fact in facts]

    assert told == [("bmc-unreachable", 3), ("bmc-unreachable", 10), ("bmc-unreachable", 20)]
    assert (state.power_state, state.error) == ("power on", "no answer")


def test_recovery_is_told_once_and_only_after_unreachable_was() -> None:
    after, facts = observed(Observation(node_uuid="n", failures=3, error="x"), Seen(state=ON))

    assert [fact.name for fact in facts] == ["bmc-recovered"]
    assert (after.failures, after.error) == (0, None)
    assert observed(Observation(node_uuid="n", failures=2), Seen(state=ON))[1] == []


def test_health_is_told_when_it_changes_and_was_asked_for() -> None:
    before = Observation(node_uuid="n", health="OK")

    assert observed(before, Seen(state=ON))[1] == []
    assert observed(before, Seen(state=ON, health="OK", health_asked=True))[1] == []
    after, facts = observed(before, Seen(state=ON, health="Critical", health_asked=True))
    assert [(fact.name, fact.data) for fact in facts] == [("health-changed", {"health": "Critical"})]
    assert not observation.health_is_due(after, 300, NOW + timedelta(seconds=299))
    assert observation.health_is_due(after, 300, NOW + timedelta(seconds=300))
    assert not observation.health_is_due(Observation(node_uuid="n"), 0, NOW)


# --- schedule --------------------------------------------------------------------------------------------------------


def test_shards_are_spread_over_the_period() -> None:
    places = [schedule.first_due(shard, 0, 45) for shard in range(schedule.SHARDS)]

    assert places[0] == 0
    assert max(places) < 45
    assert len(set(places)) == schedule.SHARDS


@pytest.mark.parametrize("late", [0, 0.2, 0.75, 0.76, 0.99, 1.5, 7.3])
def test_a_late_shard_takes_up_its_place_again_neither_at_once_nor_too_late(late: float) -> None:
    period = schedule.period_s(60)
    now = 100 + late * period

    for jitter in (0, 1):
        following = schedule.next_due(100, now, period, jitter)

        place = following + jitter * schedule.JITTER_SHARE * period
        turns = (place - 100) / period
        assert turns == pytest.approx(round(turns))
        assert 0.2 * period <= following - now <= 1.25 * period < 60


def test_jitter_only_ever_shortens_the_period() -> None:
    assert schedule.next_due(100, 100, 40, jitter=1) == 138


# --- catalogue -------------------------------------------------------------------------------------------------------


def test_every_step_of_the_catalogue_describes_itself_and_its_arguments() -> None:
    for spec in catalogue.STEPS:
        assert spec.description.endswith(".")
        assert spec.args["additionalProperties"] is False
        assert set(spec.args["required"]) <= set(spec.args["properties"])
        assert spec.interface in catalogue.OFFER.provides
