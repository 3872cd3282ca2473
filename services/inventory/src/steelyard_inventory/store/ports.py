"""Rows of ports, and ports as the API shows them (api facts §8)."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Connection, Text, bindparam, func, select
from steelyard_common.contracts.api import PORT_FIELDS
from steelyard_common.errors import NotFound

from ..domain.values import as_uuid
from . import changes
from .node_pages import seen_by
from .pages import Listing, by_columns, contains
from .render import Plan, make_plan
from .sql import Prepared, as_text, names, whole_row
from .tables import nodes, ports

Record = dict[str, Any]

_NAMES = names(ports)
_WHOLE = select(*whole_row(ports))
_FIND = {
    by_uuid: Prepared(_WHOLE.where(key == bindparam("ident", type_=key.type)))
    for by_uuid, key in ((True, ports.c.uuid), (False, ports.c.name))
}
_OF_NODE = Prepared(
    _WHOLE.where(ports.c.node_uuid == bindparam("node_uuid", type_=ports.c.node_uuid.type)).order_by(ports.c.id)
)
_OF_GROUP = Prepared(
    _WHOLE.where(ports.c.portgroup_uuid == bindparam("group", type_=ports.c.portgroup_uuid.type)).order_by(ports.c.id)
)
_OWNERS = Prepared(
    select(as_text(ports.c.node_uuid))
    .where(ports.c.address == func.any(bindparam("addresses", type_=ARRAY(Text()))))
    .distinct()
)
_ONTO_NETWORK = Prepared(
    ports.update()
    .where(ports.c.portgroup_uuid == bindparam("group", type_=ports.c.portgroup_uuid.type))
    .values(
        physical_network=bindparam("network", type_=Text()), updated_at=bindparam("now", type_=ports.c.updated_at.type)
    )
)


def _on_nodes(column: str, name: str) -> ColumnElement[bool]:
    listed = nodes.c[column] == func.any(bindparam(name, type_=ARRAY(Text())))
    return ports.c.node_uuid.in_(select(nodes.c.uuid).where(listed))


LISTING = Listing(
    table=ports,
    fields=PORT_FIELDS,
    word="Port",
    filters={
        **by_columns(ports, "node_uuid", "address", "portgroup_uuid"),
        "shard": lambda: _on_nodes("shard", "shard"),
        "conductor_groups": lambda: _on_nodes("conductor_group", "conductor_groups"),
        "visible": lambda: ports.c.node_uuid.in_(select(nodes.c.uuid).where(seen_by("visible"))),
        "description_contains": lambda: contains(ports.c.description, "description_contains"),
    },
)


@functools.lru_cache(maxsize=1024)
def plan(minor: int, fields: tuple[str, ...] | None) -> Plan:
    """How a port is shown at a microversion; ``fields`` None is the whole document."""
    return make_plan("ports", ports, PORT_FIELDS, fields, minor=minor)


def get(connection: Connection, ident: str) -> Record:
    """The whole row, by UUID or name. Errors: NotFound."""
    uuid = as_uuid(ident)
    row = _FIND[uuid is not None].row(connection, {"ident": uuid or ident})
    if row is None:
        raise NotFound(f"Port {ident} could not be found.")
    return dict(zip(_NAMES, row, strict=True))


def of_node(connection: Connection, node_uuid: str) -> list[Record]:
    rows = _OF_NODE.rows(connection, {"node_uuid": node_uuid})
    return [dict(zip(_NAMES, row, strict=True)) for row in rows]


def owners(connection: Connection, addresses: Sequence[str]) -> list[str]:
    """UUIDs of the nodes that have ports with these MAC addresses, each once."""
    return [row[0] for row in _OWNERS.rows(connection, {"addresses": list(addresses)})]


def of_group(connection: Connection, group_uuid: str) -> list[Record]:
    """The ports of a port group, the oldest first."""
    rows = _OF_GROUP.rows(connection, {"group": group_uuid})
    return [dict(zip(_NAMES, row, strict=True)) for row in rows]


def put_onto_network(connection: Connection, group_uuid: str, network: str | None, now: datetime) -> None:
    """All ports of a port group."""
    _ONTO_NETWORK.run(connection, {"group": group_uuid, "network": network, "now": now})


def insert(connection: Connection, record: Mapping[str, Any]) -> None:
    """Errors: Conflict when uuid, address or name is taken."""
    changes.insert(connection, ports, record)


def update(connection: Connection, port: Mapping[str, Any], delta: Mapping[str, Any], now: datetime) -> None:
    """Errors: Conflict when an address or name is taken."""
    changes.update(connection, ports, port, delta, now)


def delete(connection: Connection, port: Mapping[str, Any]) -> None:
    changes.delete(connection, ports, port)
