"""Records that belong to a node: port groups, volume connectors, volume targets.

What they have in common is here: the node is taken first, a change, its event and its answer are one transaction. What
is special about one of them stands in its ``Kind``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection
from steelyard_common.db import Database, Transaction
from steelyard_common.errors import InvalidRequest

from ..domain import patches, sealing
from ..domain.node_rules import changed
from ..domain.projection import Change, Fact
from ..domain.record_rules import Form
from ..store import nodes, pages, render, versions
from ..store.records import Rows
from .context import Api, Asked, Sight
from .lifecycle import Caller
from .nodes import require_free, seen_node
from .outgoing import emit_events
from .workers import Clock

Record = Mapping[str, Any]
TARGET_PROPERTIES = "target_properties"
NODE_FILTERS = ("node_ident", "node", "node_uuid")


@dataclass(frozen=True, kw_only=True)
class Update:
    """A change that rules are asked about. ``node``: where the record is, or is to be; ``delta``: new values."""

    connection: Connection
    record: Record
    node: Record
    delta: Record
    minor: int
    now: datetime


@dataclass(frozen=True, kw_only=True)
class Kind:
    """``name``: in facts (``<name>-created``); ``plural``: a list's key; the checks raise what stands in the way."""

    name: str
    plural: str
    rows: Rows
    form: Form
    default_fields: Sequence[str]
    completed: Callable[[Record, int], dict[str, Any]]
    check_update: Callable[[Update], None]
    check_delete: Callable[[Connection, Record, Record], None]
    after_update: Callable[[Update], None] = lambda _: None


class Attached:
    """Queries and commands on one kind of record."""

    def __init__(self, database: Database, site: str, clock: Clock, kind: Kind) -> None:
        self._database = database
        self._site = site
        self._clock = clock
        self._kind = kind
        self._objects = {name for name, field in kind.form.fields.items() if field.kind == "object"} | {"sealed"}

    def list_all(self, asked: Asked, api: Api) -> bytes:
        """Errors: NotFound (the marker, the node), InvalidRequest."""
        kind = self._kind
        plan = self._plan(api, asked.columns(kind.default_fields))
        filters = api.sight.narrowed({name: value for name, value in asked.filters.items() if name not in NODE_FILTERS})
        with self._database.read() as connection:
            idents = [asked.filters[name] for name in NODE_FILTERS if asked.filters.get(name)]
            uuids = {seen_node(connection, ident, api.sight)["uuid"] for ident in idents}
            if len(uuids) > 1:
                return asked.answer(api, kind.plural, [], None)
            if uuids:
                filters["node_uuid"] = uuids.pop()
            rows = pages.rows(kind.rows.listing, connection, plan, asked.page, filters)
        items = render.documents(plan, rows, api.base_url)
        return asked.answer(api, kind.plural, items, rows[-1][plan.uuid_at] if rows else None)

    def show(self, ident: str, fields: Sequence[str] | None, api: Api) -> bytes:
        """Errors: NotFound."""
        with self._database.read() as connection:
            return self._document(connection, ident, fields, api)

    def create(self, given: Record, api: Api, caller: Caller) -> bytes:
        """→ the whole document. Errors: InvalidRequest, Conflict."""
        record = self._kind.completed(given, api.minor)
        ident = given.get("node_uuid")
        if not isinstance(ident, str):
            raise InvalidRequest("Schema error: 'node_uuid' is a required property")
        record["uuid"] = record["uuid"] or str(uuid4())
        now = self._clock()
        with self._database.begin() as transaction:
            connection = transaction.connection
            node = nodes.find(connection, ident)
            if node is None:
                raise InvalidRequest(f"Node {ident} could not be found.")
            record["node_uuid"] = nodes.take(connection, node["uuid"])["uuid"]
            row = self._split(record)
            self._kind.rows.insert(connection, row)
            self._tell(transaction, "created", row, row, caller, now)
            return self._document(connection, record["uuid"], None, api)

    def update(self, ident: str, patch: Any, api: Api, caller: Caller) -> bytes:
        """→ the whole document. Errors: InvalidRequest, NotFound, Conflict, Busy."""
        operations = patches.parse(patch, allowed=self._kind.form.patchable, minor=api.minor)
        now = self._clock()
        with self._database.begin() as transaction:
            connection = transaction.connection
            record = self._kind.rows.get(connection, ident)
            place = self._patched(record, operations).get("node_uuid")
            held = _hold_nodes(connection, record["node_uuid"], place, api.sight)
            for node in held:
                require_free(connection, node, now)
            record = self._kind.rows.get(connection, record["uuid"])  # as it is now that its node is held
            versions.require(connection, self._kind.rows.listing.table, record["uuid"], caller.if_match)
            after = self._kind.completed(self._patched(record, operations), api.minor)
            after |= {"node_uuid": held[-1]["uuid"], "uuid": record["uuid"]}
            delta = changed(record, self._split(after))
            for node in held:
                self._check(connection, record, node, delta, api.minor, now)
            if delta:
                self._kind.rows.update(connection, record, delta, now)
                self._kind.after_update(_update(connection, record, held[-1], delta, api.minor, now))
                self._tell(transaction, "updated", record | delta, delta, caller, now)
            return self._document(connection, record["uuid"], None, api)

    def delete(self, ident: str, caller: Caller) -> None:
        """Errors: NotFound, InvalidRequest, Busy."""
        now = self._clock()
        with self._database.begin() as transaction:
            connection = transaction.connection
            record = self._kind.rows.get(connection, ident)
            node = nodes.take(connection, record["node_uuid"])
            versions.require(connection, self._kind.rows.listing.table, record["uuid"], caller.if_match)
            require_free(connection, node, now)
            self._kind.check_delete(connection, record, node)
            self._kind.rows.delete(connection, record)
            self._tell(transaction, "deleted", record, {}, caller, now)

    def _check(
        self, connection: Connection, record: Record, node: Record, delta: Record, minor: int, now: datetime
    ) -> None:
        self._kind.check_update(_update(connection, record, node, delta, minor, now))

    def _patched(self, record: Record, operations: Sequence[patches.Operation]) -> dict[str, Any]:
        """The record as the patch leaves it, secrets as their tokens."""
        sealed = record.get("sealed", {})
        before = {name: record[name] for name in self._kind.form.writable}
        for name in self._kind.form.sealed:
            before[name] = sealing.joined(record[name], sealed.get(name, {}))
        return patches.apply(before, [sealing.with_kept_secrets(each, sealed) for each in operations])

    def _split(self, record: dict[str, Any]) -> dict[str, Any]:
        """The record as it is stored: secrets apart from what is shown."""
        if not self._kind.form.sealed:
            return record
        row, hidden = dict(record), {}
        for name in self._kind.form.sealed:
            row[name], sealed = sealing.split(name, record[name])
            if sealed:
                hidden[name] = sealed
        return row | {"sealed": hidden}

    def _tell(
        self, transaction: Transaction, what: str, record: Record, delta: Record, caller: Caller, now: datetime
    ) -> None:
        plain = {name: value for name, value in delta.items() if name not in self._objects and value is not None}
        named = {name for name in self._objects & delta.keys() if delta[name] and name != "sealed"}
        data = {"uuid": record["uuid"], "changed": plain, "changed_objects": sorted(named)}
        fact = Fact(name=f"{self._kind.name}-{what}", data=data)
        emit_events(transaction, self._site, record["node_uuid"], Change(events=(fact,)), caller.cause, now)

    def _plan(self, api: Api, fields: tuple[str, ...] | None) -> render.Plan:
        rows = self._kind.rows
        is_blanked = self._kind.name == "volume-target" and (TARGET_PROPERTIES, ()) in api.sight.redacted
        return rows.without_properties(api.minor, fields) if is_blanked else rows.plan(api.minor, fields)

    def _document(self, connection: Connection, ident: str, fields: Sequence[str] | None, api: Api) -> bytes:
        plan = self._plan(api, None if fields is None else tuple(fields))
        row = self._kind.rows.shown(connection, plan, ident)
        return render.tagged(render.documents(plan, [row], api.base_url)[0], row, api.minor)


def _update(
    connection: Connection, record: Record, node: Record, delta: Record, minor: int, now: datetime
) -> Update:  # fmt: skip
    return Update(connection=connection, record=record, node=node, delta=delta, minor=minor, now=now)


def _hold_nodes(connection: Connection, current: str, place: Any, sight: Sight) -> list[dict[str, Any]]:
    """The nodes that a change concerns, taken in id order; the last one is where the record will be.

    Errors: InvalidRequest when that is not there, hidden, or another owner's: which of these is not told.
    """
    if place is None or place == current:
        return [nodes.take(connection, current)]
    target = nodes.find(connection, place) if isinstance(place, str) else None
    source = nodes.get(connection, current)
    if target is None or not sight.sees(target) or target["owner"] != source["owner"]:
        raise InvalidRequest("Unable to apply the requested node_uuid. Requested value was invalid.")
    idents = sorted({(each["id"], each["uuid"]) for each in (source, target)})
    taken = [nodes.take(connection, uuid) for _, uuid in idents]
    return sorted(taken, key=lambda node: bool(node["uuid"] == target["uuid"]))
