"""What is read and written when ramdisks speak: many at a time, few statements."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, RowMapping, bindparam, select, text

from . import node_pages, render
from .sql import Prepared, Row
from .tables import nodes

# (minor version) → how the node of a lookup is shown
_SHOWN = ("uuid", "properties", "instance_info", "driver_internal_info")
_STATEMENTS: dict[int, Prepared] = {}

_TAKE = text(
    "SELECT n.uuid::text AS uuid, n.provision_state, n.driver_internal_info ->> 'agent_boot' AS boot, "
    "n.driver_internal_info ? 'agent_url' AS is_known FROM nodes n "
    "WHERE n.uuid = ANY(CAST(:uuids AS uuid[])) ORDER BY n.id FOR NO KEY UPDATE OF n"
)
_AT_WORK = text(
    "SELECT l.node_uuid::text AS node_uuid, NULL AS workflow FROM locks l "
    "WHERE l.node_uuid = ANY(CAST(:uuids AS uuid[])) AND coalesce(l.expires_at > :now, true) UNION ALL "
    "SELECT w.node_uuid::text, w.uuid::text FROM workflows w "
    "JOIN steps s ON s.workflow_uuid = w.uuid AND s.index = w.current_step "
    "WHERE w.node_uuid = ANY(CAST(:uuids AS uuid[])) AND w.finished_at IS NULL AND (s.status = 'waiting' "
    "AND s.signal = :signal OR s.status = 'dispatched' AND s.signal IS DISTINCT FROM :signal "
    "AND s.interface IN ('deploy', 'rescue'))"
)
_NOTE = text(
    "UPDATE nodes t SET driver_internal_info = (t.driver_internal_info || d.notes) "
    "- ARRAY(SELECT e.key FROM jsonb_each(d.notes) e WHERE e.value = 'null'::jsonb) "
    "FROM jsonb_to_recordset(CAST(:doc AS jsonb)) AS d(uuid uuid, notes jsonb) WHERE t.uuid = d.uuid"
)


def shown(connection: Connection, uuids: Sequence[str], minor: int, base_url: str) -> list[dict[str, Any]]:
    """→ {node: as a lookup shows it, management (interface), provision_state, driver_info, boot} of each."""
    plan = node_pages.plan(minor, _SHOWN)
    if minor not in _STATEMENTS:
        more: list[ColumnElement[Any]] = [
            nodes.c.management_interface, nodes.c.provision_state, nodes.c.driver_info,
            nodes.c.driver_internal_info.op("->>")("agent_boot"),
        ]  # fmt: skip
        _STATEMENTS[minor] = Prepared(
            select(*plan.columns, *more).where(nodes.c.uuid == bindparam("uuid", type_=nodes.c.uuid.type))
        )
    rows: list[Row] = []
    for uuid in uuids:
        row = _STATEMENTS[minor].row(connection, {"uuid": uuid})
        rows += [row] if row is not None else []
    documents = render.documents(plan, rows, base_url)
    return [
        {"node": document, "management": row[-4], "provision_state": row[-3], "driver_info": row[-2], "boot": row[-1]}
        for document, row in zip(documents, rows, strict=True)
    ]


def take(connection: Connection, uuids: Collection[str]) -> Sequence[RowMapping]:
    """{uuid, provision_state, boot, is_known} of nodes, their rows taken in id order."""
    return connection.execute(_TAKE, {"uuids": list(uuids)}).mappings().all()


def at_work(
    connection: Connection, uuids: Collection[str], signal: str, now: datetime
) -> tuple[set[str], dict[str, str]]:
    """→ the nodes that somebody holds; node → its workflow that waits for ``signal``, or may be about to: its slice is
    out."""
    held: set[str] = set()
    waiting: dict[str, str] = {}
    for node, workflow in connection.execute(_AT_WORK, {"uuids": list(uuids), "signal": signal, "now": now}):
        if workflow is None:
            held.add(node)
        else:
            waiting[node] = workflow
    return held, waiting


def note(connection: Connection, notes: Mapping[str, Mapping[str, Any]]) -> None:
    """Put notes into driver_internal_info of nodes (by UUID); what is None goes. Neither version nor time of the
    record change: an agent that is alive is no change of the node."""
    doc = [{"uuid": uuid, "notes": each} for uuid, each in notes.items()]
    if doc:
        connection.execute(_NOTE, {"doc": orjson.dumps(doc).decode()})
