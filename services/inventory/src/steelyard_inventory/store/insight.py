"""What explanations, and the documents of workflows, are read from. Nothing here takes a lock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text
from steelyard_common.errors import NotFound

from ..domain.values import as_uuid

Row = dict[str, Any]
_WORKFLOW = (
    "uuid::text AS uuid, node_uuid::text AS node_uuid, kind, status, params, cause, error, created_at, current_step, "
    "due_at, abort_asked_at, finished_at, parked"
)
# All names in these texts are constants of this module; values are bound.
_UNFINISHED = text(
    f"SELECT {_WORKFLOW} FROM workflows w WHERE node_uuid = :node AND finished_at IS NULL ORDER BY created_at DESC"  # noqa: S608
)
_ONE = text(f"SELECT {_WORKFLOW} FROM workflows w WHERE w.uuid = :uuid")  # noqa: S608
_PAGE = text(
    f"SELECT {_WORKFLOW} FROM workflows w WHERE node_uuid = :node "  # noqa: S608
    "AND (CAST(:before AS timestamptz) IS NULL OR (w.created_at, w.uuid) < (:before, CAST(:marker AS uuid))) "
    "ORDER BY w.created_at DESC, w.uuid DESC LIMIT :limit"
)
_STEPS = text(
    "SELECT workflow_uuid::text AS workflow, index, interface, name, args, status, attempt, failures, retries, "
    "progress, signal, deadline_at, started_at, finished_at, error, info "
    "FROM steps WHERE workflow_uuid = ANY(CAST(:uuids AS uuid[])) ORDER BY index"
)
_LOCK = text("SELECT holder, purpose, workflow_uuid, since, expires_at FROM locks WHERE node_uuid = :node")
# Of the operations that run, which are few: the node's first turn that is to come.
_QUEUE = text(
    "SELECT o.uuid::text AS operation, o.verb, o.parallelism AS limit, o.created_at AS since, n.due_at, "
    "(SELECT count(*) FROM operation_nodes r WHERE r.operation_uuid = o.uuid AND r.outcome = 'running') AS running, "
    "(SELECT count(*) FROM operation_nodes b WHERE b.operation_uuid = o.uuid AND b.outcome = 'pending' "
    "AND (b.due_at, b.position) < (n.due_at, n.position)) AS ahead "
    "FROM operations o JOIN operation_nodes n ON n.operation_uuid = o.uuid AND n.outcome = 'pending' "
    "WHERE o.due_at IS NOT NULL AND o.status = 'running' AND n.node_uuid = :node ORDER BY o.id LIMIT 1"
)


@dataclass(frozen=True, kw_only=True)
class Page:
    limit: int = 100
    marker: str | None = None


def unfinished(connection: Connection, node_uuid: str) -> list[Row]:
    """The node's workflows that have not ended, each with its ``steps``: one that holds it, one that is parked."""
    return _with_steps(connection, _rows(connection, _UNFINISHED, node=node_uuid))


def workflow(connection: Connection, uuid: str) -> Row:
    """Errors: NotFound."""
    known = as_uuid(uuid)
    found = _with_steps(connection, _rows(connection, _ONE, uuid=known)) if known else []
    if not found:
        raise NotFound(f"Workflow {uuid} could not be found.")
    return found[0]


def page(connection: Connection, node_uuid: str, asked: Page) -> list[Row]:
    """The node's workflows, the newest first. Errors: NotFound (the marker)."""
    before: datetime | None = None
    if asked.marker is not None:
        marker = workflow(connection, asked.marker)
        if marker["node_uuid"] != node_uuid:
            raise NotFound(f"Workflow {asked.marker} could not be found.")
        before = marker["created_at"]
    rows = _rows(connection, _PAGE, node=node_uuid, before=before, marker=asked.marker, limit=asked.limit)
    return _with_steps(connection, rows)


def lock(connection: Connection, node_uuid: str) -> Row | None:
    found = _rows(connection, _LOCK, node=node_uuid)
    return found[0] if found else None


def queue(connection: Connection, node_uuid: str) -> Row | None:
    """The node's turn to come in a group operation, with how many come before it."""
    found = _rows(connection, _QUEUE, node=node_uuid)
    return found[0] if found else None


def _rows(connection: Connection, query: Any, **values: Any) -> list[Row]:
    return [dict(row) for row in connection.execute(query, values).mappings()]


def _with_steps(connection: Connection, rows: Sequence[Row]) -> list[Row]:
    if not rows:
        return []
    steps: dict[str, list[Row]] = {row["uuid"]: [] for row in rows}
    for step in _rows(connection, _STEPS, uuids=list(steps)):
        steps[step["workflow"]].append(step)
    return [row | {"steps": steps[row["uuid"]]} for row in rows]
