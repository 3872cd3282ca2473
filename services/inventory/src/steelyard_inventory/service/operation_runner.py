"""What runs group operations. Level-triggered; every replica runs one, none leads.

One look is one transaction: take an operation that is due and that nobody else has in hand, write down what has ended,
begin as many as may begin, note when to look again. Verbs, their workflows and the operation's books are written
together, or nothing is: a replica that dies leaves the operation due, and begins nothing twice. No thread waits for a
node: the workflows go on by themselves, in any replica.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import Counter
from steelyard_common.db import Database, Transaction
from steelyard_common.errors import InternalError, NotFound, SteelyardError, Unavailable
from steelyard_common.telemetry import get_logger

from ..domain import operations as rules
from ..domain.operations import Outcome, Status
from ..store import operations as store
from .lifecycle import Caller, Lifecycle
from .loop import Loop
from .operation_facts import tell
from .verb_batch import Command
from .workers import Clock

log = get_logger(__name__)
BATCH = 100
LONGEST_SLEEP_S = 1.0  # how late another replica's operations are found when that one dies
POSTPONE_S = 30.0
FORGET_EVERY_S = 600.0
SETTLED = Counter("steelyard_operation_nodes_settled", "Nodes of group operations that came to an end", ["outcome"])
Row = dict[str, Any]


class Runner:
    """``wake`` may be called by any thread; ``look`` by many at once, here and in other processes.

    ``days``: how long an operation is kept after its end.
    """

    def __init__(self, database: Database, site: str, clock: Clock, lifecycle: Lifecycle, *, days: int = 90) -> None:
        self._database = database
        self._site = site
        self._clock = clock
        self._lifecycle = lifecycle
        self._days = days
        self._forget_at = clock()
        self._loop = Loop("operations", self.tick, clock, again_s=LONGEST_SLEEP_S)

    def look(self) -> bool:
        """Look at one operation that is due. → whether there was one"""
        now = self._clock()
        with self._database.begin() as transaction:
            operation = store.take_due(transaction.connection, now)
            if operation is None:
                return False
            try:
                with transaction.connection.begin_nested():
                    due_at = self._look(transaction, operation, now, BATCH)
            except Unavailable:
                raise
            except Exception as error:  # a node that cannot be begun must fail alone
                transaction.forget()
                log.exception("batch of an operation failed", operation=operation["uuid"], error=type(error).__name__)
                due_at = self._look_at_one(transaction, operation, now)
        self._lifecycle.wake(due_at)
        return True

    def tick(self) -> float:
        """All that are due. → seconds until there may be something again"""
        now = self._clock()
        if now >= self._forget_at:
            self._forget_at = now + timedelta(seconds=FORGET_EVERY_S)
            with self._database.begin() as transaction:
                store.forget(transaction.connection, now - timedelta(days=self._days))
        while not self._loop.is_stopping and self.look():
            pass
        with self._database.read() as connection:
            due = store.next_due(connection)
        if due is None:
            return LONGEST_SLEEP_S
        # What is due and was not found is in another replica's hand.
        return min(max((due - self._clock()).total_seconds(), 0.02), LONGEST_SLEEP_S)

    def wake(self, due_at: datetime | None) -> None:
        """Something will be due then: sleep no longer."""
        self._loop.wake(due_at)

    def start(self) -> Runner:
        self._loop.start()
        return self

    def stop(self) -> None:
        self._loop.stop()

    # ---- inside

    def _look(self, transaction: Transaction, operation: Row, now: datetime, most: int) -> datetime | None:
        """→ when the engine must look, for what was begun"""
        connection = transaction.connection
        counts: Tally[str] = Tally(operation["counts"])
        moved = store.sweep(connection, operation["uuid"], now)
        _move(counts, Outcome.RUNNING, moved)
        due_at, batch_full = None, False
        if operation["status"] == Status.RUNNING:
            room = min(operation["parallelism"] - counts[Outcome.RUNNING], most)
            turn = store.pending(connection, operation, now, room) if room > 0 else []
            batch_full = len(turn) == most
            rows, due_at = self._begin(transaction, operation, turn, now)
            begun = [row["outcome"] for row in rows if row["outcome"] != Outcome.PENDING]
            _move(counts, Outcome.PENDING, begun)
            moved += begun
        self._note(transaction, operation, counts, moved, now, at_once=batch_full)
        return due_at

    def _look_at_one(self, transaction: Transaction, operation: Row, now: datetime) -> datetime | None:
        """After a batch failed: one node; if it is the one, it has failed, and the others go on."""
        try:
            with transaction.connection.begin_nested():
                return self._look(transaction, operation, now, 1)
        except Unavailable:
            raise
        except Exception as error:  # as above
            transaction.forget()
            log.exception("node of an operation cannot begin", operation=operation["uuid"], error=type(error).__name__)
        counts: Tally[str] = Tally(operation["counts"])
        turn = store.pending(transaction.connection, operation, now, 1)
        store.settle(transaction.connection, operation["uuid"], [_failed(row, InternalError(), now) for row in turn])
        _move(counts, Outcome.PENDING, [Outcome.FAILED] * len(turn))
        self._note(transaction, operation, counts, [Outcome.FAILED] * len(turn), now, at_once=bool(turn))
        return None

    def _begin(
        self, transaction: Transaction, operation: Row, turn: Sequence[Row], now: datetime
    ) -> tuple[list[Row], datetime | None]:
        """Give each node its verb. → how each stands now; when the engine must look"""
        gone = NotFound("The node is not there any more.")
        rows = [_failed(row, gone, now) for row in turn if not row["is_there"]]
        there = [row for row in turn if row["is_there"]]
        due_at = None
        if there:
            commands = [self._command(operation, row) for row in there]
            errors, due_at = self._lifecycle.judge(transaction, commands, now)
            keys = {(command.ident, command.key) for command in commands if command.key is not None}
            workflows = store.started(transaction.connection, keys)
            for row, error in zip(there, errors, strict=True):
                rows.append(_begun(row, workflows.get(row["node_uuid"]), now) if error is None
                            else _refused(row, error, now))  # fmt: skip
        if rows:
            store.settle(transaction.connection, operation["uuid"], rows)
        return rows, due_at

    def _command(self, operation: Row, row: Row) -> Command:
        """Its idempotency id is the operation and the attempt: a retry begins anew, and nothing else does."""
        verb, parameters, node = operation["verb"], operation["parameters"], row["node_uuid"]
        caller = Caller(
            cause=operation["cause"] | {"operation": operation["uuid"]},
            request_id=f"{operation['uuid']}.{row['round']}",
            project=operation["owner"],
        )
        if verb in rules.POWER_VERBS:
            return self._lifecycle.power_command(node, verb, parameters.get("timeout_s"), caller)
        return self._lifecycle.provision_command(node, verb, caller, parameters, operation["minor"])

    def _note(
        self, transaction: Transaction, operation: Row, counts: Mapping[str, int], moved: Sequence[str], now: datetime,
        *, at_once: bool,
    ) -> None:  # fmt: skip
        """Write the books: counts, the end if this is it, when to look again."""
        told = {Outcome(name): count for name, count in counts.items()}
        end = rules.ended(Status(operation["status"]), told)
        changed_at = now if moved else operation["changed_at"]
        delta: Row = {
            "counts": told,
            "changed_at": changed_at,
            "due_at": now if at_once else rules.look_again(changed_at, now),
        }
        if end is not None:
            delta |= {"status": end, "due_at": None, "finished_at": now}
        store.update(transaction.connection, operation, delta, now)
        if end is not None:
            tell(transaction, self._site, "finished", {**operation, **delta}, now)
        for outcome in moved:
            if outcome != Outcome.RUNNING:
                SETTLED.labels(outcome).inc()


def _move(counts: Tally[str], before: Outcome, outcomes: Sequence[str]) -> None:
    counts[before] -= len(outcomes)
    for outcome in outcomes:
        counts[outcome] += 1


def _begun(row: Row, workflow: str | None, now: datetime) -> Row:
    """A verb that starts nothing of its own (abort, unhold) is done when it is taken."""
    if workflow is None:
        return _row(row, Outcome.DONE, started_at=now, finished_at=now)
    return _row(row, Outcome.RUNNING, workflow_uuid=workflow, started_at=now)


def _refused(row: Row, error: SteelyardError, now: datetime) -> Row:
    until = rules.waits(error, row["wait_until"], now)
    if until is None:
        return _failed(row, error, now)
    again = now + timedelta(seconds=rules.BUSY_AGAIN_S)
    return _row(row, Outcome.PENDING, error=error.message, due_at=again, wait_until=until)


def _failed(row: Row, error: SteelyardError, now: datetime) -> Row:
    return _row(row, Outcome.FAILED, error=error.message, finished_at=now)


def _row(row: Row, outcome: Outcome, **more: Any) -> Row:
    return {"position": row["position"], "outcome": outcome, **more}
