"""The lock of a node: read, demanded free, leased, released.

The node row is the mutex of everything about a node: who changes it, its lock or its workflow takes the row
``FOR NO KEY UPDATE`` first, several in id order, and reads the rest in a statement of its own. (A join in the locking
statement would show the others' rows as they were before the wait.)
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, text

from ..domain.locks import Lock, busy
from .provider_view import COLUMNS, NodeRow, node_row

# The one place where columns are put into SQL text: COLUMNS is a constant of this package.
_LOCK_NODES = text(
    f"SELECT {COLUMNS} FROM nodes n WHERE n.uuid = ANY(CAST(:uuids AS uuid[])) OR n.name = ANY(:names) "  # noqa: S608
    "ORDER BY n.id FOR NO KEY UPDATE OF n"
)
_TRY_NODES = text(
    f"SELECT {COLUMNS} FROM nodes n WHERE n.uuid = ANY(CAST(:uuids AS uuid[])) "  # noqa: S608
    "ORDER BY n.id FOR NO KEY UPDATE OF n SKIP LOCKED"
)
_COUNT = text("SELECT count(*) FROM nodes WHERE uuid = ANY(CAST(:uuids AS uuid[]))")
_READ_NODES = text(
    f"SELECT {COLUMNS} FROM nodes n WHERE n.uuid = ANY(CAST(:uuids AS uuid[])) OR n.name = ANY(:names)"  # noqa: S608
)
_READ = text(
    "SELECT node_uuid::text, holder, purpose, workflow_uuid::text, fence, idempotency_id, since, expires_at "
    "FROM locks WHERE node_uuid = ANY(CAST(:uuids AS uuid[]))"
)
_TAKE = text(
    "WITH l AS (INSERT INTO locks (node_uuid, holder, purpose, fence, idempotency_id, since, expires_at) "
    "VALUES (:node_uuid, :holder, :purpose, :fence, :idempotency_id, :since, :expires_at) "
    "ON CONFLICT (node_uuid) DO UPDATE SET holder = excluded.holder, purpose = excluded.purpose, "
    "workflow_uuid = NULL, fence = excluded.fence, idempotency_id = excluded.idempotency_id, "
    "since = excluded.since, expires_at = excluded.expires_at) "
    "UPDATE nodes SET reservation = :holder, fence = :fence WHERE uuid = :node_uuid"
)
_RELEASE = text(
    "WITH l AS (DELETE FROM locks WHERE node_uuid = :node_uuid AND fence = :fence AND workflow_uuid IS NULL "
    "RETURNING node_uuid) "
    "UPDATE nodes SET reservation = NULL WHERE uuid IN (SELECT node_uuid FROM l)"
)
_EXPIRED = text(
    "SELECT n.uuid::text FROM locks l JOIN nodes n ON n.uuid = l.node_uuid WHERE l.expires_at <= :now "
    "ORDER BY n.id LIMIT :most FOR NO KEY UPDATE OF n SKIP LOCKED"
)
_SWEEP = text(
    "WITH l AS (DELETE FROM locks WHERE node_uuid = ANY(CAST(:uuids AS uuid[])) AND expires_at <= :now "
    "RETURNING node_uuid) "
    "UPDATE nodes SET reservation = NULL WHERE uuid IN (SELECT node_uuid FROM l)"
)


def lock_nodes(connection: Connection, idents: Collection[str]) -> dict[str, NodeRow]:
    """Take the rows of nodes by UUID or name, in id order; the answer is by what was asked."""
    found = _by_ident(idents, connection.execute(_LOCK_NODES, _asked(idents)).mappings().all())
    locks = read(connection, [row.view.uuid for row in found.values()])
    return {ident: with_lock(row, locks) for ident, row in found.items()}


def try_lock_nodes(connection: Connection, uuids: Collection[str]) -> list[NodeRow]:
    """Take the rows that nobody else has in hand just now; locks are read."""
    rows = [node_row(row) for row in connection.execute(_TRY_NODES, {"uuids": list(uuids)}).mappings()]
    locks = read(connection, [row.view.uuid for row in rows])
    return [with_lock(row, locks) for row in rows]


def count(connection: Connection, uuids: Collection[str]) -> int:
    """How many of these nodes there are."""
    return int(connection.execute(_COUNT, {"uuids": list(uuids)}).scalar_one())


def read_nodes(connection: Connection, idents: Collection[str]) -> dict[str, NodeRow]:
    """As ``lock_nodes``, without taking anything; locks are not read."""
    return _by_ident(idents, connection.execute(_READ_NODES, _asked(idents)).mappings().all())


def read(connection: Connection, node_uuids: Collection[str]) -> dict[str, Lock]:
    """Locks by node, expired leases included."""
    rows = connection.execute(_READ, {"uuids": list(node_uuids)}).mappings()
    return {row["node_uuid"]: Lock(**row) for row in rows}


def require_free(connection: Connection, node_uuids: Collection[str], now: datetime) -> None:
    """For changes that need the node to themselves; the node rows are taken already. Errors: Busy."""
    for lock in read(connection, node_uuids).values():
        if lock.holds(now):
            raise busy(lock)


def take_lease(connection: Connection, lease: Lock) -> None:
    """Write a lease over whatever is there: the caller holds the node row and has seen that it is free."""
    values: Mapping[str, Any] = {
        "node_uuid": lease.node_uuid,
        "holder": lease.holder,
        "purpose": lease.purpose,
        "fence": lease.fence,
        "idempotency_id": lease.idempotency_id,
        "since": lease.since,
        "expires_at": lease.expires_at,
    }
    connection.execute(_TAKE, values)


def release_lease(connection: Connection, node_uuid: str, fence: int) -> bool:
    """Whether it was still there; a lease that expired and was taken over is not touched."""
    return connection.execute(_RELEASE, {"node_uuid": node_uuid, "fence": fence}).rowcount > 0


def sweep_leases(connection: Connection, now: datetime, most: int = 100) -> int:
    """Drop leases whose time is over, so that ``reservation`` does not show who has long gone."""
    uuids = list(connection.execute(_EXPIRED, {"now": now, "most": most}).scalars())
    return connection.execute(_SWEEP, {"uuids": uuids, "now": now}).rowcount if uuids else 0


def as_uuid(ident: str) -> str | None:
    """The canonical form when it is a UUID in any spelling."""
    try:
        return str(uuid.UUID(ident))
    except ValueError:
        return None


def _asked(idents: Collection[str]) -> dict[str, list[str]]:
    uuids = [known for ident in idents if (known := as_uuid(ident))]
    return {"uuids": uuids, "names": [ident for ident in idents if not as_uuid(ident)]}


def _by_ident(idents: Collection[str], rows: Sequence[RowMapping]) -> dict[str, NodeRow]:
    known: dict[str, NodeRow] = {}
    for row in rows:
        known[row["uuid"]] = known[row["name"] or row["uuid"]] = node_row(row)
    return {ident: known[key] for ident in idents if (key := as_uuid(ident) or ident) in known}


def with_lock(row: NodeRow, locks: Mapping[str, Lock]) -> NodeRow:
    """The node with its lock, if ``locks`` (by node) has one."""
    lock = locks.get(row.view.uuid)
    return row if lock is None else replace(row, view=replace(row.view, lock=lock))
