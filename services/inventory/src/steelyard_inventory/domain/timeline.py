"""What happened to a node, told from the events: which rows of the timeline an event makes. Pure.

Rule 1  A row's UUID is made from the event's id, its place in the event and its time: telling it twice writes it once.
Rule 2  A detail is named here or it is a plain short value: no object of a record, no argument of a step, no secret.
Rule 3  An event of ours that is not in FACTS makes no row; one of a service that is unknown here makes a plain one.
"""

from __future__ import annotations

import hashlib
import uuid as uuids
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from steelyard_common.secrets import PREFIX, SECRET_NAME

from .values import as_uuid

KINDS = ("agent", "bmc", "boot", "call", "console", "power", "record", "state", "step", "workflow")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_TEXT = 500
MAX_ITEMS = 50
PARAMETERS = ("target", "device", "persistent", "timeout_s", "runbook", "disable_ramdisk", "rebuild", "automated")
CAUSE = ("user", "project", "request_id", "origin", "operation")
# Services whose events are not told one by one: the kind that their rows get.
KIND_OF_SERVICE = {
    "boot": "boot", "inspector": "agent", "firmware": "bmc", "console": "console", "power": "bmc",
}  # fmt: skip
SILENT = frozenset({"power-observed", "sensors", "dead-letter"})  # told by what they lead to, or too many
FAILED = frozenset({"failed", "aborted", "refused"})
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One row. ``duration_s`` of what has an end; ``event_type``: of Ironic's history, None if it is no part of it."""

    uuid: str
    node_uuid: str
    at: datetime
    kind: str
    name: str
    outcome: str | None = None
    duration_s: float | None = None
    cause: dict[str, Any] = field(default_factory=dict)
    workflow: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    event_type: str | None = None
    node_name: str | None = None  # instead of node_uuid, when the node was called by its name


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One event as it was heard. ``place`` counts the rows that it made."""

    service: str
    fact: str
    subject_id: str
    id: str
    at: datetime
    data: dict[str, Any]
    cause: dict[str, Any]

    def row(self, place: int, kind: str, name: str, **more: Any) -> Entry:
        return Entry(
            uuid=entry_uuid(self.at, self.id, place), node_uuid=more.pop("node_uuid", self.subject_id), at=self.at,
            kind=kind, name=name, cause=self.cause, **more,
        )  # fmt: skip


Rows = Sequence[Entry]


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
        at=_time(body["time"]), data=data, cause=_cause(body.get("cause")),
    )  # fmt: skip
    if (told := FACTS.get((service, fact))) is not None:
        rows = told(event)
    else:
        rows = () if service == "inventory" else _plain(event)
    return [row for row in rows if row.node_uuid or row.node_name]


def entry_uuid(at: datetime, event_id: str, place: int) -> str:
    """Version 7: the milliseconds of ``at``, then what only this row of this event has."""
    rest = hashlib.sha256(f"{event_id}#{place}".encode()).digest()[:10]
    ms = (at - _EPOCH) // timedelta(milliseconds=1)
    value = (ms << 80) | int.from_bytes(rest)
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return str(uuids.UUID(int=value))


def time_of(entry_uuid: str) -> datetime:
    """When the row with this UUID happened. Errors: ValueError for a UUID of another kind."""
    value = uuids.UUID(entry_uuid)
    if value.version != 7:
        raise ValueError("no row of the timeline has this UUID")
    return _EPOCH + timedelta(milliseconds=value.int >> 80)


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """What may be kept of values nobody here knows: short plain ones under names that are no secret's."""
    return {
        str(name)[:64]: _short(value)
        for name, value in list(values.items())[:MAX_ITEMS]
        if not SECRET_NAME.search(str(name)) and _is_plain(value)
    }


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) <= MAX_ITEMS and all(not isinstance(item, (list, dict)) and _is_plain(item) for item in value)
    return value is not None and not isinstance(value, dict) and not (isinstance(value, str) and PREFIX in value)


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return [_short(item) for item in value]
    return f"{value[: MAX_TEXT - 1]}…" if isinstance(value, str) and len(value) > MAX_TEXT else value


def _pick(data: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return plain({name: data[name] for name in names if data.get(name) is not None})


def _time(text: Any) -> datetime:
    """To the millisecond, as an entry's UUID tells it."""
    read_ = datetime.fromisoformat(str(text))
    at = (read_ if read_.tzinfo else read_.replace(tzinfo=UTC)).astimezone(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _cause(text: Any) -> dict[str, Any]:
    given = orjson.loads(text) if isinstance(text, str) else {}
    return _pick(given, *CAUSE) if isinstance(given, dict) else {}


def _error(data: Mapping[str, Any]) -> dict[str, Any]:
    error = data.get("error")
    text = error.get("message") if isinstance(error, dict) else error
    return plain({"error": text}) if text else {}


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
        detail = _pick(event.data, *names) | _error(event.data)
        return [event.row(0, kind, event.fact, outcome=outcome, workflow=_workflow(event), detail=detail)]

    return rows


def _record(event: Event) -> Rows:
    """Which fields of a record changed: their names, never what is in them."""
    data = event.data
    changed = sorted({*(data.get("changed") or {}), *(data.get("changed_objects") or ())})
    detail = _pick(data, "name", "address", "vif", "port", "portgroup") | ({"fields": changed} if changed else {})
    if not event.fact.startswith("node-"):
        detail |= _pick(data, "uuid")
    return [event.row(0, "record", event.fact, detail=plain(detail))]


def _workflow(event: Event) -> str | None:
    return as_uuid(event.data.get("workflow"))


def _parameters(data: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for, without steps, images, configuration, passwords."""
    return _pick(data.get("params") or {}, *PARAMETERS)


def _states(data: Mapping[str, Any]) -> dict[str, Any]:
    return _pick(data, "provision_state", "target_provision_state")


def _history_types(data: Mapping[str, Any]) -> tuple[str | None, str | None, str | None]:
    kind, params = str(data["kind"]), data.get("params") or {}
    if kind == "clean" and not params.get("automated"):
        return MANUAL_CLEANING
    return HISTORY.get(kind, (None, None, None))


def _workflow_started(event: Event) -> Rows:
    kind = str(event.data["kind"])
    start = None if kind in QUIET_STARTS else _history_types(event.data)[0]
    detail = _parameters(event.data) | _states(event.data)
    return [
        event.row(0, "workflow", kind, outcome="started", workflow=_workflow(event), detail=detail, event_type=start)
    ]


def _workflow_progressed(event: Event) -> Rows:
    detail = _pick(event.data, "progress", "signal", "deadline_at", "attempt") | _error(event.data)
    outcome = str(event.data["status"])
    return [event.row(0, "step", str(event.data["step"]), outcome=outcome, workflow=_workflow(event), detail=detail)]


def _workflow_finished(event: Event) -> Rows:
    """A row for each step that ran, and one for the whole, which comes last."""
    data, workflow = event.data, _workflow(event)
    rows: list[Entry] = []
    began: datetime | None = None
    before: datetime | None = None
    for step in data.get("steps") or ():
        if step.get("started_at") is None:
            continue
        started = _time(step["started_at"])
        began = min(began or started, started)
        finished = _time(step["finished_at"]) if step.get("finished_at") else None
        # Steps that shared a message began together: each is counted from the end of the one before it.
        since = max(started, before or started)
        duration = max(0.0, (finished - since).total_seconds()) if finished else None
        detail = _pick(step, "attempts") | _error(step)
        outcome = str(step["status"])
        row = event.row(
            len(rows) + 1, "step", str(step["step"]), outcome=outcome, duration_s=duration, workflow=workflow,
            detail=detail,
        )  # fmt: skip
        rows.append(row)
        before = finished or before
    if data.get("started_at"):
        began = _time(data["started_at"])
    status = str(data["status"])
    _, good, bad = _history_types(data)
    quiet = str(data["kind"]) in QUIET_STARTS and status == "done"
    duration = (event.at - began).total_seconds() if began else None
    whole = event.row(
        0, "workflow", str(data["kind"]), outcome=status, duration_s=duration, workflow=workflow,
        detail=_parameters(data) | _states(data) | _error(data) | {"steps": len(rows)},
        event_type=None if quiet else good if status == "done" else bad,
    )  # fmt: skip
    return [*rows, whole]


def _fault(event: Event) -> Rows:
    to = event.data.get("to")
    detail = _pick(event.data, "from", "to", "reason")
    kind = "monitoring" if to == "power failure" else None
    return [event.row(0, "state", event.fact, outcome="failed" if to else None, detail=detail, event_type=kind)]


def _call(event: Event) -> Rows:
    """A direct call to the BMC under a lease, or a call that was refused."""
    data = event.data
    duration = data.get("duration_s")
    return [
        event.row(
            0, "call", str(data.get("purpose") or f"{data['method']} {data['path']}")[:200],
            outcome=str(data.get("outcome") or "done"), detail=_pick(data, "status", "code", "message", "holder"),
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
    ("inventory", "workflow-started"): _workflow_started,
    ("inventory", "workflow-progressed"): _workflow_progressed,
    ("inventory", "workflow-finished"): _workflow_finished,
    ("inventory", "lease-released"): _call,
    ("api-gateway", "call-refused"): _call,
    ("power", "bmc-unreachable"): _told("bmc", "failures", outcome="failed"),
    ("power", "bmc-recovered"): _told("bmc", "power_state", outcome="done"),
    ("power", "health-changed"): _told("bmc", "health"),
}
