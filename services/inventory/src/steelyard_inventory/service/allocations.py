"""What can be asked about allocations, and done to them. Looking for nodes is ``matching``'s.

Whoever frees a node takes its row first and the allocation's second (store/allocations).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection
from steelyard_common.contracts.recipes import ALLOCATION_DEFAULT_FIELDS
from steelyard_common.db import Database, Transaction
from steelyard_common.errors import Forbidden, InvalidRequest, NotFound, Unavailable

from ..domain import allocation_rules as rules
from ..domain import patches, placement
from ..domain.projection import Change
from ..store import allocations, nodes, pages, render, tables, versions
from .allocation_facts import node_fact, tell
from .context import Api, Asked, Sight
from .lifecycle import Caller
from .nodes import require_free, seen_node
from .outgoing import emit_events
from .quotas import require_room
from .workers import Clock

Record = Mapping[str, Any]
LOOKS = 5  # at an allocation that gets its node between two looks


class Allocations:
    """``wake``: called after an allocation was made that waits for a node; ``quota``: of projects without their own."""

    def __init__(
        self,
        database: Database,
        site: str,
        clock: Clock,
        wake: Callable[[datetime], None],
        quota: Mapping[str, int] | None = None,
    ) -> None:
        self._database = database
        self._quota = quota or {}
        self._site = site
        self._clock = clock
        self._wake = wake

    def list_all(self, asked: Asked, api: Api) -> bytes:
        """Errors: NotFound (the marker), InvalidRequest (the node)."""
        plan = allocations.plan(api.minor, asked.columns(ALLOCATION_DEFAULT_FIELDS))
        filters = api.sight.narrowed({name: value for name, value in asked.filters.items() if name != "node"})
        with self._database.read() as connection:
            if "node" in asked.filters:
                filters["node_uuid"] = _named(connection, asked.filters["node"], api.sight)["uuid"]
            rows = pages.rows(allocations.LISTING, connection, plan, asked.page, filters)
        items = render.documents(plan, rows, api.base_url)
        return asked.answer(api, "allocations", items, rows[-1][plan.uuid_at] if rows else None)

    def show(self, ident: str, fields: Sequence[str] | None, api: Api) -> bytes:
        """Errors: NotFound."""
        with self._database.read() as connection:
            return _document(connection, ident, fields, api)

    def show_of_node(self, ident: str, fields: Sequence[str] | None, api: Api) -> bytes:
        """Errors: NotFound."""
        with self._database.read() as connection:
            return _document(connection, _of_node(nodes.get(connection, ident)), fields, api)

    def create(self, given: Record, api: Api, caller: Caller) -> bytes:
        """→ the whole document, ``allocating``; or ``active`` when it names the node that it is recorded for.

        Errors: InvalidRequest, Conflict, Forbidden, Busy."""
        node_ident = given.get("node")
        record = rules.completed(given, minor=api.minor, backfills=node_ident is not None)
        record |= placement.completed(given, backfills=node_ident is not None)
        now = self._clock()
        with self._database.begin() as transaction:
            connection = transaction.connection
            record["candidate_nodes"] = _candidates(connection, record["candidate_nodes"], api.sight)
            for name in placement.RULES:
                record[name] = _resolved(connection, name, record[name], record["owner"], api.sight)
            record["cause"] = dict(caller.cause)
            if node_ident is None:
                self._charge(connection, record)
                record |= {"uuid": record["uuid"] or str(uuid4()), "state": rules.ALLOCATING, "due_at": now}
                allocations.insert(connection, record)
                tell(transaction, self._site, "created", record, record["cause"], now)
            else:
                self._backfill(transaction, record, node_ident, api.sight, now)
            answer = _document(connection, record["uuid"], None, api)
        if node_ident is None:
            self._wake(now)
        return answer

    def update(self, ident: str, patch: Any, api: Api, caller: Caller) -> bytes:
        """→ the whole document. Errors: InvalidRequest, NotFound, Conflict."""
        operations = patches.parse(patch, allowed=rules.PATCHABLE, minor=api.minor)
        now = self._clock()
        with self._database.begin() as transaction:
            connection = transaction.connection
            row = allocations.take(connection, ident)
            versions.require(connection, tables.allocations, row["uuid"], caller.if_match)
            before = {name: row[name] for name in rules.PATCHABLE}
            delta = rules.changed(before, patches.apply(before, operations), minor=api.minor)
            if delta:
                allocations.update(connection, row, delta, now)
                tell(transaction, self._site, "updated", {**row, **delta}, caller.cause, now)
            return _document(connection, row["uuid"], None, api)

    def delete(self, ident: str, caller: Caller) -> None:
        """Errors: NotFound, Conflict, Busy."""
        with self._database.read() as connection:
            found = allocations.get(connection, ident)
        for _ in range(LOOKS):
            if self._deleted(found["uuid"], caller):
                return
        raise Unavailable(f"Allocation {ident} changes too quickly; try again.")

    def delete_of_node(self, ident: str, caller: Caller) -> None:
        """Errors: NotFound, Conflict, Busy."""
        with self._database.read() as connection:
            uuid = _of_node(nodes.get(connection, ident))
        self.delete(uuid, caller)

    def _deleted(self, uuid: str, caller: Caller) -> bool:
        """False: it got its node between the look and the lock, and nothing was done."""
        now = self._clock()
        with self._database.begin() as transaction:
            connection = transaction.connection
            seen = allocations.get(connection, uuid)
            node = nodes.take(connection, seen["node_uuid"]) if seen["node_uuid"] else None
            row = allocations.take(connection, uuid)
            if row["node_uuid"] != seen["node_uuid"]:
                return False
            versions.require(connection, tables.allocations, uuid, caller.if_match)
            if node is not None:
                require_free(connection, node, now)
                rules.check_may_free(uuid, node)
                self._change_node(transaction, node, rules.freed(node), caller.cause, now)
            allocations.delete(connection, row)
            tell(transaction, self._site, "deleted", row, caller.cause, now)
        return True

    def _backfill(
        self, transaction: Transaction, record: dict[str, Any], ident: Any, sight: Sight, now: datetime
    ) -> None:
        """Record that a node in use belongs to this allocation; the UUID is its instance's unless the caller chose."""
        connection = transaction.connection
        node = _named(connection, ident, sight, taken=True)
        record["uuid"] = record["uuid"] or node["instance_uuid"] or str(uuid4())
        record["resource_class"] = record["resource_class"] or node["resource_class"]
        require_free(connection, node, now)
        rules.check_may_backfill(record, node)
        if record["owner"] != node["lessee"] or record["owner"] == node["owner"]:  # else it counts already
            self._charge(connection, record)
        record |= {"state": rules.ACTIVE, "node_uuid": node["uuid"]}
        allocations.insert(connection, record)
        tell(transaction, self._site, "created", record, record["cause"], now)
        self._change_node(transaction, node, rules.taken(record, node), record["cause"], now)

    def _charge(self, connection: Connection, record: Record) -> None:
        """Errors: Forbidden, over the quota of its owner; Conflict for one that is there and counts already: whoever
        asks again, because the answer was lost, must not be told that it was refused."""
        if record["owner"] is None:
            return
        try:
            require_room(connection, self._quota, record["owner"], record["resource_class"])
        except Forbidden:
            allocations.refuse_known(connection, record)
            raise

    def _change_node(
        self, transaction: Transaction, node: Record, delta: Record, cause: Mapping[str, Any], now: datetime
    ) -> None:
        nodes.update(transaction.connection, node, delta, now)
        fact = node_fact(node["uuid"], node["name"], delta["instance_uuid"])
        emit_events(transaction, self._site, node["uuid"], Change(events=(fact,)), cause, now)


def _document(connection: Connection, ident: str, fields: Sequence[str] | None, api: Api) -> bytes:
    plan = allocations.plan(api.minor, None if fields is None else tuple(fields))
    row = pages.row(allocations.LISTING, connection, plan, ident)
    return render.tagged(render.documents(plan, [row], api.base_url)[0], row, api.minor)


def _of_node(node: Record) -> str:
    uuid: str | None = node["allocation_uuid"]
    if uuid is None:
        raise NotFound(f"Allocation for node {node['uuid']} could not be found.")
    return uuid


def _candidates(connection: Connection, idents: Sequence[str], sight: Sight) -> list[str]:
    """UUIDs, each once. Errors: InvalidRequest."""
    return list(dict.fromkeys(str(_named(connection, ident, sight)["uuid"]) for ident in idents))


def _resolved(
    connection: Connection, name: str, rule: dict[str, Any] | None, owner: str | None, sight: Sight
) -> dict[str, Any] | None:
    """Those that it names, by UUID: allocations of its owner, or nodes. Errors: InvalidRequest."""
    if rule is None or "with" not in rule:
        return rule
    return rule | {"with": [_other(connection, name, ident, owner, sight) for ident in rule["with"]]}


def _other(connection: Connection, name: str, ident: str, owner: str | None, sight: Sight) -> str:
    try:
        found = allocations.get(connection, ident)
        if sight.visible is None or found["owner"] == owner:
            return str(found["uuid"])
    except NotFound:
        pass
    try:
        return str(seen_node(connection, ident, sight)["uuid"])
    except NotFound as error:
        raise InvalidRequest(f"{name}: there is no allocation and no node {ident[:255]}.") from error


def _named(connection: Connection, ident: Any, sight: Sight, *, taken: bool = False) -> dict[str, Any]:
    """A node that a body or a query names: when it is not there the request is wrong. Errors: InvalidRequest."""
    try:
        node = seen_node(connection, str(ident), sight)
        return nodes.take(connection, node["uuid"]) if taken else node
    except NotFound as error:
        raise InvalidRequest(error.message) from error
