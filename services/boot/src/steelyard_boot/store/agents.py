"""Rows of agents: read and written many at a time. Whoever changes a row takes it first, several in one order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, RowMapping, text

from ..domain.sessions import Session

_NAMES = tuple(each.name for each in fields(Session))
_COLUMNS = ", ".join("node_uuid::text AS node_uuid" if name == "node_uuid" else name for name in _NAMES)
_TYPES = {
    "node_uuid": "uuid", "pregenerated": "boolean", "versions": "jsonb", "poll_failures": "integer",
    **dict.fromkeys(("issued_at", "last_heartbeat_at", "poll_at", "created_at"), "timestamptz"),
}  # fmt: skip
_RECORD = ", ".join(f"{name} {_TYPES.get(name, 'text')}" for name in _NAMES)
_CHANGING = [name for name in _NAMES if name != "node_uuid"]
_READ = text(f"SELECT {_COLUMNS} FROM agents WHERE node_uuid = ANY(CAST(:uuids AS uuid[]))")  # noqa: S608
_TAKE = text(f"{_READ.text} ORDER BY node_uuid FOR UPDATE")
_WRITE = text(
    f"INSERT INTO agents ({', '.join(_NAMES)}) "  # noqa: S608
    f"SELECT {', '.join(_NAMES)} FROM jsonb_to_recordset(CAST(:doc AS jsonb)) AS d({_RECORD}) ORDER BY node_uuid "
    f"ON CONFLICT (node_uuid) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _CHANGING)}"
)
_ADD = text(
    f"INSERT INTO agents ({', '.join(_NAMES)}) "  # noqa: S608
    f"SELECT {', '.join(_NAMES)} FROM jsonb_to_recordset(CAST(:doc AS jsonb)) AS d({_RECORD}) ORDER BY node_uuid "
    "ON CONFLICT (node_uuid) DO NOTHING RETURNING node_uuid::text"
)
_DELETE = text("DELETE FROM agents WHERE node_uuid = ANY(CAST(:uuids AS uuid[]))")
_DUE = text(
    f"SELECT {_COLUMNS} FROM agents WHERE poll_at <= :now AND reverse_url IS NOT NULL "  # noqa: S608
    "ORDER BY poll_at LIMIT :most FOR UPDATE SKIP LOCKED"
)


def read(connection: Connection, uuids: Collection[str]) -> dict[str, Session]:
    """Sessions by node."""
    return _sessions(connection.execute(_READ, {"uuids": list(uuids)}).mappings())


def take(connection: Connection, uuids: Collection[str]) -> dict[str, Session]:
    """Sessions by node, their rows taken."""
    return _sessions(connection.execute(_TAKE, {"uuids": list(uuids)}).mappings())


def add(connection: Connection, sessions: Iterable[Session]) -> set[str]:
    """Insert those whose nodes have none. → the nodes that got one"""
    doc = _document(sessions)
    return {row[0] for row in connection.execute(_ADD, {"doc": doc})} if doc else set()


def write(connection: Connection, sessions: Iterable[Session]) -> None:
    """Insert or replace."""
    doc = _document(sessions)
    if doc:
        connection.execute(_WRITE, {"doc": doc})


def delete(connection: Connection, uuids: Collection[str]) -> None:
    connection.execute(_DELETE, {"uuids": list(uuids)})


def due(connection: Connection, now: datetime, most: int) -> list[Session]:
    """Sessions whose agent is to be called now, their rows taken; those that another replica looks at are left out."""
    return list(_sessions(connection.execute(_DUE, {"now": now, "most": most}).mappings()).values())


def _sessions(rows: Iterable[RowMapping | Mapping[str, Any]]) -> dict[str, Session]:
    return {row["node_uuid"]: Session(**row) for row in rows}


def _document(sessions: Iterable[Session]) -> str:
    """Empty for none."""
    rows = [{name: getattr(session, name) for name in _NAMES} for session in sessions]
    return orjson.dumps(rows).decode() if rows else ""
