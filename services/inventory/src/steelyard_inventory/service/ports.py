"""What can be asked about ports, and done to them. A port's node is taken first, as for any change of a node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection
from steelyard_common.contracts.api import PORT_DEFAULT_FIELDS
from steelyard_common.db import Database, Transaction
from steelyard_common.errors import InvalidRequest, NotFound

from ..domain import patches, port_rules, portgroup_rules
from ..domain.node_rules import changed
from ..domain.projection import Change, Fact
from ..domain.vifs import attached_to
from ..store import nodes, pages, ports, render, tables, versions
from ..store.records import PORTGROUPS
from .context import Api, Asked, Sight
from .lifecycle import Caller
from .nodes import require_free, seen_node
from .outgoing import emit_events
from .workers import Clock

NODE_FILTERS = ("node_ident", "node", "node_uuid")
PHYSICAL_NETWORK_OF_GROUP_SINCE = 102


class Ports:
    """Queries and commands on ports."""

    def __init__(self, database: Database, site: str, clock: Clock) -> None:
        self._database = database
        self._site = site
        self._clock = clock

    def list_ports(self, asked: Asked, api: Api) -> bytes:
        """Errors: NotFound (the marker, the node), InvalidRequest."""
        plan = ports.plan(api.minor, asked.columns(PORT_DEFAULT_FIELDS))
        filters = api.sight.narrowed({name: value for name, value in asked.filters.items() if name not in NODE_FILTERS})
        group = filters.pop("portgroup", None)
        with self._database.read() as connection:
            if group is not None:
                found = PORTGROUPS.get(connection, group)
                if not api.sight.sees(nodes.get(connection, found["node_uuid"])):
                    raise NotFound(f"Portgroup {group} could not be found.")
                filters["portgroup_uuid"] = found["uuid"]
            idents = [asked.filters[name] for name in NODE_FILTERS if asked.filters.get(name)]
            uuids = {seen_node(connection, ident, api.sight)["uuid"] for ident in idents}
            if len(uuids) > 1:
                return asked.answer(api, "ports", [], None)
            if uuids:
                filters["node_uuid"] = uuids.pop()
            rows = pages.rows(ports.LISTING, connection, plan, asked.page, filters)
        items = render.documents(plan, rows, api.base_url)
        return asked.answer(api, "ports", items, rows[-1][plan.uuid_at] if rows else None)

    def show(self, ident: str, fields: Sequence[str] | None, api: Api) -> bytes:
        """Errors: NotFound."""
        with self._database.read() as connection:
            return _document(connection, ident, fields, api)

    def create(self, given: Mapping[str, Any], api: Api, caller: Caller) -> bytes:
        """→ the whole document. Errors: InvalidRequest, NotFound, Conflict, Busy."""
        record = port_rules.completed({name: value for name, value in given.items() if name != "node_ident"})
        port_rules.check_smart_nic(record)
        record["uuid"] = record["uuid"] or str(uuid4())
        ident = given.get("node_ident") or given.get("node_uuid")
        now = self._clock()
        with self._database.begin() as transaction:
            connection = transaction.connection
            node = _named_node(connection, ident, f"Node {ident} could not be found.")
            require_free(connection, node, now)
            record["node_uuid"] = node["uuid"]
            if record["portgroup_uuid"]:
                group = _join(connection, record, node, now)
                portgroup_rules.check_new_member(given, group)
            ports.insert(connection, record)
            self._tell(transaction, "port-created", record, record, caller, now)
            return _document(connection, record["uuid"], None, api)

    def update(self, ident: str, patch: Any, api: Api, caller: Caller) -> bytes:
        """→ the whole document. Errors: InvalidRequest, NotFound, Conflict, Busy."""
        operations = patches.parse(patch, allowed=port_rules.PATCHABLE, minor=api.minor)
        now = self._clock()
        with self._database.begin() as transaction:
            connection = transaction.connection
            port = ports.get(connection, ident)
            before = {name: port[name] for name in port_rules.WRITABLE}
            asked = patches.apply(before | {"node_ident": None}, operations)
            held = _hold_nodes(connection, port, _new_place(asked, port), api.sight)
            port = ports.get(connection, port["uuid"])  # as it is now that its node is held
            versions.require(connection, tables.ports, port["uuid"], caller.if_match)
            for node in held:
                require_free(connection, node, now)
            before = {name: port[name] for name in port_rules.WRITABLE}
            asked = patches.apply(before | {"node_ident": None}, operations)
            after = port_rules.completed(asked | {"node_uuid": None, "uuid": port["uuid"]})
            after["node_uuid"] = held[-1]["uuid"]
            delta = changed(port, after)
            for node in held:
                port_rules.check_may_update(port, node, delta, minor=api.minor)
            _check_group(connection, port | delta, delta, patches.roots(operations), held[-1], api.minor, now)
            if delta:
                ports.update(connection, port, delta, now)
                self._tell(transaction, "port-updated", port | delta, delta, caller, now)
            return _document(connection, port["uuid"], None, api)

    def delete(self, ident: str, caller: Caller) -> None:
        """Errors: NotFound, Conflict, Busy."""
        now = self._clock()
        with self._database.begin() as transaction:
            connection = transaction.connection
            port = ports.get(connection, ident)
            node = nodes.take(connection, port["node_uuid"])
            versions.require(connection, tables.ports, port["uuid"], caller.if_match)
            require_free(connection, node, now)
            port_rules.check_may_delete(port, node)
            ports.delete(connection, port)
            self._tell(transaction, "port-deleted", port, {}, caller, now)

    def _tell(
        self,
        transaction: Transaction,
        fact: str,
        port: Mapping[str, Any],
        delta: Mapping[str, Any],
        caller: Caller,
        now: datetime,
    ) -> None:
        data = {
            "uuid": port["uuid"],
            "address": port["address"],
            "changed": {name: value for name, value in delta.items() if value is not None and name != "extra"},
        }
        change = Change(events=(Fact(name=fact, data=data),))
        emit_events(transaction, self._site, port["node_uuid"], change, caller.cause, now)


def _document(connection: Connection, ident: str, fields: Sequence[str] | None, api: Api) -> bytes:
    plan = ports.plan(api.minor, None if fields is None else tuple(fields))
    row = pages.row(ports.LISTING, connection, plan, ident)
    return render.tagged(render.documents(plan, [row], api.base_url)[0], row, api.minor)


def _check_group(
    connection: Connection,
    port: Mapping[str, Any],
    delta: Mapping[str, Any],
    named: frozenset[str],
    node: Mapping[str, Any],
    minor: int,
    now: datetime,
) -> None:
    """The word of the port's group on a change. ``port``: as it will be; ``named``: what the patch names."""
    if port["portgroup_uuid"] is None:
        return
    if minor >= PHYSICAL_NETWORK_OF_GROUP_SINCE and "physical_network" in named:
        raise InvalidRequest("physical_network cannot be changed while the port belongs to a portgroup.")
    if delta.keys() & {"portgroup_uuid", "physical_network", "node_uuid"}:
        _join(connection, port, node, now)
    if delta.keys() & {"portgroup_uuid", "pxe_enabled"} or attached_to(port):
        portgroup_rules.check_stands_alone(port, PORTGROUPS.get(connection, port["portgroup_uuid"]), node)


def _join(
    connection: Connection, port: Mapping[str, Any], node: Mapping[str, Any], now: datetime
) -> dict[str, Any]:  # fmt: skip
    """Let a port into its group, whose physical network it may set. → the group. Errors: InvalidRequest, Conflict."""
    found = PORTGROUPS.find(connection, port["portgroup_uuid"])
    group = portgroup_rules.group_of(port, found, node)
    others = [each for each in ports.of_group(connection, port["portgroup_uuid"]) if each["uuid"] != port["uuid"]]
    network = portgroup_rules.network_of_group(port, group, others)
    if network != group["physical_network"]:
        PORTGROUPS.update(connection, group, {"physical_network": network}, now)
    return group


def _new_place(asked: Mapping[str, Any], port: Mapping[str, Any]) -> str | None:
    """The node that a patch moves the port to, as the caller named it; None: it stays."""
    ident = asked.get("node_ident") or asked.get("node_uuid")
    if ident is not None and not isinstance(ident, str):
        raise InvalidRequest("Unable to apply the requested node_uuid. Requested value was invalid.")
    return None if ident == port["node_uuid"] else ident


def _hold_nodes(
    connection: Connection, port: Mapping[str, Any], place: str | None, sight: Sight
) -> list[dict[str, Any]]:
    """The nodes that a change of a port concerns, taken in id order; the last one is where the port will be.

    Errors: InvalidRequest when that is not there, hidden, or another owner's: which of these is not told.
    """
    if place is None:
        return [nodes.take(connection, port["node_uuid"])]
    target = nodes.find(connection, place)
    source = nodes.get(connection, port["node_uuid"])
    if target is None or not sight.sees(target) or target["owner"] != source["owner"]:
        raise InvalidRequest(f"Unable to apply the requested node_uuid '{place}'. Requested value was invalid.")
    idents = sorted({(each["id"], each["uuid"]) for each in (source, target)})
    taken = [nodes.take(connection, uuid) for _, uuid in idents]
    return sorted(taken, key=lambda node: bool(node["uuid"] == target["uuid"]))


def _named_node(connection: Connection, ident: Any, otherwise: str) -> dict[str, Any]:
    """A node that a body names: when it is not there the body is wrong. Errors: InvalidRequest."""
    if not isinstance(ident, str):
        raise InvalidRequest("Schema error for port: give exactly one of node_uuid and node_ident")
    try:
        return nodes.take(connection, ident)
    except NotFound as error:
        raise InvalidRequest(otherwise) from error
