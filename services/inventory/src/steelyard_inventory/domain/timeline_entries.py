"""A row of the timeline: what it is, how it is named, and what may be kept in it. Pure.

Rule 1  A row's UUID is made from the event's id, its place in the event and its time: telling it twice writes it once.
Rule 2  A detail is named where it is picked or it is a plain short value: no object of a record, no argument of a step,
        no secret.
"""

from __future__ import annotations

import hashlib
import uuid as uuids
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from steelyard_common.secrets import PREFIX, SECRET_NAME

from .values import as_uuid

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_TEXT = 500
MAX_ITEMS = 50
CAUSE = ("user", "project", "request_id", "origin", "operation")


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
    """One event as it was heard. ``place`` counts the rows that it made; ``at``: of what happened before it."""

    service: str
    fact: str
    subject_id: str
    id: str
    at: datetime
    data: dict[str, Any]
    cause: dict[str, Any]

    def row(self, place: int, kind: str, name: str, *, at: datetime | None = None, **more: Any) -> Entry:
        at = at or self.at
        return Entry(
            uuid=entry_uuid(at, self.id, place), node_uuid=more.pop("node_uuid", self.subject_id), at=at,
            kind=kind, name=name, cause=self.cause, **more,
        )  # fmt: skip


Rows = Sequence[Entry]


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


def pick(data: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return plain({name: data[name] for name in names if data.get(name) is not None})


def time(text: Any) -> datetime:
    """To the millisecond, as an entry's UUID tells it."""
    read = datetime.fromisoformat(str(text))
    at = (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def cause_of(text: Any) -> dict[str, Any]:
    given = orjson.loads(text) if isinstance(text, str) else {}
    return pick(given, *CAUSE) if isinstance(given, dict) else {}


def error_of(data: Mapping[str, Any]) -> dict[str, Any]:
    error = data.get("error")
    text = error.get("message") if isinstance(error, dict) else error
    return plain({"error": text}) if text else {}


def workflow_of(event: Event) -> str | None:
    return as_uuid(event.data.get("workflow"))
