"""Rows of allocations, and the nodes that suit them (api facts §13).

Order of locks: a node's row before its allocation's. The matcher holds an allocation while it looks for a node, and
never waits for one: it skips what others hold.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Text, bindparam, select, text
from steelyard_common.contracts.recipes import ALLOCATION_FIELDS
from steelyard_common.errors import NotFound

from ..domain.values import as_uuid
from . import changes
from .pages import Listing, by_columns
from .render import Plan, make_plan
from .sql import Prepared, json_text, names, whole_row
from .tables import allocations

Record = dict[str, Any]

LISTING = Listing(
    table=allocations,
    fields=ALLOCATION_FIELDS,
    word="Allocation",
    filters={
        **by_columns(allocations, "node_uuid", "resource_class", "state", "owner"),
        "visible": lambda: allocations.c.owner == bindparam("visible", type_=Text()),
    },
)
_NAMES = names(allocations)
_WHOLE = select(*whole_row(allocations))
_FIND = {
    (by_uuid, taken): Prepared(statement.with_for_update() if taken else statement)
    for by_uuid, key in ((True, allocations.c.uuid), (False, allocations.c.name))
    for statement in [_WHOLE.where(key == bindparam("ident", type_=key.type))]
    for taken in (False, True)
}
_DUE = Prepared(
    _WHOLE.where(allocations.c.due_at <= bindparam("now", type_=allocations.c.due_at.type))
    .order_by(allocations.c.due_at)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_NEXT_DUE = text("SELECT min(due_at) FROM allocations WHERE due_at IS NOT NULL")

# A free node that suits. The first line is the condition of the index nodes_free, to the letter.
_SUITS = (
    "n.provision_state = 'available' AND n.instance_uuid IS NULL AND n.power_state IS NOT NULL AND NOT n.maintenance "
    "AND n.resource_class = :resource_class "
    "AND (cardinality(CAST(:candidates AS uuid[])) = 0 OR n.uuid = ANY(CAST(:candidates AS uuid[]))) "
)
_MAY_TAKE = (
    "AND n.traits @> CAST(:traits AS text[]) "
    "AND (CAST(:owner AS text) IS NULL OR n.owner = :owner OR n.lessee = :owner) "
)
# SKIP LOCKED: what somebody holds is passed by. The row is judged once more after it is locked, by PostgreSQL itself,
# so that of two who want one node the second sees it taken. Only constants of this module become SQL text.
_TAKE = (
    "WITH free AS (SELECT n.id FROM nodes n WHERE {suits}{may_take}AND n.reservation IS NULL {which}"
    "LIMIT 1 FOR NO KEY UPDATE OF n SKIP LOCKED) "
    "UPDATE nodes SET instance_uuid = :uuid, allocation_uuid = :uuid, "
    "instance_info = jsonb_set(instance_info, '{{traits}}', CAST(:wanted AS jsonb)), "
    "revision = revision + 1, updated_at = :now "
    "FROM free WHERE nodes.id = free.id AND nodes.instance_uuid IS NULL RETURNING nodes.uuid::text, nodes.name"
)


def _take_statement(which: str) -> Any:
    return text(_TAKE.format(suits=_SUITS, may_take=_MAY_TAKE, which=which))


_TAKE_NAMED = _take_statement("AND n.name = :name ")
_TAKE_FROM = _take_statement("AND n.uuid >= CAST(:start AS uuid) ORDER BY n.uuid ")
_TAKE_BEFORE = _take_statement("AND n.uuid < CAST(:start AS uuid) ORDER BY n.uuid ")
_COUNT = text(
    f"SELECT count(*) FILTER (WHERE true {_MAY_TAKE}), count(*) FROM nodes n WHERE {_SUITS}"  # noqa: S608
)


@functools.lru_cache(maxsize=512)
def plan(minor: int, fields: tuple[str, ...] | None) -> Plan:
    """How an allocation is shown at a microversion; ``fields`` None is the whole document."""
    return make_plan("allocations", allocations, ALLOCATION_FIELDS, fields, minor=minor)


def get(connection: Connection, ident: str) -> Record:
    """The whole row, by UUID or name. Errors: NotFound."""
    return _fetch(connection, ident, taken=False)


def take(connection: Connection, ident: str) -> Record:
    """The whole row, locked until the transaction ends. Errors: NotFound."""
    return _fetch(connection, ident, taken=True)


def take_due(connection: Connection, now: datetime) -> Record | None:
    """One that is due, locked; those that another matcher has in hand are passed by."""
    row = _DUE.row(connection, {"now": now})
    return None if row is None else _record(row)


def next_due(connection: Connection) -> datetime | None:
    found: datetime | None = connection.execute(_NEXT_DUE).scalar()
    return found


def insert(connection: Connection, record: Mapping[str, Any]) -> None:
    """Errors: Conflict when uuid or name is taken."""
    changes.insert(connection, allocations, record)


def update(connection: Connection, row: Mapping[str, Any], delta: Mapping[str, Any], now: datetime) -> None:
    """Errors: Conflict when the name is taken."""
    changes.update(connection, allocations, row, delta, now)


def delete(connection: Connection, row: Mapping[str, Any]) -> None:
    changes.delete(connection, allocations, row)


def reserve_node(
    connection: Connection, allocation: Mapping[str, Any], start: str, now: datetime
) -> tuple[str, str | None] | None:
    """Give a free node that suits to the allocation: the one of its name, else the next from ``start`` (a random UUID)
    on, else from the beginning. → (UUID, name), or None when none is free and unlocked"""
    values = _wanted(allocation) | {
        "uuid": allocation["uuid"],
        "wanted": json_text(allocation["traits"]),
        "name": allocation["name"],
        "start": start,
        "now": now,
    }
    statements = [_TAKE_FROM, _TAKE_BEFORE] if allocation["name"] is None else [_TAKE_NAMED, _TAKE_FROM, _TAKE_BEFORE]
    for statement in statements:
        row = connection.execute(statement, values).one_or_none()
        if row is not None:
            return row[0], row[1]
    return None


def count_suitable(connection: Connection, allocation: Mapping[str, Any]) -> tuple[int, int]:
    """(free nodes that suit, locked or not; free nodes of the class and the candidates)."""
    suitable, with_class = connection.execute(_COUNT, _wanted(allocation)).one()
    return suitable, with_class


def _wanted(allocation: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "resource_class": allocation["resource_class"],
        "candidates": allocation["candidate_nodes"],
        "traits": allocation["traits"],
        "owner": allocation["owner"],
    }


def _fetch(connection: Connection, ident: str, *, taken: bool) -> Record:
    uuid = as_uuid(ident)
    row = _FIND[uuid is not None, taken].row(connection, {"ident": uuid or ident})
    if row is None:
        raise NotFound(f"Allocation {ident} could not be found.")
    return _record(row)


def _record(row: Any) -> Record:
    return dict(zip(_NAMES, row, strict=True))
