"""The timeline of each node: written from everybody's events, read a page at a time; Ironic's history is a view of it.

Durations of what ended well are kept beside it, with the rows that brought them: nothing ever scans the timeline.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import orjson
from sqlalchemy import Connection
from steelyard_common.db import Database
from steelyard_common.errors import NotFound
from steelyard_common.telemetry import get_logger

from ..domain.estimates import KEEP
from ..domain.timeline_entries import Entry
from ..domain.values import as_uuid
from ..store import nodes
from ..store import timeline as store
from ..store.render import not_shown
from ..store.timeline import Asked
from .context import Api
from .workers import Clock, Workers

log = get_logger(__name__)
HISTORY_ENTRIES = 300  # Ironic keeps as many of a node
CHORES_EVERY_S = 3600.0
SHORT_EVENT = 255
DETAIL_SINCE = {"project": 113, "state": 115, "target_provision_state": 115, "duration_seconds": 115}
SHORT = ("uuid", "created_at", "severity", "event")
FAILED = frozenset({"failed", "aborted"})
# A detail of an entry → the field of the node that tells the same.
TELLS = {"error": "last_error", "reason": "last_error", "message": "last_error", "holder": "reservation"}


class Timeline:
    """``days``: how long a row is kept, at least; months go as a whole."""

    def __init__(self, database: Database, workers: Workers, clock: Clock, *, days: int) -> None:
        self._database = database
        self._workers = workers
        self._clock = clock
        self._days = days

    def take(self, entries: Sequence[Entry]) -> None:
        """Write rows, each once whatever comes twice; durations of those that are new."""
        if not entries:
            return
        with self._database.begin() as transaction:
            connection = transaction.connection
            wanted = [each for each in entries if _needs_node(each)]
            named = sorted({each.node_name for each in wanted if each.node_name})
            uuids = store.named(connection, named) if named else {}
            entries = [_resolved(each, uuids) for each in entries]
            wanted = [each for each in entries if each.node_uuid and _needs_node(each)]
            served = store.served(connection, sorted({each.node_uuid for each in wanted})) if wanted else {}
            # What was refused about a node that there is not is no part of anything.
            known = (each for each in entries if each.outcome != "refused" or each.node_uuid in served)
            rows = [self._placed(each, served) for each in {each.uuid: each for each in known}.values()]
            new = store.write(connection, rows) if rows else set()
            drivers = {uuid: driver for uuid, (_, driver, _) in served.items()}
            samples = _samples([each for each in rows if each.uuid in new], drivers)
            if samples:
                store.add_durations(connection, samples, KEEP)

    def _placed(self, entry: Entry, served: Mapping[str, tuple[int, str, str]]) -> Entry:
        """An entry of the history, with the worker that the node is shown with."""
        if entry.event_type is None or entry.node_uuid not in served:
            return entry
        host = self._workers.directory().conductor_of(*served[entry.node_uuid])
        return entry if host is None else replace(entry, detail={**entry.detail, "conductor": host})

    def page(self, ident: str, asked: Asked, api: Api, query: Mapping[str, Any]) -> bytes:
        """``{"timeline": [...], "next"}``, the newest first. Errors: NotFound (node, marker)."""
        with self._database.read() as connection:
            node = _known(connection, ident)
            rows = store.page(connection, node, asked)
            hidden = api.sight.hides(_owned(connection, node)) if api.sight.redacted else frozenset[str]()
        shown = [_veiled(row, hidden) if hidden else orjson.Fragment(row) for row in rows]
        body: dict[str, Any] = {"timeline": shown}
        if len(rows) == asked.limit:
            last = {"limit": asked.limit, "marker": orjson.loads(rows[-1])["id"]}
            body["next"] = _next(api, f"nodes/{ident}/timeline", query, last)
        return orjson.dumps(body)

    def history(self, ident: str, asked: Mapping[str, Any], api: Api) -> dict[str, Any]:
        """Ironic's node history: the newest 300 entries. Errors: NotFound (the node, the marker)."""
        with self._database.read() as connection:
            node = str(nodes.get(connection, ident)["uuid"])
            rows = store.history(connection, node, HISTORY_ENTRIES)
        entries = [_history(row, api, node) for row in _sorted(rows, asked)]
        limit, marker = asked.get("limit") or HISTORY_ENTRIES, asked.get("marker")
        if marker is not None:
            uuids = [entry["uuid"] for entry in entries]
            if marker not in uuids:
                raise NotFound(f"Node history record {marker} could not be found.")
            entries = entries[uuids.index(marker) + 1 :]
        shown = entries[:limit]
        if not asked.get("detail"):
            shown = [_shortened(entry) for entry in shown]
        body: dict[str, Any] = {"history": shown}
        if len(entries) > limit:
            page = {"limit": limit, "marker": shown[-1]["uuid"]} | {
                name: asked[name] for name in ("sort_key", "sort_dir") if asked.get(name)
            }
            body["next"] = _next(api, f"nodes/{ident}/history", asked.get("query") or {}, page)
        return body

    def history_entry(self, ident: str, entry: str, api: Api) -> dict[str, Any]:
        """Errors: NotFound."""
        uuid = as_uuid(entry)
        with self._database.read() as connection:
            node = str(nodes.get(connection, ident)["uuid"])
            row = store.history_entry(connection, node, uuid) if uuid else None
        if row is None:
            raise NotFound(f"Node history record {entry} could not be found.")
        return _history(row, api, node)

    def tidy(self) -> float:
        """Make the months to come; forget those that are too old. → seconds until there may be others"""
        now = self._clock()
        with self._database.begin() as transaction:
            made = store.make_partitions(transaction.connection, now)
            dropped = store.drop_partitions(transaction.connection, now - timedelta(days=self._days))
        if made or dropped:
            log.info("timeline months", made=made, dropped=dropped)
        return CHORES_EVERY_S


def _needs_node(entry: Entry) -> bool:
    return entry.outcome == "refused" or entry.event_type is not None or _is_sample(entry)


def _is_sample(entry: Entry) -> bool:
    """It ended well, so its duration says something."""
    return entry.outcome == "done" and entry.kind in ("step", "workflow")


def _resolved(entry: Entry, uuids: Mapping[str, str]) -> Entry:
    """With the UUID of a node that was called by its name."""
    return replace(entry, node_uuid=uuids.get(entry.node_name, "")) if entry.node_name else entry


def _samples(entries: Sequence[Entry], drivers: Mapping[str, str]) -> dict[tuple[str, str], list[float]]:
    found: dict[tuple[str, str], list[float]] = {}
    for each in entries:
        driver = drivers.get(each.node_uuid)
        if _is_sample(each) and driver is not None and each.duration_s is not None:
            found.setdefault((each.name, driver), []).append(each.duration_s)
    return found


def _owned(connection: Connection, node: str) -> Mapping[str, Any]:
    """The node; nobody's when it is gone."""
    try:
        return nodes.get(connection, node)
    except NotFound:
        return {}


def _veiled(row: str, hidden: Collection[str]) -> dict[str, Any]:
    """An entry without what the node's hidden fields tell."""
    entry: dict[str, Any] = orjson.loads(row)
    for name, field in TELLS.items():
        if field in hidden and entry["detail"].get(name):
            entry["detail"][name] = not_shown(field)
    return entry


def _known(connection: Connection, ident: str) -> str:
    found = store.known_node(connection, ident, as_uuid(ident))
    if found is None:
        raise NotFound(f"Node {ident} could not be found.")
    return found


def _sorted(rows: list[dict[str, Any]], asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Ironic's order: the oldest first, unless another was asked for."""
    rows = rows[::-1]
    if (value := _SORTABLE.get(asked.get("sort_key") or "id")) is not None:
        rows.sort(key=lambda row: str(value(row) or ""))
    return rows[::-1] if asked.get("sort_dir") == "desc" else rows


def _severity(row: Mapping[str, Any]) -> str:
    return "ERROR" if row["outcome"] in FAILED else "INFO"


_SORTABLE: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "uuid": lambda row: row["uuid"],
    "severity": _severity,
    "event_type": lambda row: row["event_type"],
    "event": lambda row: _event(row),
    "user": lambda row: row["cause"].get("user"),
    "project": lambda row: row["cause"].get("project"),
}


def _history(row: Mapping[str, Any], api: Api, node: str) -> dict[str, Any]:
    """One entry, whole, as ``api`` knows it."""
    detail, cause = row["detail"], row["cause"]
    duration = row["duration_s"]
    whole = {
        "uuid": row["uuid"], "created_at": row["at"].isoformat(timespec="seconds"), "severity": _severity(row),
        "event": _event(row), "event_type": row["event_type"], "conductor": detail.get("conductor"),
        "user": cause.get("user"), "project": cause.get("project"), "state": detail.get("provision_state"),
        "target_provision_state": detail.get("target_provision_state"),
        "duration_seconds": None if duration is None else round(duration),
    }  # fmt: skip
    entry = {name: value for name, value in whole.items() if DETAIL_SINCE.get(name, 1) <= api.minor}
    href = f"{api.base_url}/v1/nodes/{node}/history/{row['uuid']}"
    return entry | {"links": [{"href": href, "rel": "self"}]}


def _shortened(entry: Mapping[str, Any]) -> dict[str, Any]:
    short = {name: entry[name] for name in SHORT} | {"links": entry["links"]}
    if len(short["event"]) > SHORT_EVENT:
        short["event"] = f"{short['event'][: SHORT_EVENT - 4]}..."
    return short


def _event(row: Mapping[str, Any]) -> str:
    """What happened, in a sentence."""
    detail, name, outcome = row["detail"], row["name"].replace("-", " "), row["outcome"]
    if row["kind"] != "workflow":
        return str(detail.get("reason") or detail.get("error") or name)
    who = row["cause"].get("user") or row["cause"].get("origin")
    if outcome == "started":
        return f"{name.capitalize()} started{f' (asked by {who})' if who else ''}."
    if outcome == "done":
        return f"{name.capitalize()} ended well after {_seconds(row['duration_s'])}, {detail.get('steps', 0)} steps."
    error = detail.get("error") or "no reason was given"
    return f"{name.capitalize()} {outcome} after {_seconds(row['duration_s'])}: {error}"


def _seconds(duration: float | None) -> str:
    return "an unknown time" if duration is None else f"{duration:.1f} s"


def _next(api: Api, path: str, query: Mapping[str, Any], page: Mapping[str, Any]) -> str:
    """Where the next page is; what was asked for comes along."""
    kept = {name: value for name, value in query.items() if name not in page and value is not None}
    return f"{api.base_url}/v1/{path}?{urlencode({**kept, **page}, safe=',:')}"
