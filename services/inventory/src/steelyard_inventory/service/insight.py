"""Questions that a person asks about a node: why is it so, what can it run, what was and is being done to it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection
from steelyard_common.contracts.api import INTERFACES
from steelyard_common.db import Database
from steelyard_common.errors import NotFound

from ..domain.agent_steps import READ
from ..domain.estimates import UNKNOWN, Estimate, estimate, left
from ..domain.explain import explain
from ..domain.situation import Explanation, Held, Queue, Situation, StepNow, Work, veiled
from ..domain.step_offer import Announced, masked, offered
from ..domain.transitions import State
from ..store import insight as store
from ..store import nodes
from ..store import timeline as history
from ..store.insight import Page, Row
from ..store.render import not_shown
from .context import Api
from .workers import Clock, Directory, Workers

IDLE = frozenset({"fake", "noop", "external"})
# Of a cause: what nobody is told, and what only those are told who may see who holds the node.
UNTOLD = frozenset({"traceparent"})
WHO = frozenset({"user", "project", "request_id"})


class Insight:
    """Queries. What the policy does not show of a node is not told in other words either."""

    def __init__(self, database: Database, workers: Workers, clock: Clock) -> None:
        self._database = database
        self._workers = workers
        self._clock = clock

    def explain(self, ident: str, api: Api) -> dict[str, Any]:
        """Errors: NotFound."""
        directory = self._workers.directory()
        now = self._clock()
        with self._database.read() as connection:
            node = nodes.get(connection, ident)
            situation = self._situation(connection, node, directory, now)
        return _document(node, explain(veiled(situation, api.sight.hides(node))), now)

    def steps(self, ident: str) -> dict[str, Any]:
        """The steps that this node can run now. Errors: NotFound."""
        with self._database.read() as connection:
            node = nodes.get(connection, ident)
        there = [
            Announced(service=each.service, group=each.conductor_group, provides=each.provides, steps=each.steps)
            for each in self._workers.directory().live()
        ]
        return {"steps": offered(there, _interfaces(node), str(node["conductor_group"]))}

    def workflows(self, ident: str, page: Page, api: Api) -> bytes:
        """The node's workflows, the newest first. Errors: NotFound."""
        with self._database.read() as connection:
            node = nodes.get(connection, ident)
            rows = store.page(connection, str(node["uuid"]), page)
        hidden = api.sight.hides(node)
        body: dict[str, Any] = {"workflows": [workflow_document(row, api, hidden) for row in rows]}
        if len(rows) == page.limit:
            asked = f"limit={page.limit}&marker={rows[-1]['uuid']}"
            body["next"] = f"{api.base_url}/v1/nodes/{ident}/workflows?{asked}"
        return orjson.dumps(body)

    def workflow(self, uuid: str, api: Api) -> bytes:
        """Errors: NotFound, also when its node is hidden from the caller."""
        with self._database.read() as connection:
            row = store.workflow(connection, uuid)
            node = nodes.get(connection, row["node_uuid"])
        if not api.sight.sees(node):
            raise NotFound(f"Workflow {uuid} could not be found.")
        return orjson.dumps(workflow_document(row, api, api.sight.hides(node)))

    def _situation(self, connection: Connection, node: Row, directory: Directory, now: datetime) -> Situation:
        uuid = str(node["uuid"])
        lock, runs = store.lock(connection, uuid), store.unfinished(connection, uuid)
        # What holds the node is what it waits for; else what is parked on it.
        run = min(runs, key=lambda each: bool(each["parked"]), default=None)
        work = self._work(connection, run, node, directory, now) if run else None
        turn = None if run else store.queue(connection, uuid)
        target = node["target_provision_state"]
        return Situation(
            uuid=uuid, name=node["name"], state=State(node["provision_state"]), now=now,
            target=State(target) if target else None,
            since=node["provision_updated_at"] or node["created_at"], power_state=node["power_state"],
            maintenance=node["maintenance"], maintenance_reason=node["maintenance_reason"], fault=node["fault"],
            last_error=node["last_error"], retired=node["retired"], protected=node["protected"],
            resource_class=node["resource_class"], instance_uuid=node["instance_uuid"], work=work,
            queue=Queue(**turn) if turn else None,
            held=_held(lock) if lock else None, unserved=_unserved(node, directory),
        )  # fmt: skip

    def _work(self, connection: Connection, run: Row, node: Row, directory: Directory, now: datetime) -> Work:
        steps = run["steps"]
        current = steps[run["current_step"]] if run["current_step"] < len(steps) else None
        step = _step(current, node, directory) if current else None
        cause = run["cause"] or {}
        return Work(
            uuid=run["uuid"], kind=run["kind"], created_at=run["created_at"], steps=len(steps),
            asked_by=cause.get("user") or (None if cause.get("origin") in (None, "api") else str(cause["origin"])),
            step=step, parked=run["parked"], due_at=run["due_at"], abort_asked_at=run["abort_asked_at"],
            left=_left(connection, run, str(node["driver"]), now),
            asks_agent=any(each["name"] == READ and each["status"] == "pending" for each in steps),
        )  # fmt: skip


def workflow_document(row: Row, api: Api, hidden: Collection[str] = ()) -> dict[str, Any]:
    """A workflow as the API shows it; arguments without secrets, memos not at all. ``hidden``: fields of its node."""
    href = f"{api.base_url}/v1/workflows/{row['uuid']}"
    untold = UNTOLD | (WHO if "reservation" in hidden else frozenset())
    return {
        "uuid": row["uuid"], "node_uuid": row["node_uuid"], "kind": row["kind"], "status": row["status"],
        "cause": {name: value for name, value in (row["cause"] or {}).items() if name not in untold},
        "params": masked({k: v for k, v in (row["params"] or {}).items() if not isinstance(v, (dict, list))}),
        "error": _error(row, hidden), "current_step": row["current_step"],
        "parked": row["parked"], "created_at": row["created_at"], "finished_at": row["finished_at"],
        "abort_asked_at": row["abort_asked_at"], "next_look_at": row["due_at"],
        "steps": [_step_document(step, hidden) for step in row["steps"]],
        "links": [{"href": href, "rel": "self"}],
    }  # fmt: skip


def _error(row: Row, hidden: Collection[str]) -> str | None:
    if row["error"] is None:
        return None
    return not_shown("last_error") if "last_error" in hidden else row["error"].get("message")


def _step_document(step: Row, hidden: Collection[str]) -> dict[str, Any]:
    info = step["info"]
    return {
        "index": step["index"], "interface": step["interface"], "step": step["name"], "args": masked(step["args"]),
        "source": info.get("source", "core"), "priority": info.get("priority", 0), "status": step["status"],
        "attempts": step["attempt"], "failures": step["failures"], "retries": step["retries"],
        "progress": step["progress"], "waits_for": _waits_for(step), "deadline_at": step["deadline_at"],
        "started_at": step["started_at"], "finished_at": step["finished_at"],
        "error": _error(step, hidden),
    }  # fmt: skip


def _document(node: Row, told: Explanation, now: datetime) -> dict[str, Any]:
    return {
        "node_uuid": str(node["uuid"]), "provision_state": node["provision_state"], "at": now.isoformat(),
        "situation": told.situation, "summary": told.summary, "waiting_for": told.waiting_for,
        "since": told.since.isoformat() if told.since else None, "holder": told.holder,
        "deadline": told.deadline.isoformat() if told.deadline else None, "then": told.then,
        "actions": [action.to_dict() for action in told.actions],
        "estimate": told.estimate.to_dict() if told.estimate.known else None,
    }  # fmt: skip


def _interfaces(node: Row) -> dict[str, str | None]:
    return {interface: node[f"{interface}_interface"] for interface in INTERFACES}


def _held(lock: Row) -> Held:
    return Held(
        holder=lock["holder"], purpose=lock["purpose"], since=lock["since"],
        expires_at=lock["expires_at"] if lock["workflow_uuid"] is None else None,
    )  # fmt: skip


def _step(step: Row, node: Row, directory: Directory) -> StepNow:
    info = step["info"]
    return StepNow(
        label=_asked(step), status=step["status"],
        number=step["index"] + 1, started_at=step["started_at"], deadline_at=step["deadline_at"],
        signal=_waits_for(step), progress=step["progress"], attempt=step["attempt"], failures=step["failures"],
        retries=step["retries"], error=(step["error"] or {}).get("message"),
        children=tuple(info.get("children") or ()), is_abortable=bool(info.get("abortable", True)),
        is_served=_is_served(step["interface"], node, directory),
    )  # fmt: skip


def _waits_for(step: Row) -> str | None:
    """A signal that came while the step's slice was out is nothing that it waits for."""
    return step["signal"] if step["status"] == "waiting" else None


def _asked(step: Row) -> str:
    """Its name as it was asked for, by which its earlier runs are known, too."""
    return str(step["info"].get("asked") or f"{step['interface']}.{step['name']}")


def _is_served(interface: str, node: Row, directory: Directory) -> bool:
    """For an interface of somebody's own: does any worker announce steps of it."""
    if interface in INTERFACES:
        return directory.provides(interface, node[f"{interface}_interface"])
    return any(str(row.get("interface")) == interface for worker in directory.live() for row in worker.steps)


def _unserved(node: Row, directory: Directory) -> tuple[tuple[str, str], ...]:
    """Implementations of the node that no worker offers; those that do nothing need none."""
    known = {interface for worker in directory.live() for interface in worker.provides}
    return tuple(
        (interface, name)
        for interface, name in _interfaces(node).items()
        if name and name not in IDLE and not name.startswith("no-") and interface in known | {"power", "management"}
        if not directory.provides(interface, name)
    )


def _left(connection: Connection, run: Row, driver: str, now: datetime) -> Estimate:
    """From what is not done yet; the step at work counts less what it has taken already."""
    ahead = run["steps"][run["current_step"] :]
    names = [_asked(step) for step in ahead]
    if not names:
        return UNKNOWN
    durations = history.read_durations(connection, driver, sorted(set(names)))
    whole = estimate(names, durations)
    began = ahead[0]["started_at"]
    return left(whole, (now - began).total_seconds() if began else 0.0)
