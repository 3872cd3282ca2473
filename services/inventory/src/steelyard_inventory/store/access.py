"""Whose something is: the one row that policy asks for before a project's caller gets at anything."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, Table, Text, bindparam, select
from steelyard_common.errors import NotFound

from ..domain.values import as_uuid
from .sql import Prepared, as_text
from .tables import (
    allocations,
    nodes,
    operations,
    portgroups,
    ports,
    runbooks,
    volume_connectors,
    volume_targets,
    webhooks,
    workflows,
)  # fmt: skip

_OF_NODE = (nodes.c.owner, nodes.c.lessee)
_NODE = ("node.owner", "node.lessee")


def _below(table: Table) -> tuple[Select[Any], Table, tuple[str, ...]]:
    statement = select(as_text(table.c.uuid), *_OF_NODE).join(nodes, nodes.c.uuid == table.c.node_uuid)
    return statement, table, _NODE


# kind → (statement, table that is looked in, what its columns are called behind the UUID)
_KINDS: dict[str, tuple[Select[Any], Table, tuple[str, ...]]] = {
    "node": (select(as_text(nodes.c.uuid), *_OF_NODE), nodes, _NODE),
    "node-allocation": (
        select(as_text(nodes.c.uuid), *_OF_NODE, allocations.c.owner).outerjoin(
            allocations, allocations.c.uuid == nodes.c.allocation_uuid
        ),
        nodes,
        (*_NODE, "allocation.owner"),
    ),
    "port": _below(ports),
    "portgroup": _below(portgroups),
    "volume-connector": _below(volume_connectors),
    "volume-target": _below(volume_targets),
    "workflow": _below(workflows),
    "allocation": (select(as_text(allocations.c.uuid), allocations.c.owner), allocations, ("allocation.owner",)),
    "operation": (select(as_text(operations.c.uuid), operations.c.owner), operations, ("operation.owner",)),
    "webhook": (select(as_text(webhooks.c.uuid), webhooks.c.owner), webhooks, ("webhook.owner",)),
    "runbook": (
        select(as_text(runbooks.c.uuid), runbooks.c.owner, runbooks.c.public),
        runbooks,
        ("runbook.owner", "public"),
    ),
}
KINDS = tuple(_KINDS)
_WORDS = {"node-allocation": "Node", "volume-connector": "Volume connector", "volume-target": "Volume target"}


def _prepared(statement: Select[Any], table: Table) -> dict[bool, Prepared]:
    by_uuid = statement.where(table.c.uuid == bindparam("ident", type_=table.c.uuid.type))
    if "name" not in table.c:
        return {True: Prepared(by_uuid)}
    return {True: Prepared(by_uuid), False: Prepared(statement.where(table.c.name == bindparam("ident", type_=Text())))}


_PREPARED = {kind: _prepared(statement, table) for kind, (statement, table, _) in _KINDS.items()}


def find(connection: Connection, kind: str, ident: str) -> dict[str, Any]:
    """→ {uuid, public, target: {"node.owner": …}}, without owners that there are none of. Errors: NotFound."""
    uuid = as_uuid(ident)
    statement = _PREPARED[kind].get(uuid is not None)
    row = statement.row(connection, {"ident": uuid or ident}) if statement else None
    if row is None:
        raise NotFound(f"{_WORDS.get(kind, kind.capitalize())} {ident} could not be found.")
    told = dict(zip(_KINDS[kind][2], row[1:], strict=True))
    public = bool(told.pop("public", False))
    return {"uuid": row[0], "public": public, "target": {name: whose for name, whose in told.items() if whose}}
