"""What can be done to a node's record. Each change, its event and its answer are one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection
from steelyard_common.contracts.api import NODE_FIELDS
from steelyard_common.db import Database, Transaction
from steelyard_common.errors import Conflict, InvalidRequest, NotFound

from ..domain import node_rules, patches, raid_config, sealing, traits
from ..domain.interfaces import COLUMNS as INTERFACE_COLUMNS
from ..domain.interfaces import with_interfaces
from ..domain.patches import Operation
from ..domain.projection import Change, Fact
from ..store import allocations, locks, node_pages, nodes, pages, ports, render, tables, versions
from ..store.records import CHASSIS, CONNECTORS, PORTGROUPS, TARGETS
from .allocation_facts import forget, given_back
from .context import Api, Sight
from .lifecycle import Caller
from .outgoing import emit_events
from .workers import Clock, Workers

_OBJECTS = frozenset(name for name, field in NODE_FIELDS.items() if field.kind == "object")
IN_USE, OWNER_OF_ACTIVE = "active", "baremetal:node:update_owner_provisioned"
SILENT = frozenset({"sealed"})  # never told
ATTACHED = {"portgroup": PORTGROUPS, "volume-connector": CONNECTORS, "volume-target": TARGETS}


class NodeRecords:
    """``resource_class``: what a new node gets when it names none; ``traits``: what every new node gets."""

    def __init__(
        self,
        database: Database,
        site: str,
        clock: Clock,
        workers: Workers,
        *,
        resource_class: str | None = None,
        traits: Sequence[str] = (),
    ) -> None:
        self._database = database
        self._site = site
        self._clock = clock
        self._workers = workers
        self._resource_class = resource_class
        self._traits = list(traits)

    def create(self, given: Mapping[str, Any], api: Api, caller: Caller) -> bytes:
        """→ the whole document. Errors: InvalidRequest, Conflict."""
        record = node_rules.completed(given, minor=api.minor)
        state = node_rules.initial_state(api.minor)
        node_rules.check_retired(state, record)
        record = with_interfaces(record)
        record["uuid"] = record["uuid"] or str(uuid4())
        record["resource_class"] = record["resource_class"] or self._resource_class
        row = _split(record) | {"provision_state": state} | ({"traits": self._traits} if self._traits else {})
        now = self._clock()
        with self._database.begin() as transaction:
            connection = transaction.connection
            self._workers.require(connection, row["driver"], row["conductor_group"])
            row["parent_node"] = _parent(connection, row, row["parent_node"], api.sight)
            _check_chassis(connection, row["chassis_uuid"])
            nodes.insert(connection, row)
            told = {name: value for name, value in row.items() if value not in (None, {}) and name not in SILENT}
            self._tell(transaction, row["uuid"], caller, now, Fact(name="node-created", data=_data(row, told)))
            return self._document(connection, row["uuid"], api)

    def update(
        self,
        ident: str,
        patch: Any,
        *,
        reset_interfaces: bool,
        api: Api,
        caller: Caller,
        denied: Sequence[str] = (),
    ) -> bytes:
        """→ the whole document. ``denied``: rules of the policy that the caller does not meet.

        Errors: InvalidRequest, NotFound, Conflict, Busy."""
        operations = patches.parse(patch, allowed=node_rules.PATCHABLE, minor=api.minor)
        if reset_interfaces and not any(each.path == "/driver" and each.op != "remove" for each in operations):
            raise InvalidRequest("The reset_interfaces parameter can only be used when changing the node's driver.")
        now = self._clock()
        with self._database.begin() as transaction:
            connection = transaction.connection
            node = nodes.take(connection, ident)
            versions.require(connection, tables.nodes, node["uuid"], caller.if_match)
            if operations:
                node_rules.check_may_update(node, operations, minor=api.minor)
                require_free(connection, node, now)
                delta = self._delta(connection, node, operations, reset_interfaces=reset_interfaces, api=api)
                _check_owner(connection, node, delta, denied)
                delta = given_back(transaction, self._site, node, delta, caller.cause, now)
                self._write(transaction, node, delta, caller, now)
            return self._document(connection, node["uuid"], api)

    def delete(self, ident: str, caller: Caller) -> None:
        """With its ports, port groups and volumes. Errors: NotFound, Conflict, Forbidden, Busy."""
        now = self._clock()
        with self._database.begin() as transaction:
            connection = transaction.connection
            node = nodes.take(connection, ident)
            versions.require(connection, tables.nodes, node["uuid"], caller.if_match)
            node_rules.check_may_delete(node)
            require_free(connection, node, now)
            gone = _gone_with(connection, node["uuid"])
            forget(transaction, self._site, node, caller.cause, now)
            nodes.delete(connection, node)
            self._tell(
                transaction, node["uuid"], caller, now, *gone, Fact(name="node-deleted", data=_data(node, {}))
            )  # fmt: skip

    def set_maintenance(self, ident: str, *, on: bool, reason: str | None, caller: Caller) -> None:
        """Errors: NotFound, Busy."""
        delta: dict[str, Any] = {"maintenance": on, "maintenance_reason": reason if on else None}
        if not on:
            delta["fault"] = None
        now = self._clock()
        with self._database.begin() as transaction:
            node = self._taken(transaction.connection, ident, caller, now)
            self._write(transaction, node, node_rules.changed(node, delta), caller, now)

    def set_traits(self, ident: str, mode: str, given: list[str], caller: Caller) -> None:
        """``mode``: replace, add, remove or clear. Errors: InvalidRequest, NotFound, Busy."""
        now = self._clock()
        with self._database.begin() as transaction:
            node = self._taken(transaction.connection, ident, caller, now)
            wanted = traits.new_traits(node["uuid"], node["traits"], mode, given)
            self._write(transaction, node, node_rules.changed(node, {"traits": wanted}), caller, now)

    def set_target_raid(self, ident: str, config: Mapping[str, Any], caller: Caller) -> None:
        """An empty ``config`` clears. Errors: InvalidRequest, NotFound (also: no RAID), Busy."""
        now = self._clock()
        with self._database.begin() as transaction:
            node = self._taken(transaction.connection, ident, caller, now)
            if config and node["raid_interface"] in (None, "no-raid"):
                raise NotFound(f"Node {node['uuid']} does not support raid (interface '{node['raid_interface']}').")
            if config:
                raid_config.check(config)
            self._write(transaction, node, node_rules.changed(node, {"target_raid_config": dict(config)}), caller, now)

    def _taken(self, connection: Connection, ident: str, caller: Caller, now: datetime) -> dict[str, Any]:
        """The node, free and as the caller has seen it. Errors: NotFound, PreconditionFailed, Busy."""
        node = nodes.take(connection, ident)
        versions.require(connection, tables.nodes, node["uuid"], caller.if_match)
        require_free(connection, node, now)
        return node

    def _delta(
        self,
        connection: Connection,
        node: dict[str, Any],
        operations: list[Operation],
        *,
        reset_interfaces: bool,
        api: Api,
    ) -> dict[str, Any]:
        """The columns that a patch changes, after every check."""
        before = _joined(node)
        kept = [sealing.with_kept_secrets(each, node["sealed"]) for each in operations]
        wording = f"Node {node['uuid']}: Cannot change name to invalid name"
        after = node_rules.completed(patches.apply(before, kept), minor=api.minor, what=wording)
        after = node_rules.with_instance_name(before, after)
        if after["driver"] != node["driver"] and reset_interfaces:
            roots = patches.roots(operations)
            after |= {column: None for column in INTERFACE_COLUMNS if column not in roots}
        if any(after[column] != node[column] for column in ("driver", *INTERFACE_COLUMNS)):
            after = with_interfaces(after)
        if after["parent_node"] != node["parent_node"] or after["owner"] != node["owner"]:
            after["parent_node"] = _parent(connection, after, after["parent_node"], api.sight)
        delta = node_rules.changed(node, _split(after))
        if "chassis_uuid" in delta:
            _check_chassis(connection, after["chassis_uuid"])
        node_rules.check_changes(node, after, delta)
        if "driver" in delta or "conductor_group" in delta:
            self._workers.require(connection, after["driver"], after["conductor_group"])
        return delta | node_rules.changed(node, node_rules.consequences(delta))

    def _write(
        self, transaction: Transaction, node: dict[str, Any], delta: dict[str, Any], caller: Caller, now: datetime
    ) -> None:
        if not delta:
            return
        nodes.update(transaction.connection, node, delta, now)
        facts = [Fact(name="node-updated", data=_data(node, delta))]
        if "maintenance" in delta:
            reason = delta.get("maintenance_reason", node["maintenance_reason"])
            facts.append(Fact(name="maintenance-changed", data={"on": delta["maintenance"], "reason": reason}))
        if "fault" in delta:
            facts.append(Fact(name="fault-changed", data={"from": node["fault"], "to": delta["fault"]}))
        self._tell(transaction, node["uuid"], caller, now, *facts)

    def _tell(self, transaction: Transaction, uuid: str, caller: Caller, now: datetime, *facts: Fact) -> None:
        emit_events(transaction, self._site, uuid, Change(events=facts), caller.cause, now)

    def _document(self, connection: Connection, uuid: str, api: Api) -> bytes:
        plan = node_pages.plan(api.minor, None, api.sight.redacted)
        row = pages.row(node_pages.LISTING, connection, plan, uuid, me=api.sight.project)
        conductor_of = self._workers.directory(connection).conductor_of if plan.conductor_at is not None else None
        return render.tagged(render.documents(plan, [row], api.base_url, conductor_of)[0], row, api.minor)


def seen_node(connection: Connection, ident: str, sight: Sight) -> dict[str, Any]:
    """A node that a request names beside what it is about. Errors: NotFound, also when it is hidden."""
    node = nodes.get(connection, ident)
    if not sight.sees(node):
        raise NotFound(f"Node {ident} could not be found.")
    return node


def require_free(connection: Connection, node: Mapping[str, Any], now: datetime) -> None:
    """Whoever holds a node is shown as its reservation, written together with the lock. Errors: Busy."""
    if node["reservation"] is not None:
        locks.require_free(connection, [node["uuid"]], now)


def _gone_with(connection: Connection, node_uuid: str) -> list[Fact]:
    """What goes with a node, one fact each."""
    gone = [
        Fact(name="port-deleted", data={"uuid": port["uuid"], "address": port["address"]})
        for port in ports.of_node(connection, node_uuid)
    ]
    for name, rows in ATTACHED.items():
        gone += [
            Fact(name=f"{name}-deleted", data={"uuid": each["uuid"]}) for each in rows.of_node(connection, node_uuid)
        ]
    return gone


def _data(node: Mapping[str, Any], delta: Mapping[str, Any]) -> dict[str, Any]:
    """What an event says. Objects may hold what their owner would not publish: only their names are told."""
    return {
        "uuid": node["uuid"],
        "name": delta.get("name", node.get("name")),
        "changed": {name: value for name, value in delta.items() if name not in _OBJECTS | SILENT},
        "changed_objects": sorted(_told_objects(delta)),
    }


def _told_objects(delta: Mapping[str, Any]) -> set[str]:
    return {name for name in delta if name in _OBJECTS} | set(delta.get("sealed") or ())


def _joined(node: Mapping[str, Any]) -> dict[str, Any]:
    """The record as patches see it: secrets as their tokens."""
    record = {name: node[name] for name in node_rules.WRITABLE}
    for name in sealing.SEALED_FIELDS:
        record[name] = sealing.joined(node[name], node["sealed"].get(name, {}))
    return record


def _split(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record as it is stored: secrets apart from what is shown."""
    row, hidden = dict(record), {}
    for name in sealing.SEALED_FIELDS:
        row[name], sealed = sealing.split(name, record[name])
        if sealed:
            hidden[name] = sealed
    return row | {"sealed": hidden}


def _parent(connection: Connection, record: Mapping[str, Any], ident: str | None, sight: Sight) -> str | None:
    """The parent's UUID. Errors: InvalidRequest."""
    if ident is None:
        return None
    parent = nodes.find(connection, ident)
    if parent is None or parent["uuid"] == record["uuid"] or not sight.sees(parent):
        raise InvalidRequest(f"Unable to apply the requested parent_node '{ident}'. Requested value was invalid.")
    if parent["owner"] != record["owner"]:
        raise InvalidRequest("A node and its parent_node must have the same owner.")
    uuid: str = parent["uuid"]
    return uuid


def _check_owner(
    connection: Connection, node: Mapping[str, Any], delta: Mapping[str, Any], denied: Sequence[str]
) -> None:  # fmt: skip
    """Errors: Conflict, while somebody else counts on the owner that the node has."""
    if "owner" not in delta:
        return
    if node["provision_state"] == IN_USE and OWNER_OF_ACTIVE in denied:
        raise Conflict(f"Cannot update owner of node {node['uuid']} while it is in state {IN_USE}.")
    if node["allocation_uuid"] and allocations.get(connection, node["allocation_uuid"])["owner"] is not None:
        raise Conflict(f"Cannot update owner of node {node['uuid']} while it is allocated to an owned allocation.")


def _check_chassis(connection: Connection, uuid: str | None) -> None:
    if uuid is not None and CHASSIS.find(connection, uuid) is None:
        raise InvalidRequest(f"Chassis {uuid} could not be found.")
