"""What the end of a workflow leaves: provision state, last_error, maintenance and fault, what is cleared. Pure.

Rule 1  Maintenance and a fault come only from a step of the catalogue that failed while cleaning or in service; never
        from the machinery's own steps, never from an abort (lifecycle facts §4, §19).
Rule 2  An undeployment clears the instance even when it failed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from .projection import SYNC, Change, Fact, NodeView, SyncRules, faulted, finished, maintained, moved
from .runs import Run, Status, StepStatus
from .shown import shown_now
from .transitions import HOLDING, Event, State, can
from .workflows import RESCUE_HASH, Kind

# kind → what last_error says before the reason.
FAILED_TO: dict[Kind, str] = {
    Kind.VERIFY: "Verifying the node failed",
    Kind.POWER: "Changing power to {target} failed",
    Kind.BOOT_MODE: "Setting the boot mode to {target} failed",
    Kind.SECURE_BOOT: "Setting secure boot to {target} failed",
    Kind.BOOT_DEVICE: "Setting the boot device to {device} failed",
    Kind.CONSOLE: "Switching the console {target} failed",
    Kind.MOVE: "Moving the node failed",
    Kind.CLEAN: "Cleaning failed",
    Kind.DEPLOY: "Deploying failed",
    Kind.UNDEPLOY: "Undeploying failed",
    Kind.INSPECT: "Inspection failed",
    Kind.ADOPT: "Adoption failed",
    Kind.RESCUE: "Rescue failed",
    Kind.UNRESCUE: "Unrescue failed",
    Kind.SERVICE: "Service failed",
    Kind.TIDY: "Cleaning up after {of} failed",
    Kind.CHILD: "A step for the parent node failed",
}
# Kinds whose end moves the provision state.
PROVISION = frozenset({
    Kind.VERIFY, Kind.CLEAN, Kind.DEPLOY, Kind.UNDEPLOY, Kind.INSPECT, Kind.ADOPT, Kind.RESCUE, Kind.UNRESCUE,
    Kind.SERVICE,
})  # fmt: skip
FAULTS = {Kind.CLEAN: "clean failure", Kind.SERVICE: "service failure"}
RESCUE_ABORT_FAULT = "rescue abort failure"
# Kinds after whose failure or abort something may have to be taken back.
TIDIED = frozenset({Kind.CLEAN, Kind.DEPLOY, Kind.INSPECT, Kind.RESCUE, Kind.SERVICE})


def ended(node: NodeView, run: Run, before: Run, now: datetime, rules: SyncRules) -> Change:
    """``before``: the workflow as it stood. The lock goes with its end."""
    change = Change(patch=shown_now(run, before))
    is_done = run.status is Status.DONE
    if run.kind in PROVISION:
        # An undeployment that went well goes on with cleaning: that is the next workflow's first event.
        event = _done(node, run) if is_done else _failed(node)
        if event is not None and can(node.provision_state, event):
            change += moved(node, (event,), now)
    elif run.kind is Kind.TIDY and is_done and run.params.get("then"):
        event = Event(run.params["then"])
        if can(node.provision_state, event):
            change += moved(node, (event,), now)
    change += LEAVES.get(run.kind, _nothing)(node, run, now)
    if not is_done:
        change += _trouble(node, run, rules)
    return change + finished(run, change.patch)


def cut_off(node: NodeView, run: Run, before: Run, now: datetime, by: Event) -> Change:
    """The end of a parked workflow because a verb takes the node from it; the verb moves the provision state."""
    change = Change(patch=shown_now(run, before)) + LEAVES.get(run.kind, _nothing)(node, run, now) + finished(run)
    if by is Event.ABORT:
        change += Change(patch={"last_error": error_text(run)})
    return change


def _done(node: NodeView, run: Run) -> Event | None:
    if run.kind is Kind.UNDEPLOY:
        return None
    if run.kind is Kind.CLEAN and (node.retired or node.target_provision_state is State.MANAGEABLE):
        return Event.MANAGE
    return Event.DONE


def _failed(node: NodeView) -> Event:
    """A hold ends as if it were aborted: most have no other way out."""
    return Event.ABORT if node.provision_state in HOLDING else Event.FAIL


def _trouble(node: NodeView, run: Run, rules: SyncRules) -> Change:
    text = error_text(run)
    change = Change(patch={"last_error": text})
    if run.kind is Kind.POWER:
        return change + _power_failed(node, run, text, rules)
    if run.kind in FAULTS and _is_fault_of_a_step(run):
        return change + maintained(node, FAULTS[run.kind], text)
    if run.kind is Kind.TIDY and run.params.get("of") == Kind.RESCUE and run.status is Status.FAILED:
        return change + maintained(node, RESCUE_ABORT_FAULT, text)
    return change


def _is_fault_of_a_step(run: Run) -> bool:
    return run.status is Status.FAILED and any(
        step.status is StepStatus.FAILED and not step.is_core for step in run.steps
    )  # fmt: skip


def _power_failed(node: NodeView, run: Run, text: str, rules: SyncRules) -> Change:
    data = {"target": run.params["target"], "error": text, "workflow": run.uuid, "kind": run.kind}
    told = Change(events=(Fact(name="power-change-failed", data=data),))
    if run.cause.get("origin") == SYNC and node.power_corrections >= rules.tries:
        return told + faulted(node, f"Power sync gave up after {node.power_corrections} corrections. {text}")
    return told


def error_text(run: Run) -> str:
    """``last_error``: what failed, and why."""
    if run.status is Status.ABORTED:
        return str((run.error or {}).get("message", "it was aborted"))
    reason = (run.error or {}).get("message", "no reason was given")
    return f"{FAILED_TO[run.kind].format_map(run.params)}: {reason}"


# ---- what each kind leaves, however it ended


def _nothing(_node: NodeView, _run: Run, _now: datetime) -> Change:
    return Change()


def _after_power(_node: NodeView, _run: Run, now: datetime) -> Change:
    return Change(patch={"target_power_state": None, "power_changed_at": now})


def _after_undeploy(node: NodeView, run: Run, _now: datetime) -> Change:
    """No trace of the instance: what it was, whose it was, which allocation it had."""
    patch: dict[str, Any] = {"instance_clear": True, "instance_uuid": None, "instance_name": None}
    if node.allocation_uuid is not None:
        patch["allocation_uuid"] = None
    if node.automatic_lessee:
        patch |= {"lessee": None, "internal": {"automatic_lessee": None}}
    if any(step.label == "console.stop" and step.status is StepStatus.DONE for step in run.steps):
        patch["console_enabled"] = False
    changed = {"instance_uuid": None, "allocation_uuid": None}
    data = {"uuid": node.uuid, "changed": changed, "changed_objects": ["instance_info"]}
    return Change(patch=patch, events=(Fact(name="node-updated", data=data),))


def _after_inspect(_node: NodeView, run: Run, now: datetime) -> Change:
    return Change(patch={"inspection_finished_at": now} if run.status is Status.DONE else {})


def _after_adopt(_node: NodeView, run: Run, _now: datetime) -> Change:
    return Change(patch={} if run.status is Status.DONE else {"power_state": None})


def _after_rescue(_node: NodeView, _run: Run, _now: datetime) -> Change:
    """The hash of the password has reached the ramdisk, or never will."""
    return Change(patch={"instance": {RESCUE_HASH: None}, "instance_sealed": {f"/{RESCUE_HASH}": None}})


LEAVES: dict[Kind, Callable[[NodeView, Run, datetime], Change]] = {
    Kind.POWER: _after_power,
    Kind.UNDEPLOY: _after_undeploy,
    Kind.INSPECT: _after_inspect,
    Kind.ADOPT: _after_adopt,
    Kind.RESCUE: _after_rescue,
}
