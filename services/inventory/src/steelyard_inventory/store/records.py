"""Rows of the records around nodes, whole for rules to look at, and as the API shows them (api facts §9, §10, §17)."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Connection, Table, Text, bindparam, false, func, select
from steelyard_common.contracts.api import Field
from steelyard_common.contracts.records import (
    CHASSIS_FIELDS,
    CHASSIS_SUBLINKS,
    CONNECTOR_FIELDS,
    PORTGROUP_FIELDS,
    PORTGROUP_SUBLINKS,
    TARGET_FIELDS,
)
from steelyard_common.errors import NotFound

from ..domain.values import as_uuid
from . import changes, pages
from .node_pages import seen_by
from .pages import Condition, Listing, by_columns
from .render import Plan, make_plan, with_redacted
from .sql import Prepared, Row, names, whole_row
from .tables import chassis, nodes, portgroups, volume_connectors, volume_targets

Record = dict[str, Any]


class Rows:
    """One table. ``resource``: its path below `/v1`; ``word``: what a row is called in errors."""

    def __init__(
        self,
        table: Table,
        resource: str,
        word: str,
        fields: Mapping[str, Field],
        filters: Mapping[str, Condition],
        sublinks: Mapping[str, int] | None = None,
    ) -> None:
        self._table = table
        self._names = names(table)
        self.listing = Listing(table=table, fields=fields, word=word, filters=filters)
        self.plan = functools.lru_cache(maxsize=512)(functools.partial(_plan, self.listing, resource, sublinks or {}))
        self.without_properties = functools.lru_cache(maxsize=512)(self._without_properties)
        whole = select(*whole_row(table))
        by_uuid = whole.where(table.c.uuid == bindparam("ident", type_=table.c.uuid.type))
        self._by_uuid = Prepared(by_uuid)
        self._take = Prepared(by_uuid.with_for_update(key_share=True))
        self._by_name = (
            Prepared(whole.where(table.c.name == bindparam("ident", type_=Text()))) if "name" in table.c else None
        )
        self._of_node = (
            Prepared(whole.where(table.c.node_uuid == bindparam("node", type_=table.c.uuid.type)).order_by(table.c.id))
            if "node_uuid" in table.c
            else None
        )

    def _without_properties(self, minor: int, fields: tuple[str, ...] | None) -> Plan:
        """The plan for whom the policy does not show the properties of volume targets."""
        return with_redacted(self.plan(minor, fields), {"properties": false()})

    def find(self, connection: Connection, ident: str) -> Record | None:
        """The whole row, by UUID, or by name where rows have one."""
        uuid = as_uuid(ident)
        statement = self._by_name if uuid is None else self._by_uuid
        row = statement.row(connection, {"ident": uuid or ident}) if statement else None
        return None if row is None else dict(zip(self._names, row, strict=True))

    def get(self, connection: Connection, ident: str) -> Record:
        """Errors: NotFound."""
        found = self.find(connection, ident)
        if found is None:
            raise NotFound(f"{self.listing.word} {ident} could not be found.")
        return found

    def take(self, connection: Connection, uuid: str) -> Record:
        """The whole row, locked until the transaction ends. Errors: NotFound."""
        row = self._take.row(connection, {"ident": self.get(connection, uuid)["uuid"]})
        if row is None:
            raise NotFound(f"{self.listing.word} {uuid} could not be found.")
        return dict(zip(self._names, row, strict=True))

    def of_node(self, connection: Connection, node_uuid: str) -> list[Record]:
        """A node's rows, the oldest first."""
        rows = self._of_node.rows(connection, {"node": node_uuid}) if self._of_node else []
        return [dict(zip(self._names, row, strict=True)) for row in rows]

    def shown(self, connection: Connection, plan: Plan, ident: str) -> Row:
        """One row as ``plan`` selects it. Errors: NotFound."""
        if as_uuid(ident) is None and self._by_name is None:
            raise NotFound(f"{self.listing.word} {ident} could not be found.")
        return pages.row(self.listing, connection, plan, ident)

    def insert(self, connection: Connection, record: Mapping[str, Any]) -> None:
        """Errors: Conflict, when something that must be unique is taken."""
        changes.insert(connection, self._table, record)

    def update(
        self, connection: Connection, row: Mapping[str, Any], delta: Mapping[str, Any], now: datetime
    ) -> None:  # fmt: skip
        """Errors: Conflict."""
        changes.update(connection, self._table, row, delta, now)

    def delete(self, connection: Connection, row: Mapping[str, Any]) -> None:
        """Errors: InvalidRequest, when others still name it."""
        changes.delete(connection, self._table, row)


def _plan(
    listing: Listing, resource: str, sublinks: Mapping[str, int], minor: int, fields: Sequence[str] | None
) -> Plan:
    return make_plan(resource, listing.table, listing.fields, fields, minor=minor, sublinks=sublinks)


def _on_nodes(column: str, name: str) -> ColumnElement[bool]:
    listed = nodes.c[column] == func.any(bindparam(name, type_=ARRAY(Text())))
    return portgroups.c.node_uuid.in_(select(nodes.c.uuid).where(listed))


def _visible(table: Table) -> dict[str, Condition]:
    """Rows of nodes that a project may see."""
    return {"visible": lambda: table.c.node_uuid.in_(select(nodes.c.uuid).where(seen_by("visible")))}


CHASSIS = Rows(chassis, "chassis", "Chassis", CHASSIS_FIELDS, {}, CHASSIS_SUBLINKS)
PORTGROUPS = Rows(
    portgroups,
    "portgroups",
    "Portgroup",
    PORTGROUP_FIELDS,
    {
        **by_columns(portgroups, "node_uuid", "address"),
        **_visible(portgroups),
        "shard": lambda: _on_nodes("shard", "shard"),
        "conductor_groups": lambda: _on_nodes("conductor_group", "conductor_groups"),
    },
    PORTGROUP_SUBLINKS,
)
CONNECTORS = Rows(
    volume_connectors,
    "volume/connectors",
    "Volume connector",
    CONNECTOR_FIELDS,
    by_columns(volume_connectors, "node_uuid") | _visible(volume_connectors),
)
TARGETS = Rows(
    volume_targets,
    "volume/targets",
    "Volume target",
    TARGET_FIELDS,
    by_columns(volume_targets, "node_uuid") | _visible(volume_targets),
)
