"""Nodes: records, maintenance, traits, validation. Guards and references are inventory's (contracts page)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from steelyard_common.contracts.api import NODE_FIELDS
from steelyard_common.errors import InvalidRequest, NotFound
from steelyard_common.secrets import Sealer

from ..domain import identifiers, listings, patches, values
from ..domain.listings import NODES, Query
from ..domain.policy import guards
from ..domain.versions import too_new
from ..drivers import Upstream
from . import schemas
from .access import Gate
from .arguments import optional, read_arguments
from .call import Call
from .sealing import seal_document, seal_operation
from .trait_lists import TraitLists

RESET_INTERFACES_SINCE = 45
CHASSIS_REMOVABLE_SINCE = 25
OF_ACTIVE = "baremetal:node:update_owner_provisioned"
REASON = {"reason": optional(values.text)}


def either_spelling(call: Call, ident: str, ask: Callable[[str], bytes]) -> bytes:
    """Below V91 a cut `.json` may still be part of the name: it is tried second (facts §1)."""
    if not call.dropped_json:
        return ask(ident)
    try:
        return ask(ident)
    except NotFound:
        return ask(f"{ident}.json")


def within_version(document: dict[str, Any], since: Callable[[str], int], minor: int) -> dict[str, Any]:
    """Null means the default, so it is left out; anything else must not be newer than the request (facts §4).

    Errors: NotAcceptable.
    """
    kept = {}
    for name, value in document.items():
        if value is None:
            continue
        if since(name) > minor:
            if value == "":
                continue
            raise too_new(f"the field {name}", since(name))
        kept[name] = value
    return kept


def _set_to(operation: patches.Operation) -> Any:
    """What a patch sets a field to; None when it takes it away. A word for false is false."""
    if operation.op == "remove":
        return None
    if operation.root == "automated_clean" and operation.value is not None:
        return values.boolean("automated_clean", operation.value)
    return operation.value


def _check_chassis_removal(operations: list[patches.Operation], minor: int) -> None:
    """Errors: NotAcceptable."""
    removed = any(each.path == "/chassis_uuid" and (each.op == "remove" or each.value is None) for each in operations)
    if removed and minor < CHASSIS_REMOVABLE_SINCE:
        raise too_new("the removal of chassis_uuid", CHASSIS_REMOVABLE_SINCE)


class Nodes:
    """Questions and commands on `/v1/nodes`. Idents come as in the path."""

    def __init__(self, inventory: Upstream, sealer: Sealer, gate: Gate) -> None:
        self._inventory = inventory
        self._sealer = sealer
        self._gate = gate
        self.traits = TraitLists(self._query, "traits", self._command, "set-traits")

    def list_nodes(self, call: Call, query: Query, *, all_fields: bool) -> bytes:
        body = listings.parse_list(NODES, query, call.minor, all_fields=all_fields)
        self._gate.check_sort(call, body["sort_key"])
        body["api"] = call.api()
        body["resource_url"] = "nodes/detail" if all_fields else "nodes"
        return self._inventory.query("nodes", body, call.headers())

    def list_nodes_of_chassis(self, call: Call, uuid: str, query: Query, *, all_fields: bool) -> bytes:
        chassis = identifiers.uuid("chassis_uuid", uuid)
        body = listings.parse_list(NODES, query, call.minor, all_fields=all_fields)
        self._gate.check_sort(call, body["sort_key"])
        body["filters"]["chassis_uuid"] = chassis
        body["query"].pop("chassis_uuid", None)
        body["api"] = call.api()
        body["resource_url"] = f"chassis/{chassis}/nodes{'/detail' if all_fields else ''}"
        return self._inventory.query("nodes", body, call.headers())

    def show(self, call: Call, ident: str, query: Query) -> bytes:
        listings.refuse_unknown(query, frozenset({"fields"}))
        body = {"api": call.api(), "fields": listings.parse_fields(NODES, query, call.minor)}
        return either_spelling(call, ident, lambda each: self._query("node", call, each, body))

    def create(self, call: Call, body: Any) -> tuple[str, bytes]:
        """The new node's UUID, made here if the caller gave none, and its document."""
        loaded = schemas.load(schemas.NODE, "node", body)
        identifiers.check_node_name(loaded.get("name"), call.minor)
        node = within_version(loaded, lambda name: NODE_FIELDS[name].since, call.minor)
        if owner := self._gate.own(call, "baremetal:node:create", node.get("owner")):
            node["owner"] = owner
        node = seal_document(node, self._sealer)
        uuid: str = node.setdefault("uuid", str(uuid4()))
        return uuid, self._inventory.command("create-node", {"api": call.api(), "node": node}, call.headers())

    def update(self, call: Call, ident: str, patch: Any, query: Query) -> bytes:
        listings.refuse_unknown(query, frozenset({"reset_interfaces"}))
        operations = patches.parse(patch, NODE_FIELDS, call.minor, mandatory=("driver",))
        _check_chassis_removal(operations, call.minor)
        reset = self._resets_interfaces(call, operations, query)
        rules = guards.node_rules((each.root, _set_to(each)) for each in operations)
        self._gate.require(call, ident, *rules)
        denied = [] if "/owner" not in {each.path for each in operations} else self._gate.denied(call, ident, OF_ACTIVE)
        sealed = [seal_operation(self._typed(operation, call), self._sealer) for operation in operations]
        body = {"api": call.api(), "patch": sealed, "reset_interfaces": reset, "denied": denied}
        return either_spelling(call, ident, lambda each: self._command("update-node", call, each, body))

    def delete(self, call: Call, ident: str) -> None:
        body = {"api": call.api()}
        either_spelling(call, ident, lambda each: self._command("delete-node", call, each, body))

    def validate(self, call: Call, ident: str) -> bytes:
        return self._query("validate-node", call, ident, {"api": call.api()})

    def validate_named(self, call: Call, ident: str) -> bytes:
        """The node stands in the query, so it has not been judged yet."""
        call, uuid = self._gate.enter(call, guards.NODE, ident, "baremetal:node:validate")
        return self.validate(call, uuid or ident)

    def set_maintenance(self, call: Call, ident: str, body: Any) -> None:
        given = read_arguments(body, REASON)
        change = {"api": call.api(), "on": True, "reason": given.get("reason")}
        self._command("set-maintenance", call, ident, change)

    def clear_maintenance(self, call: Call, ident: str) -> None:
        self._command("set-maintenance", call, ident, {"api": call.api(), "on": False, "reason": None})

    def _query(self, verb: str, call: Call, ident: str, body: dict[str, Any]) -> bytes:
        given = identifiers.from_path("node", ident, call.minor)
        return self._inventory.query(verb, body | {"ident": given}, call.headers())

    def _command(self, verb: str, call: Call, ident: str, body: dict[str, Any]) -> bytes:
        given = identifiers.from_path("node", ident, call.minor)
        return self._inventory.command(verb, body | {"ident": given}, call.headers())

    @staticmethod
    def _typed(operation: patches.Operation, call: Call) -> patches.Operation:
        """The operation with the value of a root field in its one form."""
        if not operation.sets_root:
            return operation
        if operation.root == "name":
            identifiers.check_node_name(operation.value, call.minor)
        value = schemas.load_value(schemas.NODE, "patch", operation.root, operation.value)
        return operation.with_value(value)

    @staticmethod
    def _resets_interfaces(call: Call, operations: list[patches.Operation], query: Query) -> bool:
        if "reset_interfaces" not in query:
            return False
        if call.minor < RESET_INTERFACES_SINCE:
            raise too_new("the query parameter reset_interfaces", RESET_INTERFACES_SINCE)
        reset = values.boolean("reset_interfaces", listings.single("reset_interfaces", query))
        if reset and not any(operation.path == "/driver" for operation in operations):
            raise InvalidRequest("The reset_interfaces parameter can only be used when changing the node's driver.")
        return reset
