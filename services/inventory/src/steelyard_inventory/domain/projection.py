"""What a workflow writes into its node's record, and what it tells the world: pure.

A ``Change`` is a patch of node columns (the key ``vendor`` stands for properties.vendor) with the facts to publish.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from . import kexec
from .locks import Lock
from .ramdisks import forgotten
from .runs import Run, StepRun, StepStatus
from .shown import shown_at_start, shown_now
from .transitions import Event, State, next_state, target_after
from .workflows import BOOT_MODES, LEADS_TO, POWER_STATES, REBOOTS, Kind, power_target

MAX_TEXT = 255
POWER_FAULT = "power failure"
SYNC = "sync"  # cause.origin of a correction by power sync


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeView:
    """What the rules of the lifecycle look at. ``lock`` may be void: see ``Lock.holds``."""

    uuid: str
    provision_state: State
    target_provision_state: State | None = None
    power_state: str | None = None
    target_power_state: str | None = None
    maintenance: bool = False
    fault: str | None = None
    disable_power_off: bool = False
    retired: bool = False
    automated_clean: bool | None = None
    boot_mode: str | None = None
    secure_boot: bool | None = None
    health: str | None = None
    power_changed_at: datetime | None = None
    power_corrections: int = 0
    fence: int = 0
    protected: bool = False
    lessee: str | None = None
    automatic_lessee: bool = False
    allocation_uuid: str | None = None
    console_enabled: bool = False
    network_interface: str | None = None
    has_agent: bool = False
    lock: Lock | None = None

    def is_locked(self, now: datetime) -> bool:
        return self.lock is not None and self.lock.holds(now)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """An event to be: ``name`` is the fact of ``<site>.inventory.evt.<fact>.<node>``."""

    name: str
    data: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Change:
    """``patch``: node column → new value. Keys of MERGED go into an object: {name: value, or None to take it out}."""

    patch: dict[str, Any] = field(default_factory=dict)
    events: tuple[Fact, ...] = ()

    def __add__(self, other: Change) -> Change:
        return Change(patch=merged(self.patch, other.patch), events=self.events + other.events)


# internal: driver_internal_info; instance: instance_info; instance_sealed: its secrets by JSON pointer;
# instance_clear: True empties both before; properties: properties.
MERGED = ("internal", "instance", "instance_sealed", "properties")


def merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """One patch that does what ``first`` and then ``second`` do."""
    gone = ("instance", "instance_sealed") if second.get("instance_clear") else ()
    whole = {name: value for name, value in first.items() if name not in gone} | second
    for name in MERGED:
        if name in first and name in second and name not in gone:
            whole[name] = first[name] | second[name]
    return whole


@dataclass(frozen=True, kw_only=True)
class SyncRules:
    """``force``: hardware is set back to the record. After ``tries`` corrections within ``window_s``: a fault."""

    force: bool = True
    tries: int = 3
    window_s: float = 600.0


def _short_text(value: Any) -> bool:
    return value is None or (isinstance(value, str) and len(value) <= MAX_TEXT)


# Facts a provider may report, and what counts as one; anything else is ignored (the newer side may speak first).
FACTS: dict[str, Callable[[Any], bool]] = {
    "power_state": lambda value: isinstance(value, str) and value in POWER_STATES,
    "boot_mode": lambda value: value is None or (isinstance(value, str) and value in BOOT_MODES),
    "secure_boot": lambda value: value is None or isinstance(value, bool),
    "health": _short_text,
    "vendor": lambda value: isinstance(value, str) and 0 < len(value) <= MAX_TEXT,
    "properties": lambda value: isinstance(value, dict),
    "raid_config": lambda value: isinstance(value, dict),
    "console_enabled": lambda value: isinstance(value, bool),
}


def moved(node: NodeView, events: tuple[Event, ...], now: datetime) -> Change:
    """The node after ``events``, one after the other; only the last state is seen. Errors: InvalidRequest."""
    state, target = node.provision_state, node.target_provision_state
    for event in events:
        state, target = next_state(state, event), target_after(state, event, target)
    fact = Fact(
        name="provision-state-changed",
        data={"from": node.provision_state, "to": state, "target": target, "event": events[0]},
    )
    patch = {"provision_state": state, "target_provision_state": target, "provision_updated_at": now}
    return Change(patch=patch, events=(fact,))


def passed(node: NodeView, events: tuple[Event, ...], now: datetime) -> Change:
    """``moved``, or nothing when nothing happened."""
    return moved(node, events, now) if events else Change()


def started(node: NodeView, run: Run, events: tuple[Event, ...], now: datetime, rules: SyncRules) -> Change:
    """What shows at once when a workflow begins. ``events``: the verb that moves the node, if one does."""
    change = passed(node, events, now)
    patch: dict[str, Any] = shown_at_start(run)
    if run.cause.get("origin") != SYNC and run.kind is not Kind.TIDY:
        patch["last_error"] = None
    if run.kind is Kind.INSPECT:
        patch |= {"inspection_started_at": now, "inspection_finished_at": None}
    if run.kind is Kind.POWER:
        patch["target_power_state"] = LEADS_TO[power_target(run.params["target"])]
        patch["power_corrections"] = corrections(node, now, rules) + 1 if run.cause.get("origin") == SYNC else 0
    fact = Fact(name="workflow-started", data=_about(run) | _states(change.patch))
    return change + Change(patch=patch, events=(fact,))


def learnt(node: NodeView, facts: dict[str, Any], run: Run) -> Change:
    """Facts into the record. A power state that is new is told, and a reboot even if it ends as it began."""
    patch = {name: value for name, value in facts.items() if name in FACTS and FACTS[name](value)}
    state = patch.get("power_state")
    reboots = run.kind is Kind.POWER and power_target(run.params["target"]) in REBOOTS
    if state is None or (state == node.power_state and not reboots):
        return Change(patch=patch)
    fact = Fact(name="power-state-changed", data={"from": node.power_state, "to": state} | _why(run))
    return Change(patch=patch, events=(fact,))


def sent(node: NodeView, run: Run, steps: Iterable[StepRun], facts: Mapping[str, Any] | None = None) -> Change:
    """What is forgotten of the node's agent as these steps are dispatched, because it will not survive them, or because
    it has started the instance, as ``facts`` tell."""
    started = (facts or {}).get(kexec.FACT) is True
    patch = forgotten(steps, f"{run.fence}.{run.current_step}", started=started) if node.has_agent else {}
    return Change(patch={"internal": patch}) if patch else Change()


def went_on(node: NodeView, run: Run, before: Run, trail: tuple[Event, ...], now: datetime) -> Change:
    """What shows of a workflow that goes on: the state on its way through waits, its current step, its progress."""
    change = passed(node, trail, now)
    change += Change(patch=shown_now(run, before))
    step = run.current
    rests = step.status in (StepStatus.WAITING, StepStatus.SLEEPING)
    old = before.steps[run.current_step] if run.current_step < len(before.steps) else None
    if not rests or (old and (step.status, step.progress, step.signal) == (old.status, old.progress, old.signal)):
        return change
    data = {
        "workflow": run.uuid, "kind": run.kind, "step": step.asked, "status": step.status, "progress": step.progress,
        "signal": step.signal, "deadline_at": step.deadline_at,
    }  # fmt: skip
    return change + Change(events=(Fact(name="workflow-progressed", data=data),))


def finished(run: Run, patch: Mapping[str, Any] | None = None) -> Change:
    """The fact that a workflow ended, with what became of its steps. ``patch``: what it leaves in the node's row."""
    data = _about(run) | {"status": run.status, "error": run.error, "steps": [_step_fact(step) for step in run.steps]}
    data |= {"started_at": run.created_at, **_states(patch or {})}
    return Change(events=(Fact(name="workflow-finished", data=data),))


def _states(patch: Mapping[str, Any]) -> dict[str, Any]:
    """The states that a change leads to, if it does."""
    return {name: patch[name] for name in ("provision_state", "target_provision_state") if name in patch}


def faulted(node: NodeView, text: str) -> Change:
    """Power can no longer be trusted. The power state stays what was last known."""
    return maintained(node, POWER_FAULT, text)


def corrections(node: NodeView, now: datetime, rules: SyncRules) -> int:
    """Corrections in a row: those of the last ``window_s`` without a pause as long."""
    recent = node.power_changed_at is not None and now - node.power_changed_at <= timedelta(seconds=rules.window_s)
    return node.power_corrections if recent else 0


def maintained(node: NodeView, fault: str, text: str) -> Change:
    """Somebody has to look: maintenance, fault, reason."""
    patch = {"maintenance": True, "fault": fault, "maintenance_reason": text, "last_error": text}
    events = (
        Fact(name="fault-changed", data={"from": node.fault, "to": fault, "reason": text}),
        Fact(name="maintenance-changed", data={"on": True, "reason": text}),
    )
    return Change(patch=patch, events=events)


def _about(run: Run) -> dict[str, Any]:
    return {"workflow": run.uuid, "kind": run.kind, "params": run.params}


def _why(run: Run) -> dict[str, Any]:
    return {"workflow": run.uuid, "kind": run.kind}


def _step_fact(step: StepRun) -> dict[str, Any]:
    return {
        "step": step.asked, "status": step.status, "attempts": step.attempt, "error": step.error,
        "started_at": step.started_at, "finished_at": step.finished_at,
    }  # fmt: skip
