"""What is made of an observation: every case of the table, and that the first one wins."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from steelyard_inventory.domain.judgement import (
    Correct,
    HealthSeen,
    Observation,
    PowerSeen,
    Reachable,
    Skip,
    Unreachable,
    Write,
    judge,
)
from steelyard_inventory.domain.locks import Lock
from steelyard_inventory.domain.projection import NodeView, SyncRules
from steelyard_inventory.domain.transitions import State

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LOCK = Lock(node_uuid="n", holder="h", purpose="power", fence=1, since=NOW)
NODE = NodeView(uuid="n", provision_state=State.AVAILABLE, power_state="power on")
FAULTY: dict[str, Any] = {"maintenance": True, "fault": "power failure"}
OFF = PowerSeen(power_state="power off", seen_at=NOW)
AWAY = Unreachable(failures=3, error="timed out", seen_at=NOW)
BACK = Reachable(seen_at=NOW)
FORCE, RECORD = SyncRules(force=True), SyncRules(force=False)


@pytest.mark.parametrize(
    ("node", "seen", "rules", "expected"),
    [
        ({}, PowerSeen(power_state="power on", seen_at=NOW), FORCE, "nothing differs"),
        ({}, PowerSeen(power_state="warm", seen_at=NOW), FORCE, "no power state"),
        ({"power_changed_at": NOW}, OFF, FORCE, "older than the node's own last power change"),
        ({"lock": LOCK}, OFF, FORCE, "locked"),
        ({"lock": LOCK}, AWAY, FORCE, "locked"),
        ({"lock": LOCK, **FAULTY}, OFF, FORCE, "locked"),
        ({"maintenance": True}, OFF, FORCE, "in maintenance"),
        ({"maintenance": True}, AWAY, FORCE, "in maintenance"),
        ({"maintenance": True, "fault": "clean failure"}, OFF, FORCE, "in maintenance"),
        (FAULTY, AWAY, FORCE, "in maintenance"),
        ({"target_power_state": "power on"}, OFF, FORCE, "a power change is asked for"),
        *(
            ({"provision_state": state}, seen, FORCE, "not watched in this state")
            for state in (State.ENROLL, State.CLEAN_WAIT, State.DEPLOY_WAIT, State.ADOPT_FAILED)
            for seen in (OFF, AWAY)
        ),
        ({}, replace(AWAY, failures=2), FORCE, "nothing differs"),
        ({}, BACK, FORCE, "nothing differs"),
        ({"health": "OK"}, HealthSeen(health="OK", seen_at=NOW), FORCE, "nothing differs"),
    ],
)
def test_an_observation_is_let_be(node: dict[str, Any], seen: Observation, rules: SyncRules, expected: str) -> None:
    assert judge(replace(NODE, **node), seen, rules, NOW) == Skip(reason=expected)


@pytest.mark.parametrize(
    ("node", "seen", "rules", "patch", "facts"),
    [
        ({"power_state": None}, OFF, FORCE, {"power_state": "power off"}, ["power-state-changed"]),
        ({}, OFF, RECORD, {"power_state": "power off"}, ["power-state-corrected"]),
        (
            {"power_state": "power off", "disable_power_off": True}, replace(OFF, power_state="power on"), FORCE,
            {"power_state": "power on"}, ["power-state-corrected"],
        ),
        ({"health": "OK"}, HealthSeen(health="CRITICAL", seen_at=NOW), FORCE, {"health": "CRITICAL"}, []),
    ],
)  # fmt: skip
def test_an_observation_is_recorded(
    node: dict[str, Any], seen: Observation, rules: SyncRules, patch: dict[str, Any], facts: list[str]
) -> None:
    verdict = judge(replace(NODE, **node), seen, rules, NOW)

    assert isinstance(verdict, Write)
    assert verdict.change.patch == patch
    assert [fact.name for fact in verdict.change.events] == facts


def test_hardware_that_differs_is_set_back_to_the_record() -> None:
    assert judge(NODE, OFF, FORCE, NOW) == Correct(target="power on")


def test_what_cannot_be_forced_is_recorded() -> None:
    assert isinstance(judge(NODE, OFF, FORCE, NOW, can_force=False), Write)


@pytest.mark.parametrize(("ago_s", "gives_up"), [(599, True), (601, False)])
def test_after_three_corrections_in_a_row_power_is_at_fault(ago_s: float, gives_up: bool) -> None:
    node = replace(NODE, power_corrections=3, power_changed_at=NOW - timedelta(seconds=ago_s))

    verdict = judge(node, OFF, FORCE, NOW)

    assert isinstance(verdict, Write) == gives_up
    if isinstance(verdict, Write):
        patch = verdict.change.patch
        assert (patch["fault"], patch["maintenance"], patch["power_state"]) == ("power failure", True, "power off")
        assert patch["last_error"] == patch["maintenance_reason"]


def test_an_unreachable_bmc_is_a_fault_and_says_nothing_about_power() -> None:
    verdict = judge(NODE, AWAY, FORCE, NOW)

    assert isinstance(verdict, Write)
    assert "power_state" not in verdict.change.patch
    assert verdict.change.patch["fault"] == "power failure"
    assert "timed out" in verdict.change.patch["last_error"]
    assert [fact.name for fact in verdict.change.events] == ["fault-changed", "maintenance-changed"]


@pytest.mark.parametrize(("seen", "state"), [(OFF, "power off"), (BACK, None)])
def test_a_bmc_that_answers_again_ends_the_fault_it_caused(seen: Observation, state: str | None) -> None:
    verdict = judge(replace(NODE, **FAULTY), seen, FORCE, NOW)

    assert isinstance(verdict, Write)
    patch = verdict.change.patch
    assert (patch["fault"], patch["maintenance"], patch["maintenance_reason"]) == (None, False, None)
    assert patch.get("power_state") == state


def test_a_lease_that_expired_locks_nothing() -> None:
    lease = replace(LOCK, expires_at=NOW - timedelta(seconds=1))

    assert judge(replace(NODE, lock=lease), OFF, FORCE, NOW) == Correct(target="power on")
