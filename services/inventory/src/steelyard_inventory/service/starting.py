"""How a workflow begins and how it ends, whoever asked for it: run, node change, first dispatch, events and what comes
after it, ready to be written."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from steelyard_common.db import Transaction
from steelyard_common.errors import SteelyardError

from ..domain import endings, projection, provisioning, vifs
from ..domain.locks import Lock
from ..domain.plan_rows import to_row
from ..domain.plans import PlanRules
from ..domain.progress import begin
from ..domain.projection import Change, SyncRules
from ..domain.runs import Run, Status
from ..domain.transitions import Event
from ..domain.verbs import Intent, Subject
from ..domain.workflows import Kind, purpose
from ..store import detaching
from ..store.provider_view import NodeRow, after
from ..store.workflows import Written
from . import allocation_facts
from .catalogue import Catalogue
from .outgoing import emit_events, emit_steps

Clock = Callable[[], datetime]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What an operator sets. ``cleans``: nodes are cleaned when provided, unless they say otherwise. ``most``: kind →
    how many nodes may be at it at once; a kind that is not there has no limit."""

    sync: SyncRules = field(default_factory=SyncRules)
    plan: PlanRules = field(default_factory=PlanRules)
    cleans: bool = True
    automatic_lessee: bool = True
    most: Mapping[Kind, int] = field(default_factory=dict)
    quota: Mapping[str, int] = field(default_factory=dict)  # class → nodes of a project that has no quota of its own


class ServiceMap:
    """Which service serves an interface, as the workers announced; unknown ones are a service of their own."""

    def __init__(self) -> None:
        self._services: dict[str, str] = {}

    def __call__(self, interface: str) -> str:
        return self._services.get(interface, f"{interface} interface")

    def replace(self, services: dict[str, str]) -> None:
        self._services = services


@dataclass(frozen=True, kw_only=True)
class Starter:
    """``holder``: this instance, which the API shows as reservation."""

    site: str
    holder: str
    rules: Rules
    services: ServiceMap
    catalogue: Catalogue

    def subject(self, connection: Connection, node: NodeRow) -> Subject:
        """What verbs and planner look at."""
        specs = self.catalogue.of(connection, node.group)
        return Subject(view=node.view, facts=node.facts, catalogue=specs, rules=self.rules.plan)

    def start(
        self,
        transaction: Transaction,
        node: NodeRow,
        intent: Intent,
        cause: dict[str, Any],
        now: datetime,
        idempotency_id: str | None = None,
    ) -> Written:
        """What ``store.workflows.start`` writes; the messages go out with ``transaction``."""
        run = _run(node, intent, cause, now)
        move = begin(run, now, self.services)
        change = projection.started(node.view, move.run, (*intent.events, *move.trail), now, self.rules.sync)
        change += Change(patch=intent.patch | {"fence": run.fence})
        if move.run.finished_at is not None:
            change += self.close(transaction, after(node, change.patch), move.run, run, now)
        elif not move.run.parked:
            change += Change(patch={"reservation": self.holder})
        change += projection.sent(node.view, move.run, move.send)
        emit_events(transaction, self.site, run.node_uuid, change, cause, now)
        if move.send:
            emit_steps(transaction, self.site, move.run, move.send, after(node, change.patch).provider)
        return Written(run=move.run, patch=change.patch, holder=self.holder, idempotency_id=idempotency_id)

    def close(self, transaction: Transaction, node: NodeRow, run: Run, before: Run, now: datetime) -> Change:
        """The end of a workflow, with what of its node is kept elsewhere."""
        change = endings.ended(node.view, run, before, now, self.rules.sync)
        if run.kind is Kind.UNDEPLOY:
            row = {"allocation_uuid": node.view.allocation_uuid}
            allocation_facts.forget(transaction, self.site, row, run.cause, now)
            if node.view.network_interface in vifs.ATTACHING:
                detaching.detach_all(transaction.connection, run.node_uuid, now)
        return change

    def next(self, connection: Connection, node: NodeRow, run: Run) -> Intent | None:
        """What follows ``run``, which ended: cleaning after an undeployment, taking back what failed."""
        subject = self.subject(connection, node)
        if run.kind is Kind.UNDEPLOY and run.status is Status.DONE:
            try:
                return provisioning.automated_clean(subject, cleans=self.rules.cleans)
            except SteelyardError as error:
                text = f"Cleaning failed: {error.message}"
                return Intent(kind=None, events=(Event.CLEAN, Event.FAIL), patch={"last_error": text})
        if run.kind in endings.TIDIED and run.status is not Status.DONE:
            is_aborted_service = run.kind is Kind.SERVICE and run.status is Status.ABORTED
            return provisioning.tidying(subject, run, then=Event.ABORT if is_aborted_service else None)
        return None

    def lock_of(self, written: Written) -> Lock | None:
        """The lock that ``written`` means for those behind it in the same batch."""
        run = written.run
        if run.finished_at is not None or run.parked:
            return None
        return Lock(
            node_uuid=run.node_uuid, holder=self.holder, purpose=purpose(run.kind, run.params),
            workflow_uuid=run.uuid, fence=run.fence, since=run.created_at,
        )  # fmt: skip


def _run(node: NodeRow, intent: Intent, cause: dict[str, Any], now: datetime) -> Run:
    assert intent.kind is not None  # noqa: S101 - the caller asked
    return Run(
        uuid=str(uuid.uuid4()),
        node_uuid=node.view.uuid,
        kind=intent.kind,
        fence=node.view.fence + 1,
        params=intent.params,
        cause=cause,
        created_at=now,
        steps=tuple(to_row(index, planned) for index, planned in enumerate(intent.plan.steps)),
    )
