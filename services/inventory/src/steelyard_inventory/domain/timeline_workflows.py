"""Rows of the timeline about workflows and their steps, and what Ironic's node history calls them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .timeline_entries import Entry, Event, Rows, error_of, pick, time, workflow_of

PARAMETERS = ("target", "device", "persistent", "timeout_s", "runbook", "disable_ramdisk", "rebuild", "automated")
# kind of workflow → the event types of Ironic's node history: at the start, at a good end, at a failure (facts §6).
HISTORY: dict[str, tuple[str, str, str]] = {
    "clean": ("automated_cleaning_start", "automated_cleaning_end", "cleaning"),
    "deploy": ("deployment_start", "deployment_end", "deploying"),
    "service": ("servicing_start", "servicing_end", "servicing"),
    "verify": ("verify_start", "verify_end", "verify"),
    "inspect": ("introspection_start", "introspection_end", "introspection"),
    "adopt": ("adoption_start", "adoption_end", "adoption"),
    "rescue": ("rescue_start", "rescue_end", "rescue"),
    "unrescue": ("unrescue_start", "unrescue_end", "rescue"),
    "undeploy": ("unprovision_start", "unprovision_end", "unprovision"),
    "power": ("power_start", "power_end", "monitoring"),
}
MANUAL_CLEANING = ("manual_cleaning_start", "manual_cleaning_end", "cleaning")
QUIET_STARTS = frozenset({"power"})  # too many to fill a history of 300 with: only their failures are kept there


def _parameters(data: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for, without steps, images, configuration, passwords."""
    return pick(data.get("params") or {}, *PARAMETERS)


def _states(data: Mapping[str, Any]) -> dict[str, Any]:
    return pick(data, "provision_state", "target_provision_state")


def _history_types(data: Mapping[str, Any]) -> tuple[str | None, str | None, str | None]:
    kind, params = str(data["kind"]), data.get("params") or {}
    if kind == "clean" and not params.get("automated"):
        return MANUAL_CLEANING
    return HISTORY.get(kind, (None, None, None))


def workflow_started(event: Event) -> Rows:
    kind = str(event.data["kind"])
    start = None if kind in QUIET_STARTS else _history_types(event.data)[0]
    detail = _parameters(event.data) | _states(event.data)
    return [
        event.row(0, "workflow", kind, outcome="started", workflow=workflow_of(event), detail=detail, event_type=start)
    ]


def workflow_progressed(event: Event) -> Rows:
    detail = pick(event.data, "progress", "signal", "deadline_at", "attempt") | error_of(event.data)
    outcome = str(event.data["status"])
    return [event.row(0, "step", str(event.data["step"]), outcome=outcome, workflow=workflow_of(event), detail=detail)]


def workflow_finished(event: Event) -> Rows:
    """A row for each step that ran, at its own end, and one for the whole, which comes last."""
    data, workflow = event.data, workflow_of(event)
    rows: list[Entry] = []
    began: datetime | None = None
    before: datetime | None = None
    for step in data.get("steps") or ():
        if step.get("started_at") is None:
            continue
        started = time(step["started_at"])
        began = min(began or started, started)
        finished = time(step["finished_at"]) if step.get("finished_at") else None
        # Steps that shared a message began together: each is counted from the end of the one before it.
        since = max(started, before or started)
        duration = max(0.0, (finished - since).total_seconds()) if finished else None
        detail = pick(step, "attempts") | error_of(step)
        outcome = str(step["status"])
        row = event.row(
            len(rows) + 1, "step", str(step["step"]), at=finished, outcome=outcome, duration_s=duration,
            workflow=workflow, detail=detail,
        )  # fmt: skip
        rows.append(row)
        before = finished or before
    if data.get("started_at"):
        began = time(data["started_at"])
    status = str(data["status"])
    _, good, bad = _history_types(data)
    quiet = str(data["kind"]) in QUIET_STARTS and status == "done"
    duration = (event.at - began).total_seconds() if began else None
    whole = event.row(
        0, "workflow", str(data["kind"]), outcome=status, duration_s=duration, workflow=workflow,
        detail=_parameters(data) | _states(data) | error_of(data) | {"steps": len(rows)},
        event_type=None if quiet else good if status == "done" else bad,
    )  # fmt: skip
    return [*rows, whole]
