"""Group operations: what can be asked of them. What runs them is service/operation_runner.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection
from steelyard_common.contracts.api import MAX_MINOR
from steelyard_common.db import Database, Transaction
from steelyard_common.errors import InvalidRequest

from ..domain import operations as rules
from ..domain.operations import Outcome, Status
from ..domain.progress import ask_abort
from ..domain.step_offer import masked
from ..domain.transitions import verb
from ..domain.values import as_uuid
from ..store import node_pages, workflows
from ..store import operations as store
from ..store.pages import Page
from .context import Api
from .lifecycle import Caller
from .node_views import NodeViews
from .operation_facts import tell
from .workers import Clock

Wake = Callable[[datetime | None], None]
NODES_TOLD = 10  # of those that are wrong, in an error


class Operations:
    """``wake``: tells the runner; ``wake_engine``: the engine, of workflows that were asked to stop."""

    def __init__(
        self, database: Database, site: str, clock: Clock, views: NodeViews, wake: Wake, wake_engine: Wake
    ) -> None:
        self._database = database
        self._site = site
        self._clock = clock
        self._views = views
        self._wake = wake
        self._wake_engine = wake_engine

    def resolve(self, asked: Mapping[str, Any], api: Api) -> list[dict[str, Any]]:
        """The nodes of a selector or a list, as {uuid, name, owner, lessee}, of those that the caller may see.

        Errors: InvalidRequest (none, too many, or a node that is not there)."""
        with self._database.read() as connection:
            return self._resolve(connection, asked, api)

    def create(self, asked: Mapping[str, Any], api: Api, caller: Caller) -> bytes:
        """→ the document. Errors: InvalidRequest, Conflict."""
        now = self._clock()
        if asked["verb"] not in rules.POWER_VERBS:
            verb(asked["verb"])
        with self._database.begin() as transaction:
            connection = transaction.connection
            nodes = self._resolve(connection, asked, api)
            row = {
                "uuid": asked["uuid"], "verb": asked["verb"], "parameters": asked["parameters"],
                "selector": asked["selector"], "parallelism": asked["parallelism"], "total": len(nodes),
                "counts": {Outcome.PENDING: len(nodes)}, "minor": api.minor, "owner": caller.project,
                "visible": api.sight.visible, "cause": caller.cause,
            }  # fmt: skip
            store.insert(connection, row, [node["uuid"] for node in nodes], now)
            made = store.get(connection, row["uuid"])
            tell(transaction, self._site, "started", made, now)
        self._wake(now)
        return orjson.dumps(document(made, api))

    def list_all(self, asked: Mapping[str, Any], api: Api) -> bytes:
        """The newest first."""
        with self._database.read() as connection:
            rows = store.page(connection, {**asked, "owner": api.sight.visible})
        body: dict[str, Any] = {"operations": [document(row, api) for row in rows]}
        if len(rows) == asked["limit"]:
            more = "".join(f"&{name}={asked[name]}" for name in ("status", "verb") if asked[name])
            body["next"] = f"{api.base_url}/v1/operations?limit={asked['limit']}&marker={rows[-1]['uuid']}{more}"
        return orjson.dumps(body)

    def show(self, uuid: str, api: Api) -> bytes:
        """Errors: NotFound."""
        with self._database.read() as connection:
            return orjson.dumps(document(store.get(connection, uuid), api))

    def nodes(self, uuid: str, outcome: str | None, marker: str | None, limit: int, api: Api) -> bytes:
        """Errors: NotFound."""
        with self._database.read() as connection:
            store.get(connection, uuid)
            rows = store.page_of_nodes(connection, uuid, outcome, marker, limit)
        body: dict[str, Any] = {"nodes": [_node_document(row, api) for row in rows]}
        if len(rows) == limit:
            more = f"&outcome={outcome}" if outcome else ""
            page = f"limit={limit}&marker={rows[-1]['node_uuid']}{more}"
            body["next"] = f"{api.base_url}/v1/operations/{uuid}/nodes?{page}"
        return orjson.dumps(body)

    def retry(self, uuid: str, api: Api) -> bytes:
        """Let what failed begin again. → the document. Errors: NotFound, Conflict."""
        now = self._clock()
        with self._database.begin() as transaction:
            row = store.take(transaction.connection, uuid)
            rules.check_retry(Status(row["status"]), row["counts"])
            count = store.retry_failed(transaction.connection, uuid, now)
            counts = row["counts"] | {
                Outcome.FAILED: 0, Outcome.PENDING: row["counts"].get(Outcome.PENDING, 0) + count,
            }  # fmt: skip
            delta = {"status": Status.RUNNING, "counts": counts, "due_at": now, "changed_at": now, "finished_at": None}
            store.update(transaction.connection, row, delta, now)
            if row["finished_at"] is not None:
                tell(transaction, self._site, "started", {**row, **delta}, now)
        self._wake(now)
        return self.show(uuid, api)

    def abort(self, uuid: str, api: Api, *, stops_running: bool) -> bytes:
        """Nothing more begins; ``stops_running``: what runs is asked to stop, else it may finish. → the document.

        Errors: NotFound, Conflict."""
        now = self._clock()
        with self._database.begin() as transaction:
            connection = transaction.connection
            row = store.take(connection, uuid)
            rules.check_abort(Status(row["status"]))
            skipped = store.skip_pending(connection, uuid, now)
            counts = row["counts"] | {
                Outcome.PENDING: 0, Outcome.SKIPPED: row["counts"].get(Outcome.SKIPPED, 0) + skipped,
            }  # fmt: skip
            delta = {"status": Status.ABORTING, "counts": counts, "due_at": now, "changed_at": now}
            store.update(connection, row, delta, now)
            if stops_running:
                _ask_to_stop(transaction, uuid, now)
        self._wake(now)
        self._wake_engine(now)
        return self.show(uuid, api)

    def _resolve(self, connection: Connection, asked: Mapping[str, Any], api: Api) -> list[dict[str, Any]]:
        idents = asked.get("nodes")
        found = self._select(connection, asked["selector"], api) if idents is None else _named(connection, idents, api)
        if not found:
            raise InvalidRequest("No node fits the selector: there is nothing to do.")
        if len(found) > rules.MOST_NODES:
            raise InvalidRequest(f"An operation takes {rules.MOST_NODES} nodes at most; narrow the selector.")
        return found

    def _select(self, connection: Connection, filters: Mapping[str, Any], api: Api) -> list[dict[str, Any]]:
        plan = node_pages.plan(MAX_MINOR, ("uuid", "name", "owner", "lessee"))
        rows = self._views.select(connection, plan, Page(limit=rules.MOST_NODES + 1), filters, api)
        return [dict(zip(plan.names, row, strict=False)) for row in rows]


def _named(connection: Connection, idents: Sequence[str], api: Api) -> list[dict[str, Any]]:
    """Each once, in the order in which they were named. Errors: InvalidRequest."""
    known = store.by_idents(connection, [each for each in idents if as_uuid(each)], list(idents))
    found: dict[str, dict[str, Any]] = {}
    missing = []
    for ident in idents:
        node = known.get(as_uuid(ident) or ident)
        if node is None or not api.sight.sees(node):
            missing.append(ident)
        else:
            found[node["uuid"]] = node
    if missing:
        some = ", ".join(each[:255] for each in missing[:NODES_TOLD])
        raise InvalidRequest(f"Node {some} could not be found{f' ({len(missing)} in all)' if missing[1:] else ''}.")
    return list(found.values())


def _ask_to_stop(transaction: Transaction, uuid: str, now: datetime) -> None:
    connection = transaction.connection
    loaded = workflows.load(connection, store.running(connection, uuid))
    changed = [
        workflows.Written(run=run, before=each.run, patch={})
        for each in loaded
        if (run := ask_abort(each.run, now)) is not each.run
    ]
    if changed:
        workflows.save(connection, changed, now)


def document(row: Mapping[str, Any], api: Api) -> dict[str, Any]:
    """An operation as the API shows it; secrets in parameters are ******."""
    href = f"{api.base_url}/v1/operations/{row['uuid']}"
    cause = {name: value for name, value in row["cause"].items() if name in ("user", "project", "request_id")}
    return {
        "uuid": row["uuid"], "verb": row["verb"], "parameters": masked(row["parameters"]),
        "selector": row["selector"], "parallelism": row["parallelism"], "status": row["status"],
        "progress": rules.progress(row["counts"], row["total"]), "total": row["total"],
        "counts": {outcome.value: row["counts"].get(outcome, 0) for outcome in Outcome}, "owner": row["owner"],
        "cause": cause, "created_at": row["created_at"], "updated_at": row["updated_at"],
        "finished_at": row["finished_at"],
        "links": [{"href": href, "rel": "self"}, {"href": f"{href}/nodes", "rel": "nodes"}],
    }  # fmt: skip


def _node_document(row: Mapping[str, Any], api: Api) -> dict[str, Any]:
    return {
        "node_uuid": row["node_uuid"], "node_name": row["node_name"], "outcome": row["outcome"], "error": row["error"],
        "workflow": row["workflow_uuid"], "attempt": row["round"], "started_at": row["started_at"],
        "finished_at": row["finished_at"],
        "links": [{"href": f"{api.base_url}/v1/nodes/{row['node_uuid']}", "rel": "node"}],
    }  # fmt: skip
