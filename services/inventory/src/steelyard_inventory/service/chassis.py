"""What can be asked about chassis, and done to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection
from steelyard_common.contracts.records import CHASSIS_DEFAULT_FIELDS
from steelyard_common.db import Database, Transaction
from steelyard_common.errors import InvalidRequest

from ..domain import patches
from ..domain.node_rules import changed
from ..domain.projection import Change, Fact
from ..domain.record_rules import CHASSIS as FORM
from ..store import nodes, pages, render, versions
from ..store.records import CHASSIS
from ..store.render import Document, Plan
from ..store.sql import Row
from .context import Api, Asked
from .lifecycle import Caller
from .outgoing import emit_events
from .workers import Clock


class Chassis:
    """Queries and commands on chassis."""

    def __init__(self, database: Database, site: str, clock: Clock) -> None:
        self._database = database
        self._site = site
        self._clock = clock

    def list_all(self, asked: Asked, api: Api) -> bytes:
        """Errors: NotFound (the marker), InvalidRequest."""
        plan = CHASSIS.plan(api.minor, asked.columns(CHASSIS_DEFAULT_FIELDS))
        with self._database.read() as connection:
            rows = pages.rows(CHASSIS.listing, connection, plan, asked.page, asked.filters)
        return asked.answer(api, "chassis", _documents(plan, rows, api), rows[-1][plan.uuid_at] if rows else None)

    def show(self, ident: str, fields: Sequence[str] | None, api: Api) -> bytes:
        """Errors: NotFound."""
        with self._database.read() as connection:
            return _document(connection, ident, fields, api)

    def create(self, given: Mapping[str, Any], api: Api, caller: Caller) -> bytes:
        """→ the whole document. Errors: InvalidRequest, Conflict."""
        record = FORM.completed(given)
        record["uuid"] = record["uuid"] or str(uuid4())
        now = self._clock()
        with self._database.begin() as transaction:
            CHASSIS.insert(transaction.connection, record)
            self._tell(transaction, "chassis-created", record, record, caller, now)
            return _document(transaction.connection, record["uuid"], None, api)

    def update(self, ident: str, patch: Any, api: Api, caller: Caller) -> bytes:
        """→ the whole document. Errors: InvalidRequest, NotFound."""
        operations = patches.parse(patch, allowed=FORM.writable, minor=api.minor)
        now = self._clock()
        with self._database.begin() as transaction:
            connection = transaction.connection
            record = CHASSIS.take(connection, ident)
            versions.require(connection, CHASSIS.listing.table, record["uuid"], caller.if_match)
            after = FORM.completed(patches.apply({name: record[name] for name in FORM.writable}, operations))
            if after["uuid"] != record["uuid"]:
                raise InvalidRequest("Cannot overwrite UUID for an existing Chassis.")
            if delta := changed(record, after):
                CHASSIS.update(connection, record, delta, now)
                self._tell(transaction, "chassis-updated", record, delta, caller, now)
            return _document(connection, record["uuid"], None, api)

    def delete(self, ident: str, caller: Caller) -> None:
        """Errors: NotFound, InvalidRequest while it holds nodes."""
        now = self._clock()
        with self._database.begin() as transaction:
            connection = transaction.connection
            record = CHASSIS.take(connection, ident)
            versions.require(connection, CHASSIS.listing.table, record["uuid"], caller.if_match)
            if nodes.any_in_chassis(connection, record["uuid"]):
                raise InvalidRequest(
                    f"Cannot complete the requested action because chassis {record['uuid']} contains nodes."
                )
            CHASSIS.delete(connection, record)
            self._tell(transaction, "chassis-deleted", record, {}, caller, now)

    def _tell(
        self,
        transaction: Transaction,
        fact: str,
        record: Mapping[str, Any],
        delta: Mapping[str, Any],
        caller: Caller,
        now: datetime,
    ) -> None:
        data = {
            "uuid": record["uuid"],
            "changed": {name: value for name, value in delta.items() if name != "extra" and value is not None},
            "changed_objects": ["extra"] if delta.get("extra") else [],
        }
        change = Change(events=(Fact(name=fact, data=data),))
        emit_events(transaction, self._site, record["uuid"], change, caller.cause, now)


def _documents(plan: Plan, rows: Sequence[Row], api: Api) -> list[Document]:
    """A chassis shows its links to nodes as a list in a list: so does Ironic, and clients take it apart that way."""
    items = render.documents(plan, rows, api.base_url)
    for item in items:
        if "nodes" in item:
            item["nodes"] = [item["nodes"]]
    return items


def _document(connection: Connection, ident: str, fields: Sequence[str] | None, api: Api) -> bytes:
    plan = CHASSIS.plan(api.minor, None if fields is None else tuple(fields))
    row = CHASSIS.shown(connection, plan, ident)
    return render.tagged(_documents(plan, [row], api)[0], row, api.minor)
