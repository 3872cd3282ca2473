"""Ports: records of network interfaces (facts §8). Uniqueness and the node's state are inventory's to judge."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from steelyard_common.errors import InvalidRequest
from steelyard_common.secrets import Sealer

from ..domain import filters, identifiers, links, listings, patches
from ..domain.listings import NODE_PORTS, PORTS, Query
from ..domain.values import plain
from ..drivers import Upstream
from . import schemas
from .access import Gate
from .call import Call
from .nodes import either_spelling, within_version
from .schemas import PORT_BODY_FIELDS
from .sealing import seal_document, seal_operation

RESERVED_NAMES = frozenset({"detail"})


class Ports:
    """Questions and commands on `/v1/ports` and `/v1/nodes/{n}/ports`."""

    def __init__(self, inventory: Upstream, sealer: Sealer, gate: Gate) -> None:
        self._inventory = inventory
        self._sealer = sealer
        self._gate = gate

    def list_ports(self, call: Call, query: Query, *, all_fields: bool) -> bytes:
        body = listings.parse_list(PORTS, query, call.minor, all_fields=all_fields)
        filters.check_port_filters(body["filters"])
        return self._list(call, body, "ports/detail" if all_fields else "ports")

    def list_ports_of_node(self, call: Call, ident: str, query: Query, *, all_fields: bool) -> bytes:
        node = identifiers.from_path("node", ident, call.minor)
        body = listings.parse_list(NODE_PORTS, query, call.minor, all_fields=all_fields)
        body["filters"]["node_ident"] = node
        return self._list(call, body, f"nodes/{node}/ports{'/detail' if all_fields else ''}")

    def list_ports_of_portgroup(self, call: Call, ident: str, query: Query, *, all_fields: bool) -> bytes:
        group = identifiers.from_path("portgroup", ident, call.minor)
        body = listings.parse_list(NODE_PORTS, query, call.minor, all_fields=all_fields)
        body["filters"]["portgroup"] = group
        return self._list(call, body, f"portgroups/{group}/ports{'/detail' if all_fields else ''}")

    def show(self, call: Call, ident: str, query: Query) -> bytes:
        listings.refuse_unknown(query, frozenset({"fields"}))
        body = {"api": call.api(), "fields": listings.parse_fields(PORTS, query, call.minor)}

        def ask(each: str) -> bytes:
            named = body | {"ident": self._ident(call, each)}
            return self._inventory.query("port", named, call.headers())

        return either_spelling(call, ident, ask)

    def create(self, call: Call, body: Any) -> tuple[str, bytes]:
        """The new port's UUID, made here if the caller gave none, and its document."""
        loaded = schemas.load(schemas.PORT, "port", body)
        port = within_version(loaded, lambda name: PORT_BODY_FIELDS[name].since, call.minor)
        if ("node_uuid" in port) == ("node_ident" in port):
            raise InvalidRequest("Schema error for port: give exactly one of node_uuid and node_ident")
        if "node_ident" in port:
            port["node_ident"] = identifiers.from_query("node_ident", port["node_ident"], call.minor)
        links.check_version(port.get("local_link_connection"), call.minor)
        _check_name(port.get("name"))
        self._gate.require_of_named(call, port.get("node_ident") or port.get("node_uuid"), "baremetal:port:create")
        port = seal_document(port, self._sealer)
        uuid: str = port.setdefault("uuid", str(uuid4()))
        return uuid, self._inventory.command("create-port", {"api": call.api(), "port": port}, call.headers())

    def update(self, call: Call, ident: str, patch: Any) -> bytes:
        operations = patches.parse(patch, PORT_BODY_FIELDS, call.minor, mandatory=("address",))
        checked = [seal_operation(self._typed(operation, call), self._sealer) for operation in operations]
        body = {"api": call.api(), "patch": checked}

        def ask(each: str) -> bytes:
            named = body | {"ident": self._ident(call, each)}
            return self._inventory.command("update-port", named, call.headers())

        return either_spelling(call, ident, ask)

    def delete(self, call: Call, ident: str) -> None:
        body = {"api": call.api(), "ident": identifiers.uuid("port_uuid", ident)}
        self._inventory.command("delete-port", body, call.headers())

    def _list(self, call: Call, body: dict[str, Any], resource_url: str) -> bytes:
        body |= {"api": call.api(), "resource_url": resource_url}
        return self._inventory.query("ports", body, call.headers())

    @staticmethod
    def _ident(call: Call, ident: str) -> str:
        return identifiers.from_path("port", ident, call.minor)

    @staticmethod
    def _typed(operation: patches.Operation, call: Call) -> patches.Operation:
        """The operation with the value of a root field in its one form."""
        if operation.segments == ("local_link_connection", "network_type"):
            links.check_version({"network_type": operation.value}, call.minor)
        if not operation.sets_root:
            return operation
        if operation.root == "name":
            _check_name(operation.value)
        if operation.root == "local_link_connection":
            links.check_version(operation.value, call.minor)
        value = schemas.load_value(schemas.PORT, "patch", operation.root, operation.value)
        return operation.with_value(value)


def _check_name(name: Any) -> None:
    """Any text that can be told from a UUID and from `/v1/ports/detail`. Errors: InvalidRequest."""
    if name in RESERVED_NAMES or name == "" or identifiers.uuid_or_none(name) is not None:
        raise InvalidRequest(f"'{plain(name)}' cannot be the name of a port: it is empty, reserved or a UUID")
