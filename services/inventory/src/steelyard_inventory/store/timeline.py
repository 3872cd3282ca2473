"""The timeline's rows: written in batches, each once; read a page at a time; forgotten a month at a time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import psycopg
from sqlalchemy import Connection, text
from steelyard_common.errors import NotFound

from ..domain.timeline_entries import Entry, time_of

PARENT, REST = "timeline", "timeline_rest"
MONTHS_AHEAD = 3
_MONTH = re.compile(r"timeline_(\d{4})_(\d{2})")
_ROW = (
    "uuid uuid, node_uuid uuid, at timestamptz, kind text, name text, outcome text, duration_s float8, cause jsonb, "
    "workflow uuid, detail jsonb, event_type text"
)
_NAMES = ", ".join(column.split()[0] for column in _ROW.split(", "))
# All names in these texts are constants of this module; values are bound.
_WRITE = text(
    f"INSERT INTO timeline ({_NAMES}) SELECT {_NAMES} FROM jsonb_to_recordset(CAST(:doc AS jsonb)) AS d({_ROW}) "  # noqa: S608
    "ON CONFLICT DO NOTHING RETURNING uuid::text"
)
_DOCUMENT = (
    "json_build_object('id', uuid, 'node_uuid', node_uuid, 'at', to_char(at AT TIME ZONE 'UTC', "
    "'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"+00:00\"'), 'kind', kind, 'name', name, 'outcome', outcome, "
    "'duration_s', duration_s, 'cause', cause, 'workflow', workflow, 'detail', detail)::text"
)
# The newest first; within one millisecond the one that came last. The index gives the order of time, so that only
# what shares a millisecond is sorted.
_PAGE = (
    "SELECT {what} FROM timeline WHERE node_uuid = CAST(:node AS uuid) {where} ORDER BY at DESC, id DESC LIMIT :limit"
)
_HISTORY = "uuid::text AS uuid, at, kind, name, outcome, duration_s, cause, detail, event_type"
_DURATIONS = text(
    "INSERT INTO durations (name, driver, samples) SELECT name, driver, samples FROM "
    "jsonb_to_recordset(CAST(:doc AS jsonb)) AS d(name text, driver text, samples float8[]) ORDER BY name, driver "
    "ON CONFLICT (name, driver) DO UPDATE SET samples = (durations.samples || excluded.samples)"
    "[greatest(1, cardinality(durations.samples) + cardinality(excluded.samples) - :keep + 1):]"
)
_READ_DURATIONS = text("SELECT name, samples FROM durations WHERE driver = :driver AND name = ANY(:names)")
_SERVED = text("SELECT uuid::text, id, driver, conductor_group FROM nodes WHERE uuid = ANY(CAST(:uuids AS uuid[]))")
_NAMED = text("SELECT name, uuid::text FROM nodes WHERE name = ANY(:names)")
_KNOWN_NODE = text(
    "SELECT uuid::text FROM nodes WHERE uuid = CAST(:uuid AS uuid) OR name = :name "
    "UNION ALL SELECT node_uuid::text FROM (SELECT node_uuid FROM timeline WHERE node_uuid = CAST(:uuid AS uuid) "
    "LIMIT 1) gone LIMIT 1"
)
_PARTITIONS = text(
    "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
    "WHERE i.inhparent = CAST('timeline' AS regclass)"
)
_LATE = text(f"DELETE FROM {REST} WHERE at < :before")  # noqa: S608


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A page of a node's timeline: ``since`` ≤ at < ``until``; behind ``marker``; of these ``kinds``."""

    since: datetime | None = None
    until: datetime | None = None
    kinds: tuple[str, ...] = ()
    marker: str | None = None
    limit: int = 100


def write(connection: Connection, entries: Sequence[Entry]) -> set[str]:
    """→ UUIDs of the rows that are new; the others had been written before."""
    doc = [
        {
            "uuid": each.uuid, "node_uuid": each.node_uuid, "at": each.at, "kind": each.kind, "name": each.name,
            "outcome": each.outcome, "duration_s": each.duration_s, "cause": each.cause, "workflow": each.workflow,
            "detail": each.detail, "event_type": each.event_type,
        }
        for each in entries
    ]  # fmt: skip
    return set(connection.execute(_WRITE, {"doc": orjson.dumps(doc).decode()}).scalars())


def page(connection: Connection, node_uuid: str, asked: Asked) -> list[str]:
    """Rows as JSON documents, the newest first. Errors: NotFound (the marker)."""
    conditions, values = _conditions(connection, node_uuid, asked)
    query = _PAGE.format(what=_DOCUMENT, where=" ".join(conditions))
    return list(connection.execute(text(query), values).scalars())


def history(connection: Connection, node_uuid: str, most: int) -> list[dict[str, Any]]:
    """The newest rows that have a place in Ironic's node history, the newest first."""
    query = _PAGE.format(what=_HISTORY, where="AND event_type IS NOT NULL")
    return [dict(row) for row in connection.execute(text(query), {"node": node_uuid, "limit": most}).mappings()]


def known_node(connection: Connection, ident: str, uuid: str | None) -> str | None:
    """The UUID of a node that exists, or (by UUID) that once did and has a timeline."""
    found: str | None = connection.execute(_KNOWN_NODE, {"uuid": uuid, "name": ident}).scalar()
    return found


def served(connection: Connection, node_uuids: Sequence[str]) -> dict[str, tuple[int, str, str]]:
    """Node UUID → (id, driver, conductor group)."""
    rows = connection.execute(_SERVED, {"uuids": list(node_uuids)})
    return {row.uuid: (row.id, row.driver, row.conductor_group) for row in rows}


def named(connection: Connection, names: Sequence[str]) -> dict[str, str]:
    """Node name → UUID."""
    return {row.name: row.uuid for row in connection.execute(_NAMED, {"names": list(names)})}


def add_durations(connection: Connection, samples: dict[tuple[str, str], list[float]], keep: int) -> None:
    """(name, driver) → durations in seconds, oldest first; the newest ``keep`` stay."""
    doc = [{"name": name, "driver": driver, "samples": each[-keep:]} for (name, driver), each in samples.items()]
    connection.execute(_DURATIONS, {"doc": orjson.dumps(doc).decode(), "keep": keep})


def read_durations(connection: Connection, driver: str, names: Sequence[str]) -> dict[str, list[float]]:
    """Name → the newest durations, in seconds."""
    rows = connection.execute(_READ_DURATIONS, {"driver": driver, "names": list(names)})
    return {row.name: list(row.samples) for row in rows}


# ---- months


def make_partitions(connection: Connection, now: datetime) -> list[str]:
    """Partitions for this month and the next ones, where they are missing; any replica may, at any time. → made

    Rows of a month that came before its partition lie in ``timeline_rest``, and the month stays there.
    """
    have = set(connection.execute(_PARTITIONS).scalars())
    made = []
    for ahead in range(MONTHS_AHEAD):
        begin, end = _month(now, ahead), _month(now, ahead + 1)
        name = f"{PARENT}_{begin:%Y_%m}"
        if name in have:
            continue
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(
                    f"CREATE TABLE {name} PARTITION OF {PARENT} FOR VALUES FROM ('{begin:%Y-%m-%d}+00') "
                    f"TO ('{end:%Y-%m-%d}+00')"
                )
        except Exception as error:
            if _is_taken(error):
                continue
            raise
        made.append(name)
    return made


def drop_partitions(connection: Connection, before: datetime) -> list[str]:
    """Forget the months that ended before ``before``; what lies in no month goes row by row. → dropped"""
    dropped = []
    for name in sorted(connection.execute(_PARTITIONS).scalars()):
        month = _MONTH.fullmatch(name)
        if month and _month(datetime(int(month[1]), int(month[2]), 1, tzinfo=UTC), 1) <= before:
            connection.exec_driver_sql(f"DROP TABLE {name}")
            dropped.append(name)
    connection.execute(_LATE, {"before": before})
    return dropped


def _is_taken(error: Exception) -> bool:
    """Another replica made it just now, or rows of that month lie in the rest already."""
    taken = (psycopg.errors.DuplicateTable, psycopg.errors.CheckViolation, psycopg.errors.UniqueViolation)
    return isinstance(getattr(error, "orig", error), taken)


def _month(at: datetime, ahead: int) -> datetime:
    """The beginning of the month of ``at``, or of one ``ahead`` of it, UTC."""
    months = at.astimezone(UTC).year * 12 + at.astimezone(UTC).month - 1 + ahead
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


def _conditions(connection: Connection, node_uuid: str, asked: Asked) -> tuple[list[str], dict[str, Any]]:
    values: dict[str, Any] = {"node": node_uuid, "limit": asked.limit}
    conditions = []
    if asked.since is not None:
        conditions.append("AND at >= :since")
        values["since"] = asked.since
    if asked.until is not None:
        conditions.append("AND at < :until")
        values["until"] = asked.until
    if asked.kinds:
        conditions.append("AND kind = ANY(:kinds)")
        values["kinds"] = list(asked.kinds)
    if asked.marker is not None:
        values["marker_at"], values["marker_id"] = _marker(connection, node_uuid, asked.marker)
        # The first condition is for the index, the second for what shares the marker's millisecond.
        conditions.append("AND at <= :marker_at AND (at, id) < (:marker_at, :marker_id)")
    return conditions, values


def _marker(connection: Connection, node_uuid: str, marker: str) -> tuple[datetime, int]:
    row = connection.execute(
        text("SELECT at, id FROM timeline WHERE node_uuid = CAST(:node AS uuid) AND at = :at AND uuid = :uuid"),
        {"node": node_uuid, "at": _at(marker), "uuid": marker},
    ).one_or_none()
    if row is None:
        raise NotFound(f"Timeline entry {marker} could not be found.")
    return row.at, row.id


def _at(uuid: str) -> datetime:
    """Errors: NotFound for a UUID that tells no time."""
    try:
        return time_of(uuid)
    except (ValueError, OverflowError):
        raise NotFound(f"Timeline entry {uuid} could not be found.") from None


def history_entry(connection: Connection, node_uuid: str, uuid: str) -> dict[str, Any] | None:
    """One row that has a place in the history."""
    query = text(
        f"SELECT {_HISTORY} FROM timeline WHERE node_uuid = CAST(:node AS uuid) AND at = :at AND uuid = :uuid "  # noqa: S608
        "AND event_type IS NOT NULL"
    )
    try:
        at = time_of(uuid)
    except (ValueError, OverflowError):
        return None
    row = connection.execute(query, {"node": node_uuid, "at": at, "uuid": uuid}).mappings().one_or_none()
    return dict(row) if row is not None else None
