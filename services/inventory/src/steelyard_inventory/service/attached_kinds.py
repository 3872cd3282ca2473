"""What is special about each kind of record that belongs to a node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection
from steelyard_common.contracts.records import (
    CONNECTOR_DEFAULT_FIELDS,
    PORTGROUP_DEFAULT_FIELDS,
    TARGET_DEFAULT_FIELDS,
)

from ..domain import portgroup_rules, record_rules
from ..domain.record_rules import Form
from ..store import ports
from ..store.records import CONNECTORS, PORTGROUPS, TARGETS
from .attached import Kind, Update

Record = Mapping[str, Any]


def _check_group(update: Update) -> None:
    members = ports.of_group(update.connection, update.record["uuid"])
    portgroup_rules.check_may_update(update.record, update.node, members, update.delta, minor=update.minor)


def _check_no_members(connection: Connection, record: Record, node: Record) -> None:
    del node
    portgroup_rules.check_may_delete(record, ports.of_group(connection, record["uuid"]))


def _move_members(update: Update) -> None:
    """A group and its ports are on one physical network."""
    if "physical_network" in update.delta:
        network = update.delta["physical_network"]
        ports.put_onto_network(update.connection, update.record["uuid"], network, update.now)


def _completed(form: Form) -> Callable[[Record, int], dict[str, Any]]:
    return lambda record, _minor: form.completed(record)


def _powered_off(what: str) -> Callable[[Update], None]:
    return lambda update: record_rules.check_powered_off(update.node, what)


def _volume_may_go(what: str) -> Callable[[Connection, Record, Record], None]:
    return lambda _connection, _record, node: record_rules.check_volume_may_go(node, what)


PORTGROUP = Kind(
    name="portgroup",
    plural="portgroups",
    rows=PORTGROUPS,
    form=portgroup_rules.FORM,
    default_fields=PORTGROUP_DEFAULT_FIELDS,
    completed=lambda record, minor: portgroup_rules.completed(record, minor=minor),
    check_update=_check_group,
    check_delete=_check_no_members,
    after_update=_move_members,
)
CONNECTOR = Kind(
    name="volume-connector",
    plural="connectors",
    rows=CONNECTORS,
    form=record_rules.CONNECTOR,
    default_fields=CONNECTOR_DEFAULT_FIELDS,
    completed=_completed(record_rules.CONNECTOR),
    check_update=_powered_off("volume connector"),
    check_delete=_volume_may_go("volume connector"),
)
TARGET = Kind(
    name="volume-target",
    plural="targets",
    rows=TARGETS,
    form=record_rules.TARGET,
    default_fields=TARGET_DEFAULT_FIELDS,
    completed=_completed(record_rules.TARGET),
    check_update=_powered_off("volume target"),
    check_delete=_volume_may_go("volume target"),
)
