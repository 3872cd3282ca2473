"""What a poll of a node means: whom to poll, what to remember, what to tell (lifecycle facts §4). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from steelyard_common.bmc import PowerState

POWER_FAILURE = "power failure"
# In these states nobody vouches for the BMC yet, or an agent owns the node's power.
UNPOLLED_STATES = frozenset({"enroll", "clean wait", "wait call-back", "adopt failed"})
UNREACHABLE_AFTER = 3
REMIND_EVERY = 10


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What is known of a node. ``seen_at``: when ``power_state`` was read; ``failures``: failed reads in a row."""

    node_uuid: str
    power_state: str | None = None
    seen_at: datetime | None = None
    failures: int = 0
    error: str | None = None
    health: str | None = None
    health_seen_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The BMC answered. ``health``: None when it was not asked for or the BMC does not say."""

    state: PowerState
    health: str | None = None
    health_asked: bool = False


@dataclass(frozen=True, kw_only=True)
class Missed:
    """The state could not be read; ``code`` is the kind of error."""

    code: str
    message: str


Reading = Seen | Missed


@dataclass(frozen=True, kw_only=True)
class Fact:
    """Something to tell the others: an event's name and data."""

    name: str
    data: dict[str, Any]


def skip_reason(target: Mapping[str, Any]) -> str | None:
    """Why the node is not polled now, or None. ``target``: a row of inventory's power-targets."""
    if target.get("interfaces", {}).get("power") in (None, "fake"):
        return "fake"
    if target["busy"]:
        return "busy"
    if target["maintenance"] and target.get("fault") != POWER_FAILURE:
        return "maintenance"
    if target.get("target_power_state"):
        return "power change"
    if target["provision_state"] in UNPOLLED_STATES:
        return str(target["provision_state"])
    return None


def observe(
    before: Observation, reading: Reading, *, recorded: str | None, fault: str | None, now: datetime
) -> tuple[Observation, list[Fact]]:
    """The new observation and what the others must hear. ``recorded``: the power state that inventory holds."""
    if isinstance(reading, Missed):
        return _missed(before, reading)
    after = replace(before, failures=0, error=None)
    facts = []
    if before.failures >= UNREACHABLE_AFTER:
        facts.append(Fact(name="bmc-recovered", data={"failures": before.failures}))
    if reading.health_asked:
        after = replace(after, health=reading.health, health_seen_at=now)
        if reading.health != before.health:
            facts.append(Fact(name="health-changed", data={"health": reading.health}))
    if reading.state is PowerState.CHANGING:
        return after, facts  # neither on nor off: the next poll tells
    after = replace(after, power_state=reading.state.value, seen_at=now)
    if reading.state.value != recorded or fault == POWER_FAILURE:
        data = {"power_state": reading.state.value, "seen_at": now.isoformat(), "recorded": recorded}
        facts.append(Fact(name="power-observed", data=data))
    return after, facts


def _missed(before: Observation, reading: Missed) -> tuple[Observation, list[Fact]]:
    failures = before.failures + 1
    after = replace(before, failures=failures, error=reading.message)
    if failures != UNREACHABLE_AFTER and failures % REMIND_EVERY:
        return after, []
    data = {"failures": failures, "error": reading.message, "code": reading.code}
    return after, [Fact(name="bmc-unreachable", data=data)]


def health_is_due(before: Observation, interval_s: float, now: datetime) -> bool:
    if interval_s <= 0:
        return False
    return before.health_seen_at is None or (now - before.health_seen_at).total_seconds() >= interval_s
