"""Rows of group operations and of their nodes. Whoever changes one of either takes the operation's row first."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, text
from steelyard_common.errors import Conflict, NotFound

Row = dict[str, Any]
_SHOWN = (
    "uuid::text AS uuid, verb, parameters, selector, parallelism, status, total, counts, owner, cause, minor, visible, "
    "due_at, changed_at, created_at, updated_at, finished_at"
)
_INSERT = text(
    "INSERT INTO operations (uuid, verb, parameters, selector, parallelism, status, total, counts, minor, owner, "
    "visible, cause, due_at, changed_at, created_at) VALUES (:uuid, :verb, CAST(:parameters AS jsonb), "
    "CAST(:selector AS jsonb), :parallelism, 'running', :total, CAST(:counts AS jsonb), :minor, :owner, :visible, "
    "CAST(:cause AS jsonb), :now, :now, :now) ON CONFLICT (uuid) DO NOTHING"
)
_INSERT_NODES = text(
    "INSERT INTO operation_nodes (operation_uuid, position, node_uuid, node_name, outcome, due_at) "
    "SELECT :operation, d.position - 1, d.uuid, n.name, 'pending', :now "
    "FROM unnest(CAST(:uuids AS uuid[])) WITH ORDINALITY AS d (uuid, position) JOIN nodes n ON n.uuid = d.uuid"
)
# The one place where columns are put into SQL text: _SHOWN is a constant.
_GET = text(f"SELECT {_SHOWN} FROM operations WHERE uuid = :uuid")  # noqa: S608
_TAKE = text(f"SELECT {_SHOWN} FROM operations WHERE uuid = :uuid FOR UPDATE")  # noqa: S608
_TAKE_DUE = text(
    f"SELECT {_SHOWN} FROM operations WHERE due_at <= :now ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED"  # noqa: S608
)
_PAGE = text(
    f"SELECT {_SHOWN} FROM operations WHERE (CAST(:owner AS text) IS NULL OR owner = :owner) "  # noqa: S608
    "AND (CAST(:status AS text) IS NULL OR status = :status) AND (CAST(:verb AS text) IS NULL OR verb = :verb) "
    "AND (CAST(:marker AS uuid) IS NULL OR id < (SELECT id FROM operations WHERE uuid = :marker)) "
    "ORDER BY id DESC LIMIT :limit"
)
_NODES = text(
    "SELECT position, node_uuid::text AS node_uuid, node_name, outcome, error, workflow_uuid::text AS workflow_uuid, "
    "round, started_at, finished_at FROM operation_nodes WHERE operation_uuid = :operation "
    "AND (CAST(:outcome AS text) IS NULL OR outcome = :outcome) AND position > :after ORDER BY position LIMIT :limit"
)
_POSITION = text("SELECT position FROM operation_nodes WHERE operation_uuid = :operation AND node_uuid = :node")
_NEXT_DUE = text("SELECT min(due_at) FROM operations WHERE due_at IS NOT NULL")
_SWEEP = text(
    "UPDATE operation_nodes o SET outcome = CASE WHEN e.status = 'done' THEN 'done' ELSE 'failed' END, "
    "error = CASE WHEN e.status = 'done' THEN NULL WHEN e.uuid IS NULL THEN 'The node was deleted.' "
    "ELSE coalesce(e.error ->> 'message', 'The work was ' || e.status || '.') END, "
    "finished_at = coalesce(e.finished_at, :now) "
    "FROM (SELECT p.position, w.uuid, w.status, w.error, w.finished_at FROM operation_nodes p "
    "LEFT JOIN workflows w ON w.uuid = p.workflow_uuid WHERE p.operation_uuid = :operation "
    "AND p.outcome = 'running' AND (w.uuid IS NULL OR w.finished_at IS NOT NULL)) e "
    "WHERE o.operation_uuid = :operation AND o.position = e.position RETURNING o.outcome"
)
_PENDING = text(
    "SELECT o.position, o.node_uuid::text AS node_uuid, o.round, o.wait_until, n.uuid IS NOT NULL AND "
    "(CAST(:visible AS text) IS NULL OR n.owner = :visible OR n.lessee = :visible) AS is_there "
    "FROM operation_nodes o LEFT JOIN nodes n ON n.uuid = o.node_uuid WHERE o.operation_uuid = :operation "
    "AND o.outcome = 'pending' AND o.due_at <= :now ORDER BY o.due_at, o.position LIMIT :most"
)
_STARTED = text(
    "SELECT w.node_uuid::text AS node_uuid, w.uuid::text AS uuid FROM workflows w "
    "JOIN jsonb_to_recordset(CAST(:doc AS jsonb)) AS d (node_uuid uuid, key text) "
    "ON w.node_uuid = d.node_uuid AND w.idempotency_id = d.key"
)
_SETTLE = text(
    "UPDATE operation_nodes o SET outcome = d.outcome, error = d.error, workflow_uuid = d.workflow_uuid, "
    "due_at = coalesce(d.due_at, o.due_at), wait_until = d.wait_until, "
    "started_at = coalesce(d.started_at, o.started_at), "
    "finished_at = d.finished_at FROM jsonb_to_recordset(CAST(:doc AS jsonb)) AS d (position integer, outcome text, "
    "error text, workflow_uuid uuid, due_at timestamptz, wait_until timestamptz, started_at timestamptz, "
    "finished_at timestamptz) WHERE o.operation_uuid = :operation AND o.position = d.position"
)
_UPDATE = text(
    "UPDATE operations SET status = :status, counts = CAST(:counts AS jsonb), due_at = :due_at, "
    "changed_at = :changed_at, finished_at = :finished_at, updated_at = :now WHERE uuid = :uuid"
)
_SKIP = text(
    "UPDATE operation_nodes SET outcome = 'skipped', error = 'The operation was aborted before this node began.', "
    "finished_at = :now WHERE operation_uuid = :operation AND outcome = 'pending'"
)
_RETRY = text(
    "UPDATE operation_nodes SET outcome = 'pending', error = NULL, workflow_uuid = NULL, round = round + 1, "
    "due_at = :now, wait_until = NULL, started_at = NULL, finished_at = NULL "
    "WHERE operation_uuid = :operation AND outcome = 'failed'"
)
_RUNNING = text(
    "SELECT workflow_uuid::text FROM operation_nodes WHERE operation_uuid = :operation AND outcome = 'running'"
)
_BY_IDENTS = text(
    "SELECT uuid::text AS uuid, name, owner, lessee FROM nodes "
    "WHERE uuid = ANY(CAST(:uuids AS uuid[])) OR name = ANY(:names)"
)
_FORGET = text(
    "DELETE FROM operations WHERE uuid IN (SELECT uuid FROM operations WHERE finished_at < :before "
    "ORDER BY id LIMIT 10 FOR UPDATE SKIP LOCKED)"
)


def insert(connection: Connection, row: Mapping[str, Any], nodes: Sequence[str], now: datetime) -> int:
    """With its nodes, by UUID, in this order. → how many. Errors: Conflict when the UUID is taken."""
    values = {name: _json(value) for name, value in row.items()}
    if not connection.execute(_INSERT, {**values, "now": now}).rowcount:
        raise Conflict(f"An operation with UUID {row['uuid']} already exists.")
    return connection.execute(_INSERT_NODES, {"operation": row["uuid"], "uuids": list(nodes), "now": now}).rowcount


def get(connection: Connection, uuid: str) -> Row:
    """Errors: NotFound."""
    return _one(connection, _GET, uuid)


def take(connection: Connection, uuid: str) -> Row:
    """The row, locked until the transaction ends. Errors: NotFound."""
    return _one(connection, _TAKE, uuid)


def take_due(connection: Connection, now: datetime) -> Row | None:
    """One that is due and that no other replica has in hand just now."""
    found = connection.execute(_TAKE_DUE, {"now": now}).mappings().first()
    return dict(found) if found else None


def page(connection: Connection, asked: Mapping[str, Any]) -> list[Row]:
    """``asked``: owner, status, verb, marker (each or None), limit. The newest first."""
    return [dict(row) for row in connection.execute(_PAGE, asked).mappings()]


def page_of_nodes(
    connection: Connection, operation: str, outcome: str | None, marker: str | None, limit: int
) -> list[Row]:  # fmt: skip
    """In their order. Errors: NotFound when the marker is no node of it."""
    after = -1
    if marker is not None:
        found = connection.execute(_POSITION, {"operation": operation, "node": marker}).scalar()
        if found is None:
            raise NotFound(f"Node {marker} is not one of operation {operation}.")
        after = int(found)
    values = {"operation": operation, "outcome": outcome, "after": after, "limit": limit}
    return [dict(row) for row in connection.execute(_NODES, values).mappings()]


def next_due(connection: Connection) -> datetime | None:
    found: datetime | None = connection.execute(_NEXT_DUE).scalar()
    return found


def sweep(connection: Connection, operation: str, now: datetime) -> list[str]:
    """Write down how ended what has ended of what runs. → their outcomes"""
    return list(connection.execute(_SWEEP, {"operation": operation, "now": now}).scalars())


def pending(connection: Connection, operation: Mapping[str, Any], now: datetime, most: int) -> list[Row]:
    """Nodes whose turn it is. ``is_there``: it exists and may (still) be touched."""
    values = {"operation": operation["uuid"], "visible": operation["visible"], "now": now, "most": most}
    return [dict(row) for row in connection.execute(_PENDING, values).mappings()]


def started(connection: Connection, keys: Collection[tuple[str, str]]) -> dict[str, str]:
    """Node → the workflow that was started with that idempotency id."""
    doc = orjson.dumps([{"node_uuid": node, "key": key} for node, key in keys]).decode()
    return {row.node_uuid: row.uuid for row in connection.execute(_STARTED, {"doc": doc})}


def settle(connection: Connection, operation: str, rows: Sequence[Mapping[str, Any]]) -> None:
    connection.execute(_SETTLE, {"operation": operation, "doc": orjson.dumps(rows).decode()})


def update(connection: Connection, operation: Mapping[str, Any], delta: Mapping[str, Any], now: datetime) -> None:
    """Status, counts and times."""
    names = ("uuid", "status", "counts", "due_at", "changed_at", "finished_at")
    values = {name: {**operation, **delta}[name] for name in names}
    connection.execute(_UPDATE, {**values, "counts": _json(values["counts"]), "now": now})


def skip_pending(connection: Connection, operation: str, now: datetime) -> int:
    return connection.execute(_SKIP, {"operation": operation, "now": now}).rowcount


def retry_failed(connection: Connection, operation: str, now: datetime) -> int:
    return connection.execute(_RETRY, {"operation": operation, "now": now}).rowcount


def running(connection: Connection, operation: str) -> list[str]:
    """The workflows of the nodes that are at it."""
    return list(connection.execute(_RUNNING, {"operation": operation}).scalars())


def forget(connection: Connection, before: datetime) -> int:
    """Drop a few that ended before; their nodes' rows go with them. → how many"""
    return connection.execute(_FORGET, {"before": before}).rowcount


def _one(connection: Connection, statement: Any, uuid: str) -> Row:
    found = connection.execute(statement, {"uuid": uuid}).mappings().first()
    if found is None:
        raise NotFound(f"Operation {uuid} could not be found.")
    return dict(found)


def _json(value: Any) -> Any:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode() if isinstance(value, (dict, list)) else value


def by_idents(connection: Connection, uuids: Sequence[str], names: Sequence[str]) -> dict[str, Row]:
    """Nodes, by UUID and by name, as {uuid, name, owner, lessee}."""
    found: dict[str, Row] = {}
    for row in connection.execute(_BY_IDENTS, {"uuids": list(uuids), "names": list(names)}).mappings():
        found[row["uuid"]] = dict(row)
        if row["name"] is not None:
            found[row["name"]] = dict(row)
    return found
