"""What happened to a node, told from the events: which rows of the timeline an event makes. Pure.

What a row is, and what may stand in it: timeline_entries. An event of ours that is not in FACTS makes no row; one of a
service that is unknown here makes a plain one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .timeline_entries import Event, Rows, cause_of, error_of, pick, plain, time, workflow_of
from .timeline_workflows import workflow_finished, workflow_progressed, workflow_started
from .values import as_uuid

KINDS = ("agent", "bmc", "boot", "call", "console", "power", "record", "state", "step", "workflow")
# Services whose events are not told one by one: the kind that their rows get.
KIND_OF_SERVICE = {
    "boot": "boot", "inspector": "agent", "firmware": "bmc", "console": "console", "power": "bmc",
}  # fmt: skip
SILENT = frozenset({"power-observed", "sensors", "dead-letter"})  # told by what they lead to, or too many


def read(subject: str, body: Mapping[str, Any]) -> Rows:
    """The rows of an event. Errors: LookupError, TypeError, ValueError for what is no event."""
    _site, service, _evt, fact, subject_id = subject.split(".", 4)
    if fact in SILENT:
        return ()
    data = body.get("data") or {}
    if not isinstance(data, dict):
        raise TypeError("data is no object")
    event = Event(
        service=service, fact=fact, subject_id=as_uuid(subject_id) or "", id=str(body["id"]),
        at=time(body["time"]), data=data, cause=cause_of(body.get("cause")),
    )  # fmt: skip
    if (told := FACTS.get((service, fact))) is not None:
        rows = told(event)
    else:
        rows = () if service == "inventory" else _plain(event)
    return [row for row in rows if row.node_uuid or row.node_name]


def _plain(event: Event) -> Rows:
    kind = "agent" if event.fact.startswith("agent-") else KIND_OF_SERVICE.get(event.service, "record")
    outcome = "failed" if event.fact.endswith("-failed") else None
    duration = event.data.get("duration_s")
    node = as_uuid(event.data.get("node_uuid") or event.data.get("node")) or event.subject_id
    return [
        event.row(
            0, kind, event.fact, outcome=outcome, node_uuid=node, detail=plain(event.data),
            duration_s=float(duration) if isinstance(duration, (int, float)) else None,
        )
    ]  # fmt: skip


def _told(kind: str, *names: str, outcome: str | None = None) -> Callable[[Event], Rows]:
    """A row with these values of the event's data."""

    def rows(event: Event) -> Rows:
        detail = pick(event.data, *names) | error_of(event.data)
        return [event.row(0, kind, event.fact, outcome=outcome, workflow=workflow_of(event), detail=detail)]

    return rows


def _record(event: Event) -> Rows:
    """Which fields of a record changed: their names, never what is in them."""
    data = event.data
    changed = sorted({*(data.get("changed") or {}), *(data.get("changed_objects") or ())})
    detail = pick(data, "name", "address", "vif", "port", "portgroup") | ({"fields": changed} if changed else {})
    if not event.fact.startswith("node-"):
        detail |= pick(data, "uuid")
    return [event.row(0, "record", event.fact, detail=plain(detail))]


def _fault(event: Event) -> Rows:
    to = event.data.get("to")
    detail = pick(event.data, "from", "to", "reason")
    kind = "monitoring" if to == "power failure" else None
    return [event.row(0, "state", event.fact, outcome="failed" if to else None, detail=detail, event_type=kind)]


def _call(event: Event) -> Rows:
    """A direct call to the BMC under a lease, or a call that was refused."""
    data = event.data
    duration = data.get("duration_s")
    return [
        event.row(
            0, "call", str(data.get("purpose") or f"{data['method']} {data['path']}")[:200],
            outcome=str(data.get("outcome") or "done"), detail=pick(data, "status", "code", "message", "holder"),
            duration_s=float(duration) if duration is not None else None,
            node_name=None if event.subject_id or data.get("node_name") is None else str(data["node_name"]),
        )
    ]  # fmt: skip


_RECORDS = (
    *(f"node-{verb}" for verb in ("created", "updated", "deleted")),
    *(
        f"{thing}-{verb}"
        for thing in ("port", "portgroup", "volume-connector", "volume-target")
        for verb in ("created", "updated", "deleted")
    ),
    "vif-attached", "vif-detached",
)  # fmt: skip
FACTS: dict[tuple[str, str], Callable[[Event], Rows]] = {
    **{("inventory", fact): _record for fact in _RECORDS},
    ("inventory", "provision-state-changed"): _told("state", "from", "to", "target", "event"),
    ("inventory", "maintenance-changed"): _told("state", "on", "reason"),
    ("inventory", "fault-changed"): _fault,
    ("inventory", "power-state-changed"): _told("power", "from", "to", outcome="done"),
    ("inventory", "power-change-failed"): _told("power", "target", outcome="failed"),
    ("inventory", "power-state-corrected"): _told("power", "from", "to", outcome="corrected"),
    ("inventory", "workflow-started"): workflow_started,
    ("inventory", "workflow-progressed"): workflow_progressed,
    ("inventory", "workflow-finished"): workflow_finished,
    ("inventory", "lease-released"): _call,
    ("api-gateway", "call-refused"): _call,
    ("power", "bmc-unreachable"): _told("bmc", "failures", outcome="failed"),
    ("power", "bmc-recovered"): _told("bmc", "power_state", outcome="done"),
    ("power", "health-changed"): _told("bmc", "health"),
}
