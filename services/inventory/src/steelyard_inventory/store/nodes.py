"""Rows of nodes for rules to look at and change; what the API shows of them is in node_pages.

The node row is the mutex of everything about a node: whoever changes the node or its ports takes it first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Connection, DateTime, Integer, Text, bindparam, func, select, text
from steelyard_common.errors import NotFound

from ..domain.values import as_uuid
from . import changes, provider_view
from .node_pages import seen_by
from .sql import Prepared, Row, as_text, names, whole_row
from .tables import locks, nodes

Record = dict[str, Any]
POWER_SHARDS = 64

_NAMES = names(nodes)
_WHOLE = select(*whole_row(nodes))
BY_UUID = nodes.c.uuid == bindparam("ident", type_=nodes.c.uuid.type)
BY_NAME = nodes.c.name == bindparam("ident", type_=nodes.c.name.type)
_FIND = {True: Prepared(_WHOLE.where(BY_UUID)), False: Prepared(_WHOLE.where(BY_NAME))}
_TAKE = {
    True: Prepared(_WHOLE.where(BY_UUID).with_for_update(key_share=True)),
    False: Prepared(_WHOLE.where(BY_NAME).with_for_update(key_share=True)),
}


_IN_CHASSIS = Prepared(
    select(nodes.c.id).where(nodes.c.chassis_uuid == bindparam("chassis", type_=nodes.c.uuid.type)).limit(1)
)
_OF_PARENT = (
    select(as_text(nodes.c.uuid))
    .where(nodes.c.parent_node == bindparam("parent", type_=nodes.c.uuid.type))
    .order_by(nodes.c.id)
)
_CHILDREN = Prepared(_OF_PARENT)
_VISIBLE_CHILDREN = Prepared(_OF_PARENT.where(seen_by("visible")))
_IN_STATES = Prepared(
    select(as_text(nodes.c.uuid)).where(nodes.c.provision_state == func.any(bindparam("states", type_=ARRAY(Text()))))
)
_SHARD_SIZES = Prepared(select(nodes.c.shard, func.count()).group_by(nodes.c.shard).order_by(nodes.c.shard))


def find(connection: Connection, ident: str) -> Record | None:
    """The whole row, by UUID or name."""
    return _fetch(_FIND, connection, ident)


def get(connection: Connection, ident: str) -> Record:
    """Errors: NotFound."""
    return _required(find(connection, ident), ident)


def take(connection: Connection, ident: str) -> Record:
    """The whole row, locked until the transaction ends. Errors: NotFound."""
    return _required(_fetch(_TAKE, connection, ident), ident)


def insert(connection: Connection, record: Mapping[str, Any]) -> None:
    """Errors: Conflict when uuid, name or instance_uuid is taken."""
    changes.insert(connection, nodes, record)


def update(connection: Connection, node: Mapping[str, Any], delta: Mapping[str, Any], now: datetime) -> None:
    """Errors: Conflict when a name or instance_uuid is taken."""
    changes.update(connection, nodes, node, delta, now)


def delete(connection: Connection, node: Mapping[str, Any]) -> None:
    """With it go its ports, port groups, volumes, lock and workflows."""
    changes.delete(connection, nodes, node)


def any_in_chassis(connection: Connection, chassis_uuid: str) -> bool:
    return _IN_CHASSIS.row(connection, {"chassis": chassis_uuid}) is not None


def in_states(connection: Connection, states: Iterable[str]) -> list[str]:
    """UUIDs of the nodes in these provision states."""
    return [row[0] for row in _IN_STATES.rows(connection, {"states": list(states)})]


def children(connection: Connection, parent_uuid: str, visible: str | None = None) -> list[str]:
    """UUIDs of a node's children, the oldest first; with ``visible`` only those that this project owns or leases."""
    statement = _CHILDREN if visible is None else _VISIBLE_CHILDREN
    return [row[0] for row in statement.rows(connection, {"parent": parent_uuid, "visible": visible})]


def shard_sizes(connection: Connection) -> list[tuple[str | None, int]]:
    """(shard, number of nodes) of each, by name; None are those in no shard."""
    return [(row[0], row[1]) for row in _SHARD_SIZES.rows(connection)]


def for_provider(node: Mapping[str, Any]) -> dict[str, Any]:
    """NodeForProvider (contracts/steps.py, StepMessage.node) of a whole row."""
    sealed = dict(node["sealed"].get("instance_info", {}))
    sealed.pop("/configdrive", None)
    view: Any = {**node, "sealed": node["sealed"].get("driver_info", {}), "sealed_instance": sealed}
    return provider_view.provider_view(view)


_BUSY = (
    select(locks.c.node_uuid)
    .where(
        locks.c.node_uuid == nodes.c.uuid,
        func.coalesce(locks.c.expires_at > bindparam("now", type_=DateTime(timezone=True)), True),
    )
    .exists()
)
_POWER_TARGETS = Prepared(
    select(*whole_row(nodes), _BUSY.label("busy"))
    .where(
        func.mod(nodes.c.id, text(str(POWER_SHARDS))) == bindparam("shard", type_=Integer),
        nodes.c.id > bindparam("after_id", type_=BigInteger),
    )
    .order_by(nodes.c.id)
    .limit(bindparam("limit", type_=Integer))
)


def power_targets(connection: Connection, *, shard: int, after_id: int, limit: int, now: datetime) -> list[Record]:
    """Whole rows of one shard (id % POWER_SHARDS) in id order, each with ``busy``: somebody holds it now."""
    values = {"shard": shard, "after_id": after_id, "limit": limit, "now": now}
    return [dict(zip((*_NAMES, "busy"), row, strict=True)) for row in _POWER_TARGETS.rows(connection, values)]


def _fetch(statements: Mapping[bool, Prepared], connection: Connection, ident: str) -> Record | None:
    uuid = as_uuid(ident)
    row = statements[uuid is not None].row(connection, {"ident": uuid or ident})
    return None if row is None else _record(row)


def _record(row: Row) -> Record:
    return dict(zip(_NAMES, row, strict=True))


def _required(node: Record | None, ident: str) -> Record:
    if node is None:
        raise NotFound(f"Node {ident} could not be found.")
    return node
