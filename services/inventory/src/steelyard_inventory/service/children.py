"""Steps that a node's workflow runs on its children: started there as workflows of their own, seen to their end.

The children's rows are taken only if nobody else has them just now, so that two families never wait for each other.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from steelyard_common.contracts.steps import Again, Done, Failed, StepResult
from steelyard_common.db import Transaction
from steelyard_common.errors import Busy, SteelyardError

from ..domain.runs import Run, Status
from ..domain.verbs import Intent
from ..domain.workflows import Kind
from ..store import locks
from ..store import workflows as store
from .starting import Starter

LOOK_EVERY_S = 1.0


def look(transaction: Transaction, starter: Starter, run: Run, now: datetime) -> StepResult:
    """What has become of the current step of ``run``, a step for children."""
    started: dict[str, str] = run.current.memo.get("children", {})
    try:
        if not started:
            return _start(transaction, starter, run, now)
    except SteelyardError as error:
        return Failed(error=error)
    runs = store.read_runs(transaction.connection, started.values())
    troubles = [_trouble(each) for each in runs if each.status not in (Status.RUNNING, Status.DONE)]
    left = sum(each.status is Status.RUNNING for each in runs)
    if left:
        return Again(after_s=LOOK_EVERY_S, memo=run.current.memo, progress=f"{left} of {len(started)} children left")
    return Failed(error=SteelyardError(" ".join(troubles))) if troubles else Done()


def _start(transaction: Transaction, starter: Starter, run: Run, now: datetime) -> StepResult:
    """Errors: Busy when a child is locked, InvalidRequest when one cannot."""
    wanted = run.current.children or []
    rows = locks.try_lock_nodes(transaction.connection, wanted)
    if len(rows) < locks.count(transaction.connection, wanted):
        return Again(after_s=LOOK_EVERY_S, progress="the children are being changed just now")
    written: list[store.Written] = []
    for node in rows:
        if node.view.is_locked(now):
            raise Busy(f"Child node {node.view.uuid} is locked; {run.current.asked} needs all of them.")
        intent = _intent(transaction, starter, run, node)
        written.append(starter.start(transaction, node, intent, run.cause, now))
    if written:
        store.start(transaction.connection, written, now)
    memo = {"children": {each.run.node_uuid: each.run.uuid for each in written}}
    return Again(after_s=LOOK_EVERY_S, memo=memo, progress=f"{len(written)} children left") if written else Done()


def _intent(transaction: Transaction, starter: Starter, run: Run, node: Any) -> Intent:
    step = run.current
    asked = {"interface": step.interface, "step": step.name, "args": step.args}
    plan = starter.subject(transaction.connection, node).plan(Kind.CHILD, {"step": asked})
    return Intent(kind=Kind.CHILD, params={"target": step.asked, "parent": run.node_uuid}, plan=plan)


def _trouble(run: Run) -> str:
    return f"Child node {run.node_uuid}: {(run.error or {}).get('message', 'no reason was given')}"
