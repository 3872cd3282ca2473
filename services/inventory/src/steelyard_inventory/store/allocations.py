"""Rows of allocations, and the nodes that suit them (api facts §13).

Order of locks: a node's row before its allocation's. The matcher holds an allocation while it looks for a node, and
never waits for one: it skips what others hold.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Text, bindparam, select, text
from steelyard_common.contracts.recipes import ALLOCATION_ASKED_FIELDS, ALLOCATION_FIELDS
from steelyard_common.errors import NotFound

from ..domain.placement import Place
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
    "WITH free AS (SELECT n.id FROM nodes n WHERE {suits}{may_take}{placed}AND n.reservation IS NULL {which}"
    "LIMIT 1 FOR NO KEY UPDATE OF n SKIP LOCKED) "
    "UPDATE nodes SET instance_uuid = :uuid, allocation_uuid = :uuid, "
    "instance_info = jsonb_set(instance_info, '{{traits}}', CAST(:wanted AS jsonb)), "
    "revision = revision + 1, updated_at = :now "
    "FROM free WHERE nodes.id = free.id AND nodes.instance_uuid IS NULL RETURNING nodes.uuid::text, nodes.name"
)


_NAMED = "AND n.name = :name "
_FROM = "AND n.uuid >= CAST(:start AS uuid) ORDER BY n.uuid "
_BEFORE = "AND n.uuid < CAST(:start AS uuid) ORDER BY n.uuid "
# Where the node must stand; a value that is not there compares as neither equal nor different.
_PLACED = {
    "zone": "AND n.properties #>> CAST(:zone_path AS text[]) = :zone ",
    "near": "AND n.properties #>> CAST(:near_path AS text[]) = ANY(CAST(:near AS text[])) ",
    "somewhere": "AND n.properties #>> CAST(:near_path AS text[]) IS NOT NULL ",
    "apart": "AND n.properties #>> CAST(:apart_path AS text[]) <> ALL(CAST(:apart AS text[])) "
    "AND n.properties #>> CAST(:apart_path AS text[]) IS NOT NULL ",
}


@functools.lru_cache(maxsize=32)
def _take_statement(which: str, placed: tuple[str, ...]) -> Any:
    where = "".join(_PLACED[name] for name in placed)
    return text(_TAKE.format(suits=_SUITS, may_take=_MAY_TAKE, placed=where, which=which))


@functools.lru_cache(maxsize=8)
def _count_statement(placed: tuple[str, ...]) -> Any:
    where = "".join(_PLACED[name] for name in placed)
    return text(
        f"SELECT count(*) FILTER (WHERE true {_MAY_TAKE}{where}), count(*) FROM nodes n WHERE {_SUITS}"  # noqa: S608
    )


@functools.lru_cache(maxsize=512)
def plan(minor: int, fields: tuple[str, ...] | None) -> Plan:
    """How an allocation is shown at a microversion; ``fields`` None is the whole document."""
    known = ALLOCATION_FIELDS if fields is None else ALLOCATION_FIELDS | ALLOCATION_ASKED_FIELDS
    return make_plan("allocations", allocations, known, fields, minor=minor)


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


def refuse_known(connection: Connection, record: Mapping[str, Any]) -> None:
    """What ``insert`` would say, of one that is not to be written. Errors: Conflict when uuid or name is taken."""
    for column in ("uuid", "name"):
        ident = record.get(column)
        if ident is not None and _found(connection, ident, taken=False) is not None:
            raise changes.taken(f"allocations_{column}_key", record)


def update(connection: Connection, row: Mapping[str, Any], delta: Mapping[str, Any], now: datetime) -> None:
    """Errors: Conflict when the name is taken."""
    changes.update(connection, allocations, row, delta, now)


def delete(connection: Connection, row: Mapping[str, Any]) -> None:
    changes.delete(connection, allocations, row)


def reserve_node(
    connection: Connection, allocation: Mapping[str, Any], where: Mapping[str, Any], start: str, now: datetime
) -> tuple[str, str | None] | None:
    """Give a free node that suits to the allocation: the one of its name, else the next from ``start`` (a random UUID)
    on, else from the beginning. ``where``: see ``conditions``. → (UUID, name), or None when none is free and unlocked
    """
    placed = _conditions_in(where)
    values = _wanted(allocation) | {
        **where,
        "uuid": allocation["uuid"],
        "wanted": json_text(allocation["traits"]),
        "name": allocation["name"],
        "start": start,
        "now": now,
    }
    for which in (_FROM, _BEFORE) if allocation["name"] is None else (_NAMED, _FROM, _BEFORE):
        row = connection.execute(_take_statement(which, placed), values).one_or_none()
        if row is not None:
            return row[0], row[1]
    return None


def count_suitable(
    connection: Connection, allocation: Mapping[str, Any], where: Mapping[str, Any]
) -> tuple[int, int]:  # fmt: skip
    """(free nodes that suit, locked or not; free nodes of the class and the candidates)."""
    values = {**_wanted(allocation), **where}
    suitable, with_class = connection.execute(_count_statement(_conditions_in(where)), values).one()
    return suitable, with_class


def conditions(place: Place, zone_key: Sequence[str]) -> dict[str, Any]:
    """Where the node must stand, as the statements take it; nothing for anywhere."""
    where: dict[str, Any] = {}
    if place.zone is not None:
        where |= {"zone": place.zone, "zone_path": list(zone_key)}
    if place.near is not None:
        where |= {"near": list(place.near), "near_path": list(place.path)}
    elif place.path:  # others are to be near this one
        where |= {"somewhere": True, "near_path": list(place.path)}
    if place.apart is not None:
        where |= {"apart": list(place.apart), "apart_path": list(place.apart_path)}
    return where


def _conditions_in(where: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(name for name in _PLACED if name in where)


def _wanted(allocation: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "resource_class": allocation["resource_class"],
        "candidates": allocation["candidate_nodes"],
        "traits": allocation["traits"],
        "owner": allocation["owner"],
    }


def _fetch(connection: Connection, ident: str, *, taken: bool) -> Record:
    row = _found(connection, ident, taken=taken)
    if row is None:
        raise NotFound(f"Allocation {ident} could not be found.")
    return _record(row)


def _found(connection: Connection, ident: str, *, taken: bool) -> Any:
    uuid = as_uuid(ident)
    return _FIND[uuid is not None, taken].row(connection, {"ident": uuid or ident})


def _record(row: Any) -> Record:
    return dict(zip(_NAMES, row, strict=True))
