"""Plans: what a verb would do to a node, kept, and done exactly so or not at all.

Planning asks nobody but the database: no BMC, no agent. It asks what the verb asks (``Provisioning.decide``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

from sqlalchemy import Connection
from steelyard_common.bmc import driver_info
from steelyard_common.db import Database
from steelyard_common.errors import Conflict, NotFound, SteelyardError

from ..domain import obstacles
from ..domain.estimates import estimate
from ..domain.locks import busy
from ..domain.plan_document import basis, differences, document
from ..domain.plans import Plan
from ..domain.transitions import verb
from ..domain.values import as_uuid
from ..domain.verbs import Intent
from ..store import locks, nodes
from ..store import plans as store
from ..store import timeline as history
from ..store.provider_view import NodeRow
from .context import Api
from .lifecycle import Caller, Lifecycle
from .provisioning import NEEDS_POWER, Request
from .starting import Clock, Starter

KEPT = timedelta(days=30)
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class _Made:
    """``intent`` None: it can not even be planned. ``refusals``: why it would be refused now."""

    intent: Intent | None
    plan: Plan
    refusals: list[str]
    basis: dict[str, Any]


class Plans:
    """``lifecycle`` begins what is applied."""

    def __init__(self, database: Database, lifecycle: Lifecycle, starter: Starter, clock: Clock) -> None:
        self._database = database
        self._lifecycle = lifecycle
        self._starter = starter
        self._clock = clock

    def make(self, ident: str, target: str, params: Mapping[str, Any], api: Api, caller: Caller) -> dict[str, Any]:
        """→ the plan. Errors: NotFound, InvalidRequest (no such verb)."""
        request = Request(event=verb(target), params=params, minor=api.minor, project=caller.project)
        now = self._clock()
        with self._database.begin() as transaction:
            connection = transaction.connection
            node = _read(connection, ident)
            made = self._plan(connection, node, request)
            labels = [step.asked or step.label for step in made.plan.steps]
            durations = history.read_durations(connection, str(node.facts.driver), sorted(set(labels)))
            each = {label: estimate([label], durations) for label in set(labels)}
            kind = made.intent.kind if made.intent else None
            plan = {
                "uuid": str(uuid4()), "node_uuid": node.view.uuid, "created_at": now.isoformat(), "target": target,
                **document(kind, made.plan, each, estimate(labels, durations)), "would_be_refused": made.refusals,
            }  # fmt: skip
            kept = {"target": target, "params": dict(params), "minor": api.minor}
            store.forget(connection, node.view.uuid, now - KEPT)
            row = {"uuid": plan["uuid"], "node_uuid": node.view.uuid, "created_at": now, "request": kept}
            store.insert_plan(connection, row | {"document": plan, "basis": made.basis})
        return plan

    def show(self, ident: str, uuid: str) -> dict[str, Any]:
        """The plan, with what became of it. Errors: NotFound."""
        with self._database.read() as connection:
            row = self._row(connection, ident, uuid)
        return {**row["document"], "applied_at": row["applied_at"] and row["applied_at"].isoformat()}

    def apply(self, ident: str, uuid: str, caller: Caller) -> dict[str, Any]:
        """→ {"applied": True}, or False with the differences. Errors: NotFound, Busy, and those of the verb."""
        with self._database.read() as connection:
            row = self._row(connection, ident, uuid)
        if row["applied_at"] is not None:
            raise Conflict(f"Plan {uuid} was applied at {row['applied_at'].isoformat()}; make a new one.")
        kept = row["request"]
        request = Request(
            event=verb(kept["target"]), params=kept["params"], minor=kept["minor"], project=caller.project
        )
        found: list[str] = []

        def decide(connection: Connection, node: NodeRow) -> Intent:
            made = self._plan(connection, node, request)
            found.extend(differences(row["basis"], made.basis))
            if found:
                raise Conflict(f"Plan {uuid} is not what would happen now: {' '.join(found)}")
            intent = self._lifecycle.provisioning.decide(connection, node, request)
            store.mark_applied(connection, uuid, self._clock())
            return intent

        try:
            self._lifecycle.begin(row["node_uuid"], request.event, caller, decide)
        except Conflict:
            if not found:
                raise
            return {"applied": False, "plan": uuid, "differences": found}
        return {"applied": True, "plan": uuid, "differences": []}

    def _plan(self, connection: Connection, node: NodeRow, request: Request) -> _Made:
        """What would happen, and everything that would stop it."""
        decide = self._lifecycle.provisioning.decide
        view, event = node.view, request.event
        smooth = replace(node, view=obstacles.smoothed(view, event))
        refusals: list[str] = []
        if view.lock is not None and view.is_locked(self._clock()):
            refusals.append(busy(view.lock).message)
        for one in obstacles.alone(view, event):
            _ask(partial(decide, connection, replace(node, view=one), request), refusals)
        own: list[str] = []
        intent = _ask(partial(decide, connection, smooth, request), own)
        if intent is None:
            for params in obstacles.step_by_step(request.params):
                _ask(partial(decide, connection, smooth, replace(request, params=params)), own)
            if event in NEEDS_POWER:
                power = node.provider["interfaces"].get("power", "")
                _ask(partial(driver_info.validate, power, node.provider["driver_info"]), own)
        # What stops the smoothed node stops it with every obstacle, too: it is told once.
        told = list(dict.fromkeys([*(each for each in refusals if each not in own), *own]))
        plan = intent.plan if intent is not None else Plan()
        row = nodes.get(connection, view.uuid)
        catalogue = self._starter.subject(connection, node).catalogue
        return _Made(intent=intent, plan=plan, refusals=told, basis=basis(row, plan, catalogue))

    @staticmethod
    def _row(connection: Connection, ident: str, uuid: str) -> dict[str, Any]:
        node = str(nodes.get(connection, ident)["uuid"])
        row = store.get(connection, uuid) if as_uuid(uuid) else None
        if row is None or row["node_uuid"] != node:
            raise NotFound(f"Plan {uuid} could not be found.")
        return row


def _ask(question: Callable[[], T], refusals: list[str]) -> T | None:
    """The answer, or None and what was said against it."""
    try:
        return question()
    except SteelyardError as error:
        refusals.append(error.message)
    return None


def _read(connection: Connection, ident: str) -> NodeRow:
    """Errors: NotFound."""
    node = locks.read_nodes(connection, [ident]).get(ident)
    if node is None:
        raise NotFound(f"Node {ident} could not be found.")
    held = locks.read(connection, [node.view.uuid]).get(node.view.uuid)
    return replace(node, view=replace(node.view, lock=held))
