"""What a workflow writes into its node's record, and what it tells the world: pure.

A ``Change`` is a patch of node columns (the key ``vendor`` stands for properties.vendor) with the facts to publish.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .locks import Lock
from .runs import Run, Status, StepRun
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
    """``patch``: node column → new value."""

    patch: dict[str, Any] = field(default_factory=dict)
    events: tuple[Fact, ...] = ()

    def __add__(self, other: Change) -> Change:
        return Change(patch=self.patch | other.patch, events=self.events + other.events)


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
}
# kind → what last_error says before the reason. Kinds with an entry in PROVISION also move the provision state.
FAILED_TO: dict[Kind, str] = {
    Kind.VERIFY: "Verifying the node failed",
    Kind.POWER: "Changing power to {target} failed",
    Kind.BOOT_MODE: "Setting the boot mode to {target} failed",
    Kind.SECURE_BOOT: "Setting secure boot to {target} failed",
    Kind.BOOT_DEVICE: "Setting the boot device to {device} failed",
    Kind.MOVE: "Moving the node failed",
}
PROVISION = frozenset({Kind.VERIFY})


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


def started(node: NodeView, run: Run, events: tuple[Event, ...], now: datetime, rules: SyncRules) -> Change:
    """What shows at once when a workflow begins. ``events``: the verb that moves the node, if one does."""
    change = moved(node, events, now) if events else Change()
    patch: dict[str, Any] = {}
    if run.cause.get("origin") != SYNC:
        patch["last_error"] = None
    if run.kind is Kind.POWER:
        patch["target_power_state"] = LEADS_TO[power_target(run.params["target"])]
        patch["power_corrections"] = corrections(node, now, rules) + 1 if run.cause.get("origin") == SYNC else 0
    fact = Fact(name="workflow-started", data=_about(run))
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


def ended(node: NodeView, run: Run, now: datetime, rules: SyncRules) -> Change:
    """What the end of ``run`` leaves: states, last_error, the events of the end. The lock goes with it."""
    change = Change()
    failed = run.status is not Status.DONE
    if run.kind in PROVISION:
        change += moved(node, (Event.FAIL if failed else Event.DONE,), now)
    if run.kind is Kind.POWER:
        change += Change(patch={"target_power_state": None, "power_changed_at": now})
    if failed:
        text = _error_text(run)
        change += Change(patch={"last_error": text})
        if run.kind is Kind.POWER:
            change += _power_failed(node, run, text, rules)
    return change + finished(run)


def finished(run: Run) -> Change:
    """The fact that a workflow ended, with what became of its steps."""
    data = _about(run) | {"status": run.status, "error": run.error, "steps": [_step_fact(step) for step in run.steps]}
    return Change(events=(Fact(name="workflow-finished", data=data),))


def faulted(node: NodeView, text: str) -> Change:
    """Power can no longer be trusted: maintenance, fault, reason. The power state stays what was last known."""
    patch = {"maintenance": True, "fault": POWER_FAULT, "maintenance_reason": text, "last_error": text}
    events = (
        Fact(name="fault-changed", data={"from": node.fault, "to": POWER_FAULT, "reason": text}),
        Fact(name="maintenance-changed", data={"on": True, "reason": text}),
    )
    return Change(patch=patch, events=events)


def corrections(node: NodeView, now: datetime, rules: SyncRules) -> int:
    """Corrections in a row: those of the last ``window_s`` without a pause as long."""
    recent = node.power_changed_at is not None and now - node.power_changed_at <= timedelta(seconds=rules.window_s)
    return node.power_corrections if recent else 0


def _power_failed(node: NodeView, run: Run, text: str, rules: SyncRules) -> Change:
    told = Change(
        events=(Fact(name="power-change-failed", data={"target": run.params["target"], "error": text} | _why(run)),)
    )
    if run.cause.get("origin") == SYNC and node.power_corrections >= rules.tries:
        return told + faulted(node, f"Power sync gave up after {node.power_corrections} corrections. {text}")
    return told


def _error_text(run: Run) -> str:
    reason = (run.error or {}).get("message", "no reason was given")
    return f"{FAILED_TO[run.kind].format_map(run.params)}: {reason}"


def _about(run: Run) -> dict[str, Any]:
    return {"workflow": run.uuid, "kind": run.kind, "params": run.params}


def _why(run: Run) -> dict[str, Any]:
    return {"workflow": run.uuid, "kind": run.kind}


def _step_fact(step: StepRun) -> dict[str, Any]:
    return {
        "step": step.label, "status": step.status, "attempts": step.attempt, "error": step.error,
        "started_at": step.started_at, "finished_at": step.finished_at,
    }  # fmt: skip
