"""What leaves with a transaction: step messages to providers, events to the world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from steelyard_common.bus import Message
from steelyard_common.contracts import subjects
from steelyard_common.contracts.events import cloud_event
from steelyard_common.contracts.steps import Step, StepMessage
from steelyard_common.db import Transaction

from ..domain.projection import Change
from ..domain.runs import Run, StepRun

TRACE = "traceparent"  # kept in a workflow's cause, so that its steps belong to the trace of the call that began it


def emit_steps(transaction: Transaction, site: str, run: Run, steps: Sequence[StepRun], node: dict[str, Any]) -> None:
    """One message with ``steps``. Its id is that of the first dispatch in it: a repeat of the same one is dropped."""
    first = steps[0]
    message = StepMessage(
        workflow=run.uuid, fence=run.fence, node=node, steps=[_step(step) for step in steps], cause=run.cause
    )
    transaction.emit(
        Message(
            subject=subjects.step(site, first.interface, run.node_uuid),
            body=orjson.dumps(message),
            msg_id=f"{run.uuid}.{first.index}.{first.attempt}",
            headers={TRACE: run.cause[TRACE]} if TRACE in run.cause else {},
        )
    )


def emit_events(
    transaction: Transaction, site: str, node_uuid: str, change: Change, cause: Mapping[str, Any], now: datetime
) -> None:
    for fact in change.events:
        transaction.emit(cloud_event(site, "inventory", fact.name, node_uuid, fact.data, cause=dict(cause), now=now))


def _step(step: StepRun) -> Step:
    return Step(
        index=step.index,
        interface=step.interface,
        name=step.name,
        args=step.args,
        attempt=step.attempt,
        memo=step.memo,
        deadline_at=step.deadline_at.timestamp() if step.deadline_at else 0.0,
    )
