"""Writing rows of records, and telling what stands in the way in the API's words."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import psycopg
from sqlalchemy import BigInteger, Connection, DateTime, Table, bindparam
from sqlalchemy.dialects.postgresql import JSONB
from steelyard_common.errors import Conflict, InvalidRequest, NotFound, SteelyardError

from .sql import Prepared, json_text
from .tables import metadata

Record = Mapping[str, Any]
# constraint → what is said about the record that breaks it
_TAKEN: dict[str, Callable[[Record], str]] = {
    "nodes_uuid_key": lambda row: f"A node with UUID {row['uuid']} already exists.",
    "nodes_name_key": lambda row: f"A node with name {row['name']} already exists.",
    "nodes_instance_uuid_key": lambda row: (
        f"Instance {row['instance_uuid']} is already associated with a node, it cannot be associated with this other "
        f"node {row['uuid']}"
    ),
    "ports_uuid_key": lambda row: f"A port with UUID {row['uuid']} already exists.",
    "ports_address_key": lambda row: f"A port with MAC address {row['address']} already exists.",
    "ports_name_key": lambda row: f"A port with name {row['name']} already exists.",
    "deploy_templates_uuid_key": lambda row: f"A deploy template with UUID {row['uuid']} already exists.",
    "deploy_templates_name_key": lambda row: f"A deploy template with name {row['name']} already exists.",
    "runbooks_uuid_key": lambda row: f"A runbook with UUID {row['uuid']} already exists.",
    "runbooks_name_key": lambda row: f"A runbook with name {row['name']} already exists.",
    "inspection_rules_uuid_key": lambda row: f"An inspection rule with UUID {row['uuid']} already exists.",
    "allocations_uuid_key": lambda row: f"An allocation with UUID {row['uuid']} already exists.",
    "allocations_name_key": lambda row: f"An allocation with name {row['name']} already exists.",
    "chassis_uuid_key": lambda row: f"A chassis with UUID {row['uuid']} already exists.",
    "portgroups_uuid_key": lambda row: f"A portgroup with UUID {row['uuid']} already exists.",
    "portgroups_name_key": lambda row: f"A portgroup with name {row['name']} already exists.",
    "portgroups_address_key": lambda row: f"A portgroup with MAC address {row['address']} already exists.",
    "volume_connectors_uuid_key": lambda row: f"A volume connector with UUID {row['uuid']} already exists.",
    "volume_connectors_connector_key": lambda row: (
        f"A volume connector with type {row['type']} and connector_id {row['connector_id']} already exists."
    ),
    "volume_targets_uuid_key": lambda row: f"A volume target with UUID {row['uuid']} already exists.",
    "volume_targets_boot_index_key": lambda row: (
        f"A volume target with boot index '{row['boot_index']}' for the same node already exists."
    ),
}
# constraint → what a record names that has just gone
_GONE: dict[str, Callable[[Record], SteelyardError]] = {
    "nodes_chassis_uuid_fkey": lambda row: InvalidRequest(f"Chassis {row['chassis_uuid']} could not be found."),
    "ports_portgroup_uuid_fkey": lambda row: InvalidRequest(f"Portgroup {row['portgroup_uuid']} could not be found."),
}


def insert(connection: Connection, table: Table, record: Record) -> None:
    """Errors: Conflict when something that must be unique is taken; NotFound when the node has just gone."""
    _write(connection, _insert(table.name, tuple(sorted(record))), _bound(table, record), record)


def update(connection: Connection, table: Table, row: Record, delta: Record, now: datetime) -> None:
    """Write ``delta`` into the row with ``row['id']``; it counts as a change of the record. Errors: Conflict."""
    values = {f"new_{name}": value for name, value in _bound(table, delta).items()} | {"row_id": row["id"], "now": now}
    _write(connection, _update(table.name, tuple(sorted(delta))), values, {**row, **delta})


def delete(connection: Connection, table: Table, row: Record) -> None:
    """Errors: InvalidRequest when others still name it."""
    try:
        _delete(table.name).run(connection, {"row_id": row["id"]})
    except psycopg.errors.ForeignKeyViolation as error:
        raise InvalidRequest(f"{table.name} {row['uuid']} is still in use.") from error


def taken(constraint: str, record: Record) -> Conflict:
    """What is said of a record that breaks this constraint."""
    about = _TAKEN.get(constraint)
    return Conflict(about(record) if about else "This already exists.")


def _write(connection: Connection, statement: Prepared, values: Record, record: Record) -> None:
    try:
        statement.run(connection, values)
    except psycopg.errors.UniqueViolation as error:
        raise taken(error.diag.constraint_name or "", record) from error
    except psycopg.errors.ForeignKeyViolation as error:
        gone = _GONE.get(error.diag.constraint_name or "")
        raise (gone(record) if gone else NotFound(f"Node {record.get('node_uuid')} could not be found.")) from error
    except psycopg.errors.UntranslatableCharacter as error:
        raise InvalidRequest("a text holds a character that cannot be stored (NUL)") from error


_TABLES = metadata.tables


@functools.lru_cache(maxsize=64)
def _insert(table_name: str, columns: tuple[str, ...]) -> Prepared:
    table = _TABLES[table_name]
    return Prepared(table.insert().values({name: bindparam(name, type_=table.c[name].type) for name in columns}))


@functools.lru_cache(maxsize=256)
def _update(table_name: str, columns: tuple[str, ...]) -> Prepared:
    table = _TABLES[table_name]
    values: dict[str, Any] = {name: bindparam(f"new_{name}", type_=table.c[name].type) for name in columns}
    values["updated_at"] = bindparam("now", type_=DateTime(timezone=True))
    if "revision" in table.c:
        values["revision"] = table.c.revision + 1
    return Prepared(table.update().where(table.c.id == bindparam("row_id", type_=BigInteger)).values(values))


@functools.lru_cache(maxsize=8)
def _delete(table_name: str) -> Prepared:
    table = _TABLES[table_name]
    return Prepared(table.delete().where(table.c.id == bindparam("row_id", type_=BigInteger)))


def _bound(table: Table, record: Record) -> dict[str, Any]:
    return {
        name: json_text(value) if isinstance(table.c[name].type, JSONB) else value for name, value in record.items()
    }
