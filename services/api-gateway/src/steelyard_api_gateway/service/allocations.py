"""Allocations: a node of a class for whoever asks (facts §13). Which node, and when, is inventory's to find."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import orjson
from steelyard_common.contracts.recipes import ALLOCATION_FIELDS
from steelyard_common.errors import Forbidden, InvalidRequest

from ..domain import identifiers, listings, patches, recipe_listings, traits
from ..domain.listings import Query
from ..domain.recipe_listings import ALLOCATIONS
from ..domain.values import plain
from ..drivers import Upstream
from . import schemas
from .access import Gate
from .call import Call
from .nodes import either_spelling, within_version
from .schemas import ALLOCATION_BODY_FIELDS

SINCE = {name: field.since for name, field in ALLOCATION_BODY_FIELDS.items()}


class Allocations:
    """Questions and commands on `/v1/allocations` and `/v1/nodes/{n}/allocation`."""

    def __init__(self, inventory: Upstream, gate: Gate) -> None:
        self._inventory = inventory
        self._gate = gate

    def list_all(self, call: Call, query: Query) -> bytes:
        recipe_listings.without_detail(query)
        body = listings.parse_list(ALLOCATIONS, query, call.minor)
        body |= {"api": call.api(), "resource_url": "allocations"}
        return self._inventory.query("allocations", body, call.headers())

    def show(self, call: Call, ident: str, query: Query) -> bytes:
        body = self._fields(call, query)

        def ask(each: str) -> bytes:
            named = body | {"ident": identifiers.from_path("allocation", each, call.minor)}
            return self._inventory.query("allocation", named, call.headers())

        return either_spelling(call, ident, ask)

    def show_of_node(self, call: Call, ident: str, query: Query) -> bytes:
        body = self._fields(call, query) | {"ident": identifiers.from_path("node", ident, call.minor)}
        return self._inventory.query("node-allocation", body, call.headers())

    def create(self, call: Call, body: Any) -> tuple[str, bytes]:
        """The new allocation's UUID and its document. With ``node`` the UUID may be that node's instance's."""
        loaded = schemas.load(schemas.ALLOCATION, "allocation", body)
        record = within_version(loaded, SINCE.__getitem__, call.minor)
        _check_name(record.get("name"), call.minor)
        restricted = "baremetal:allocation:create_restricted"
        if owner := self._gate.own(call, restricted, record.get("owner"), refuse=Forbidden):
            record["owner"] = owner
        if "traits" in record:
            record["traits"] = traits.check_list("traits", record["traits"])
        if "candidate_nodes" in record:
            record["candidate_nodes"] = [
                identifiers.from_query("candidate_nodes", _text(each), call.minor) for each in record["candidate_nodes"]
            ]
        if "node" in record:
            record["node"] = identifiers.from_query("node", record["node"], call.minor)
        else:
            record.setdefault("uuid", str(uuid4()))
        answer = self._inventory.command("create-allocation", {"api": call.api(), "record": record}, call.headers())
        uuid: str = record.get("uuid") or orjson.loads(answer)["uuid"]
        return uuid, answer

    def update(self, call: Call, ident: str, patch: Any) -> bytes:
        operations = patches.parse(patch, ALLOCATION_FIELDS, call.minor, mandatory=())
        body = {"api": call.api(), "patch": [_typed(each, call.minor).to_dict() for each in operations]}
        return self._tell("update-allocation", call, ident, body)

    def delete(self, call: Call, ident: str) -> None:
        self._tell("delete-allocation", call, ident, {"api": call.api()})

    def delete_of_node(self, call: Call, ident: str) -> None:
        body = {"api": call.api(), "ident": identifiers.from_path("node", ident, call.minor)}
        self._inventory.command("delete-node-allocation", body, call.headers())

    @staticmethod
    def _fields(call: Call, query: Query) -> dict[str, Any]:
        recipe_listings.only_fields(query)
        return {"api": call.api(), "fields": listings.parse_fields(ALLOCATIONS, query, call.minor)}

    def _tell(self, verb: str, call: Call, ident: str, body: dict[str, Any]) -> bytes:
        def tell(each: str) -> bytes:
            named = body | {"ident": identifiers.from_path("allocation", each, call.minor)}
            return self._inventory.command(verb, named, call.headers())

        return either_spelling(call, ident, tell)


def _typed(operation: patches.Operation, minor: int) -> patches.Operation:
    """The operation with the value of a root field in its one form."""
    if not operation.sets_root:
        return operation
    if operation.root == "name":
        _check_name(operation.value, minor)
    value = schemas.load_value(schemas.ALLOCATION, "allocation", operation.root, operation.value)
    return operation.with_value(value)


def _check_name(name: Any, minor: int) -> None:
    """Errors: InvalidRequest."""
    if name is not None and not identifiers.is_name(name, minor):
        raise InvalidRequest(f"Cannot create allocation with invalid name '{plain(name)}'")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidRequest(f"Expected UUID or name for candidate_nodes: {plain(value)}")
    return value
