"""What an observation of the power service means for a node (lifecycle facts §4): a table of cases, first match wins.

Unknown power is not an unreachable BMC: the first is a state not yet read, the second says nothing about power.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from .projection import POWER_FAULT, Change, Fact, NodeView, SyncRules, corrections, faulted
from .transitions import State
from .workflows import POWER_STATES

# Their power is somebody else's business at the time, or nobody's yet.
UNWATCHED = frozenset({State.ENROLL, State.CLEAN_WAIT, State.DEPLOY_WAIT, State.ADOPT_FAILED})
UNREACHABLE_TRIES = 3


@dataclass(frozen=True, kw_only=True)
class PowerSeen:
    """The BMC answered: this is the power state."""

    power_state: str
    seen_at: datetime


@dataclass(frozen=True, kw_only=True)
class Unreachable:
    """The BMC did not answer, ``failures`` times in a row."""

    failures: int
    error: str
    seen_at: datetime


@dataclass(frozen=True, kw_only=True)
class Reachable:
    """The BMC answers again; power was not read."""

    seen_at: datetime


@dataclass(frozen=True, kw_only=True)
class HealthSeen:
    """The BMC's own verdict about the machine."""

    health: str | None
    seen_at: datetime


Observation = PowerSeen | Unreachable | Reachable | HealthSeen


@dataclass(frozen=True, kw_only=True)
class Skip:
    """Nothing is done; ``reason`` for the log."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Write:
    """The record is changed."""

    change: Change


@dataclass(frozen=True, kw_only=True)
class Correct:
    """The hardware is set back to ``target`` by a power workflow."""

    target: str


Verdict = Skip | Write | Correct


@dataclass(frozen=True, kw_only=True)
class _Case:
    """One observation of one node at one time."""

    node: NodeView
    seen: Observation
    rules: SyncRules
    now: datetime
    can_force: bool


def judge(node: NodeView, seen: Observation, rules: SyncRules, now: datetime, *, can_force: bool = True) -> Verdict:
    """``can_force``: the node's power interface can switch on and off (not only reboot)."""
    case = _Case(node=node, seen=seen, rules=rules, now=now, can_force=can_force)
    if isinstance(seen, HealthSeen):
        return _health(case)
    for applies, verdict in CASES:
        if applies(case):
            return verdict(case)
    return Skip(reason="nothing differs")


def _skip(reason: str) -> Callable[[_Case], Verdict]:
    return lambda _case: Skip(reason=reason)


def _is_old(case: _Case) -> bool:
    return case.node.power_changed_at is not None and case.seen.seen_at <= case.node.power_changed_at


def _is_nonsense(case: _Case) -> bool:
    return isinstance(case.seen, PowerSeen) and case.seen.power_state not in POWER_STATES


def _recovers(case: _Case) -> bool:
    has_fault = case.node.maintenance and case.node.fault == POWER_FAULT
    return has_fault and isinstance(case.seen, (PowerSeen, Reachable))


def _differs(case: _Case) -> bool:
    return isinstance(case.seen, PowerSeen) and case.seen.power_state != case.node.power_state


def _is_forced(case: _Case) -> bool:
    switches_off = case.node.power_state == "power off"
    may_force = case.can_force and not (switches_off and case.node.disable_power_off)
    return _differs(case) and case.rules.force and may_force


def _gave_up(case: _Case) -> bool:
    return _is_forced(case) and corrections(case.node, case.now, case.rules) >= case.rules.tries


def _recover(case: _Case) -> Verdict:
    patch = {"maintenance": False, "maintenance_reason": None, "fault": None, "power_corrections": 0}
    events = (
        Fact(name="fault-changed", data={"from": case.node.fault, "to": None, "reason": "the BMC answers again"}),
        Fact(name="maintenance-changed", data={"on": False, "reason": None}),
    )
    change = Change(patch=patch, events=events)
    if isinstance(case.seen, PowerSeen):
        change += _recorded(case, case.seen)
    return Write(change=change)


def _recorded(case: _Case, seen: PowerSeen) -> Change:
    if seen.power_state == case.node.power_state:
        return Change()
    data = {"from": case.node.power_state, "to": seen.power_state}
    name = "power-state-corrected" if case.node.power_state is not None else "power-state-changed"
    return Change(patch={"power_state": seen.power_state}, events=(Fact(name=name, data=data),))


def _record(case: _Case) -> Verdict:
    return Write(change=_recorded(case, case.seen)) if isinstance(case.seen, PowerSeen) else Skip(reason="no state")


def _correct(case: _Case) -> Verdict:
    return Correct(target=str(case.node.power_state))


def _give_up(case: _Case) -> Verdict:
    tries = corrections(case.node, case.now, case.rules)
    change = faulted(
        case.node, f'Power did not stay at "{case.node.power_state}": power sync gave up after {tries} corrections.'
    )
    return Write(change=change + _recorded(case, case.seen) if isinstance(case.seen, PowerSeen) else change)


def _unreachable(case: _Case) -> Verdict:
    assert isinstance(case.seen, Unreachable)  # noqa: S101 - the table asks before
    text = f"The BMC did not answer {case.seen.failures} times in a row: {case.seen.error}"
    return Write(change=faulted(case.node, text))


def _health(case: _Case) -> Verdict:
    assert isinstance(case.seen, HealthSeen)  # noqa: S101 - the caller asked
    if case.seen.health == case.node.health:
        return Skip(reason="nothing differs")
    return Write(change=Change(patch={"health": case.seen.health}))


CASES: list[tuple[Callable[[_Case], bool], Callable[[_Case], Verdict]]] = [
    (_is_nonsense, _skip("no power state")),
    (_is_old, _skip("older than the node's own last power change")),
    (lambda case: case.node.is_locked(case.now), _skip("locked")),
    (_recovers, _recover),
    (lambda case: case.node.maintenance, _skip("in maintenance")),
    (lambda case: case.node.target_power_state is not None, _skip("a power change is asked for")),
    (lambda case: case.node.provision_state in UNWATCHED, _skip("not watched in this state")),
    (
        lambda case: isinstance(case.seen, Unreachable) and case.seen.failures >= UNREACHABLE_TRIES,
        _unreachable,
    ),
    (lambda case: _differs(case) and case.node.power_state is None, _record),
    (_gave_up, _give_up),
    (_is_forced, _correct),
    (_differs, _record),
]
