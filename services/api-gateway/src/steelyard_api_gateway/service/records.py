"""Chassis, port groups, volume connectors and targets: records that are asked for and changed in the same way.

What differs stands in a ``Shape``. References and guards are inventory's (contracts page).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from marshmallow import Schema
from steelyard_common.contracts.api import Field
from steelyard_common.contracts.records import (
    CHASSIS_FIELDS,
    CONNECTOR_FIELDS,
    PORTGROUP_FIELDS,
    TARGET_FIELDS,
    TARGET_SEALED,
)
from steelyard_common.errors import InvalidRequest
from steelyard_common.secrets import Sealer

from ..domain import identifiers, listings, patches, record_listings
from ..domain.listings import Listing, Query
from ..domain.values import plain
from ..drivers import Upstream
from . import schemas
from .access import Gate
from .call import Call
from .nodes import either_spelling, within_version
from .sealing import seal_document, seal_operation


def _no_name(value: Any, minor: int) -> None:
    del value, minor


def _group_name(value: Any, minor: int) -> None:
    """Errors: InvalidRequest."""
    if value is not None and (not identifiers.is_name(value, minor) or value == "detail"):
        raise InvalidRequest(f"'{plain(value)}' cannot be the name of a port group: it is no logical name, or reserved")


@dataclass(frozen=True, kw_only=True)
class Shape:
    """``one``, ``many``: words of inventory's verbs; ``path``: below `/v1`; ``sealed``: objects with secrets."""

    one: str
    many: str
    path: str
    listing: Listing
    fields: dict[str, Field]
    schema: Schema
    mandatory: Collection[str] = ()
    sealed: dict[str, frozenset[str]] = field(default_factory=dict)
    has_names: bool = False
    needs_of_node: str = ""  # the rule about the node that a new one is put to
    check_name: Callable[[Any, int], None] = _no_name
    check_filters: Callable[[Iterable[str]], None] = lambda _: None


CHASSIS = Shape(
    one="chassis",
    many="all-chassis",
    path="chassis",
    listing=record_listings.CHASSIS,
    # A patch may name the UUID, as long as it stays what it is.
    fields=CHASSIS_FIELDS | {"uuid": Field("uuid", "string", create=True, patch=True)},
    schema=schemas.CHASSIS,
    mandatory=("uuid",),
)
PORTGROUP = Shape(
    one="portgroup",
    many="portgroups",
    path="portgroups",
    listing=record_listings.PORTGROUPS,
    fields=PORTGROUP_FIELDS,
    schema=schemas.PORTGROUP,
    mandatory=("mode",),
    has_names=True,
    needs_of_node="baremetal:portgroup:create",
    check_name=_group_name,
    check_filters=record_listings.check_portgroup_filters,
)
CONNECTOR = Shape(
    one="volume-connector",
    many="volume-connectors",
    path="volume/connectors",
    listing=record_listings.CONNECTORS,
    fields=CONNECTOR_FIELDS,
    schema=schemas.CONNECTOR,
    mandatory=("type", "connector_id"),
    needs_of_node="baremetal:volume:create",
)
TARGET = Shape(
    one="volume-target",
    many="volume-targets",
    path="volume/targets",
    listing=record_listings.TARGETS,
    fields=TARGET_FIELDS,
    schema=schemas.TARGET,
    mandatory=("volume_type", "boot_index", "volume_id"),
    sealed={name: frozenset() for name in TARGET_SEALED},
    needs_of_node="baremetal:volume:create",
)


class Records:
    """Questions and commands on one kind of record. Idents come as in the path."""

    def __init__(self, inventory: Upstream, sealer: Sealer, gate: Gate, shape: Shape) -> None:
        self._inventory = inventory
        self._sealer = sealer
        self._gate = gate
        self._shape = shape
        self._below_node = record_listings.without_filters(shape.listing)

    @property
    def path(self) -> str:
        return self._shape.path

    @property
    def fields(self) -> Collection[str]:
        return self._shape.listing.fields

    def list_all(self, call: Call, query: Query, *, all_fields: bool = False) -> bytes:
        body = listings.parse_list(self._shape.listing, query, call.minor, all_fields=all_fields)
        self._shape.check_filters(body["filters"])
        return self._list(call, body, f"{self.path}/detail" if all_fields else self.path)

    def list_of_node(self, call: Call, ident: str, query: Query, *, all_fields: bool = False) -> bytes:
        node = identifiers.from_path("node", ident, call.minor)
        body = listings.parse_list(self._below_node, query, call.minor, all_fields=all_fields)
        body["filters"]["node_ident"] = node
        return self._list(call, body, f"nodes/{node}/{self.path}{'/detail' if all_fields else ''}")

    def show(self, call: Call, ident: str, query: Query) -> bytes:
        listings.refuse_unknown(query, frozenset({"fields"}))
        body = {"api": call.api(), "fields": listings.parse_fields(self._shape.listing, query, call.minor)}
        return self._either(
            call, ident, lambda named: self._inventory.query(self._shape.one, named, call.headers()), body
        )

    def create(self, call: Call, body: Any) -> tuple[str, bytes]:
        """The new record's UUID, made here if the caller gave none, and its document."""
        loaded = schemas.load(self._shape.schema, self._shape.one, body)
        record = within_version(loaded, lambda name: self._shape.fields[name].since, call.minor)
        self._shape.check_name(record.get("name"), call.minor)
        if self._shape.needs_of_node:
            self._gate.require_of_named(call, record.get("node_uuid"), self._shape.needs_of_node)
        record = seal_document(record, self._sealer, self._shape.sealed)
        uuid: str = record.setdefault("uuid", str(uuid4()))
        sent = {"api": call.api(), "record": record}
        return uuid, self._inventory.command(f"create-{self._shape.one}", sent, call.headers())

    def update(self, call: Call, ident: str, patch: Any) -> bytes:
        shape = self._shape
        operations = patches.parse(patch, shape.fields, call.minor, mandatory=shape.mandatory)
        typed = [self._typed(operation, call) for operation in operations]
        sent = {
            "api": call.api(),
            "patch": [seal_operation(operation, self._sealer, shape.sealed) for operation in typed],
        }
        verb = f"update-{shape.one}"
        return self._either(call, ident, lambda named: self._inventory.command(verb, named, call.headers()), sent)

    def delete(self, call: Call, ident: str) -> None:
        verb = f"delete-{self._shape.one}"
        sent = {"api": call.api()}
        self._either(call, ident, lambda named: self._inventory.command(verb, named, call.headers()), sent)

    def _list(self, call: Call, body: dict[str, Any], resource_url: str) -> bytes:
        body |= {"api": call.api(), "resource_url": resource_url}
        return self._inventory.query(self._shape.many, body, call.headers())

    def _either(
        self, call: Call, ident: str, ask: Callable[[dict[str, Any]], bytes], body: dict[str, Any]
    ) -> bytes:  # fmt: skip
        if not self._shape.has_names:
            name = f"{self._shape.one.replace('-', '_')}_uuid"
            return ask(body | {"ident": identifiers.uuid(name, ident)})
        kind = self._shape.one
        return either_spelling(
            call, ident, lambda each: ask(body | {"ident": identifiers.from_path(kind, each, call.minor)})
        )

    def _typed(self, operation: patches.Operation, call: Call) -> patches.Operation:
        """The operation with the value of a root field in its one form."""
        if not operation.sets_root:
            return operation
        if operation.root == "name":
            self._shape.check_name(operation.value, call.minor)
        value = schemas.load_value(self._shape.schema, "patch", operation.root, operation.value)
        return operation.with_value(value)
