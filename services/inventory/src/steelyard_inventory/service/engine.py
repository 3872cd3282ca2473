"""The workflow engine: applies results, and looks at what is due. Level-triggered; every replica runs one, none leads.

``apply`` is for the results, in batches; ``tick`` for what nobody tells us about: time. Both take node rows first,
decide in ``domain.progress``, and write everything in one transaction, the next messages included. Killed anywhere,
either nothing of it happened (the result comes again, the workflow is still due) or all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from prometheus_client import Counter
from sqlalchemy import Connection
from steelyard_common.contracts.steps import Outcome, ResultMessage
from steelyard_common.db import Database, Transaction
from steelyard_common.errors import Unavailable
from steelyard_common.telemetry import get_logger

from ..domain import projection
from ..domain.inspection_data import inspected
from ..domain.progress import Move, Replan, conclude, is_due, look, take, wake
from ..domain.projection import Change
from ..domain.replanning import Planner
from ..domain.runs import Run, StepStatus
from ..domain.shown import learnt_of_agent
from ..store import inventories, locks
from ..store import workflows as store
from ..store.provider_view import NodeRow, after
from . import children
from .found_ports import ports_found
from .loop import Loop
from .outgoing import emit_events, emit_steps
from .starting import Clock, Starter

log = get_logger(__name__)
BATCH = 100
LONGEST_SLEEP_S = 1.0
SHORTEST_SLEEP_S = 0.02  # for what is due and held by somebody else just now
CHORES_EVERY_S = 5.0
POSTPONE_S = 30.0
TAKEN_S = 1.0  # a parked workflow that is to go on while somebody else has the node tries again so soon

FINISHED = Counter("steelyard_workflows_finished", "Workflows that ended", ["kind", "status"])
DROPPED = Counter("steelyard_outcomes_dropped", "Outcomes that were not expected (any more)")


Decide = Callable[[Transaction, store.Loaded, datetime], Move]


class Engine:
    """``wake`` may be called by any thread; ``run`` is the loop of one thread."""

    def __init__(self, database: Database, starter: Starter, clock: Clock) -> None:
        self._database = database
        self._starter = starter
        self._clock = clock
        self._chores_at = clock()
        self._loop = Loop("engine", self.tick, clock, again_s=LONGEST_SLEEP_S)

    # ---- results

    def apply(self, results: Sequence[ResultMessage]) -> None:
        """A batch of answers, in one transaction. What is late, double or unknown is dropped."""
        by_workflow: dict[str, list[ResultMessage]] = {}
        for result in results:
            by_workflow.setdefault(result.workflow, []).append(result)

        def decide(transaction: Transaction, loaded: store.Loaded, now: datetime) -> Move:
            run = loaded.run
            answers = (each.outcomes for each in by_workflow[run.uuid] if each.fence == run.fence)
            replan = partial(self._replan, transaction.connection, loaded.node)
            return _take_all(run, answers, now, self._starter, replan)

        now = self._clock()
        with self._database.begin() as transaction:
            loaded = store.load(transaction.connection, by_workflow)
            dues = self._settle(transaction, loaded, decide, now)
        DROPPED.inc(sum(len(result.outcomes) for result in results if result.workflow not in _uuids(loaded)))
        self._wake_for(dues)

    # ---- time

    def tick(self) -> float:
        """Look at what is due. → seconds until there may be something again"""
        now = self._clock()
        if now >= self._chores_at:
            self._chores(now)
        try:
            count = self._look_at_due(now, BATCH)
        except Unavailable:
            raise
        except Exception as error:  # a workflow that cannot be looked at must fail alone
            log.exception("batch of due workflows failed", error=type(error).__name__)
            count = self._look_one_by_one(now)
        if count >= BATCH:
            return 0.0
        with self._database.read() as connection:
            due = store.next_due(connection)
        wait = LONGEST_SLEEP_S if due is None else (due - self._clock()).total_seconds()
        return min(max(wait, SHORTEST_SLEEP_S), LONGEST_SLEEP_S)

    def wake(self, due_at: datetime) -> None:
        """Something will be due then: sleep no longer."""
        self._loop.wake(due_at)

    def start(self) -> Engine:
        self._loop.start()
        return self

    def stop(self) -> None:
        self._loop.stop()

    # ---- inside

    def _look_at_due(self, now: datetime, most: int) -> int:
        with self._database.begin() as transaction:
            loaded = self._load_due(transaction, now, most)
            self._settle(transaction, loaded, self._look, now)
        return len(loaded)

    def _look_one_by_one(self, now: datetime) -> int:
        """After a batch failed: each in a transaction of its own; what fails is put off."""
        for _ in range(BATCH):
            with self._database.begin() as transaction:
                loaded = self._load_due(transaction, now, 1)
                if not loaded:
                    return 0
                try:
                    with transaction.connection.begin_nested():
                        self._settle(transaction, loaded, self._look, now)
                except Exception as error:  # as above
                    transaction.forget()
                    run = loaded[0].run
                    log.exception("workflow cannot be looked at", workflow=run.uuid, error=type(error).__name__)
                    store.postpone(transaction.connection, run.uuid, now + timedelta(seconds=POSTPONE_S))
        return BATCH

    def _load_due(self, transaction: Transaction, now: datetime, most: int) -> list[store.Loaded]:
        """Those that are parked with their node's lock: they need it to go on."""
        loaded = store.load_due(transaction.connection, now, most)
        parked = [each.node.view.uuid for each in loaded if each.run.parked]
        held = locks.read(transaction.connection, parked) if parked else {}
        return [replace(each, node=locks.with_lock(each.node, held)) for each in loaded] if held else loaded

    def _replan(self, connection: Connection, node: NodeRow, run: Run, facts: Mapping[str, Any]) -> Run | None:
        """What is left of the workflow, now that its agent has told these facts."""
        subject = self._starter.subject(connection, node)
        return Planner(node=subject.facts, catalogue=subject.catalogue, rules=subject.rules).replan(run, facts)

    def _look(self, transaction: Transaction, loaded: store.Loaded, now: datetime) -> Move:
        run, node = loaded.run, loaded.node.view
        if run.parked:
            if node.is_locked(now):
                return Move(run=replace(run, due_at=now + timedelta(seconds=TAKEN_S)))
            return wake(run, now, node.fence + 1, self._starter.services)
        if _is_for_children(run, now):
            return conclude(run, children.look(transaction, self._starter, run, now), now, self._starter.services)
        return look(run, now, self._starter.services)

    def _settle(
        self, transaction: Transaction, loaded: Iterable[store.Loaded], decide: Decide, now: datetime
    ) -> list[datetime]:
        """Decide for each, write all; messages go out with the transaction. → when to look again"""
        saved: list[store.Written] = []
        started: list[store.Written] = []
        for each in loaded:
            move = decide(transaction, each, now)
            if move.run is not each.run:
                written, node = self._settle_one(transaction, each, move, now)
                saved.append(written)
                started += self._go_on(transaction, node, move.run, written, now)
        if saved:
            store.save(transaction.connection, saved, now)
        if started:
            store.start(transaction.connection, started, now)
        return [each.run.due_at for each in (*saved, *started) if each.run.due_at is not None]

    def _settle_one(
        self, transaction: Transaction, loaded: store.Loaded, move: Move, now: datetime
    ) -> tuple[store.Written, NodeRow]:
        """→ what is to be written, and the node as it will be"""
        run, node, before = move.run, loaded.node, loaded.run
        change = Change()
        if move.facts:
            change += projection.learnt(node.view, move.facts, run)
            change += Change(patch=learnt_of_agent(run, move.facts, node.facts.interfaces, now))
        if (found := inspected(run, move.facts)) is not None:
            inventories.keep(transaction.connection, run.node_uuid, found, now)
            ports_found(transaction, self._starter.site, run, move.facts, now)
        holder = ""
        if run.finished_at is not None:
            change += projection.passed(node.view, move.trail, now)
            change += self._starter.close(transaction, after(node, change.patch), run, before, now)
            change += Change(patch={"reservation": None})
            FINISHED.labels(run.kind, run.status).inc()
        else:
            change += projection.went_on(node.view, run, before, move.trail, now)
            if run.parked != before.parked:
                holder = "" if run.parked else self._starter.holder
                change += Change(patch={"reservation": holder or None, "fence": run.fence})
        change += projection.sent(node.view, run, move.send, move.facts)
        node = after(node, change.patch)
        if move.send:
            emit_steps(transaction, self._starter.site, run, move.send, node.provider)
        emit_events(transaction, self._starter.site, run.node_uuid, change, run.cause, now)
        if move.dropped:
            DROPPED.inc(move.dropped)
        written = store.Written(
            run=run, before=before, patch=change.patch, holder=holder, planned_from=move.planned_from
        )  # fmt: skip
        return written, node

    def _go_on(
        self, transaction: Transaction, node: NodeRow, run: Run, written: store.Written, now: datetime
    ) -> list[store.Written]:
        """What follows the end of a workflow, in the same transaction: the node is never seen in between."""
        intent = self._starter.next(transaction.connection, node, run) if run.finished_at is not None else None
        if intent is None:
            return []
        if intent.kind is not None:
            return [self._starter.start(transaction, node, intent, run.cause, now)]
        change = projection.passed(node.view, intent.events, now) + Change(patch=intent.patch)
        emit_events(transaction, self._starter.site, run.node_uuid, change, run.cause, now)
        written.patch.update(projection.merged(written.patch, change.patch))
        return []

    def _chores(self, now: datetime) -> None:
        with self._database.begin() as transaction:
            self._starter.services.replace(store.services(transaction.connection))
            locks.sweep_leases(transaction.connection, now)
        self._chores_at = now + timedelta(seconds=CHORES_EVERY_S)

    def _wake_for(self, dues: Sequence[datetime]) -> None:
        if dues:
            self.wake(min(dues))


def _take_all(
    run: Run, answers: Iterable[Sequence[Outcome]], now: datetime, starter: Starter, replan: Replan
) -> Move:  # fmt: skip
    """Several answers for one workflow in one batch. At most one of them can be the one that is waited for:
    whatever is dispatched by the first has a new attempt, which nobody can have answered yet."""
    dropped = 0
    for outcomes in answers:
        move = take(run, outcomes, now, starter.services, replan)
        if move.run is not run:
            return move
        dropped += move.dropped
    DROPPED.inc(dropped)
    return Move(run=run)


def _is_for_children(run: Run, now: datetime) -> bool:
    """Whether its current step runs on children and there is nothing more urgent: abort, deadline."""
    step = run.current
    if step.children is None or step.status is not StepStatus.SLEEPING or run.abort_asked_at is not None:
        return False
    return is_due(run, now) and (step.deadline_at is None or step.deadline_at > now)


def _uuids(loaded: Iterable[store.Loaded]) -> set[str]:
    return {each.run.uuid for each in loaded}
