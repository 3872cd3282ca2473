"""What leaves with a transaction: step messages to providers, events to the world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from ..store import provider_details

# Interfaces whose providers are told the node's ports, extra, network_data and instance_name, too; but for
# implementations that do nothing with a machine.
TOLD_WHOLE = frozenset({"boot", "deploy", "rescue", "inspect", "network", "storage"})
PRETENDED = frozenset({"fake", "noop"})
TRACE = "traceparent"  # kept in a workflow's cause, so that its steps belong to the trace of the call that began it


@dataclass(frozen=True, kw_only=True, slots=True)
class _Letter:
    """A message of steps whose node is to be told whole."""

    site: str
    run: Run
    steps: Sequence[StepRun]
    node: dict[str, Any]


def emit_steps(transaction: Transaction, site: str, run: Run, steps: Sequence[StepRun], node: dict[str, Any]) -> None:
    """One message with ``steps``. Its id is that of the first dispatch in it: a repeat of the same one is dropped."""
    letter = _Letter(site=site, run=run, steps=steps, node=node)
    if steps[0].interface in TOLD_WHOLE and not _is_pretended(node, steps):
        transaction.gather(_emit_whole, letter)
    else:
        _emit(transaction, letter, node)


def _is_pretended(node: dict[str, Any], steps: Sequence[StepRun]) -> bool:
    return all(node["interfaces"].get(step.interface) in PRETENDED for step in steps)


def _emit_whole(transaction: Transaction, letters: list[_Letter]) -> None:
    told = provider_details.read(transaction.connection, {letter.run.node_uuid for letter in letters})
    for letter in letters:
        _emit(transaction, letter, letter.node | told.get(letter.run.node_uuid, {}))


def _emit(transaction: Transaction, letter: _Letter, node: dict[str, Any]) -> None:
    run, first = letter.run, letter.steps[0]
    message = StepMessage(
        workflow=run.uuid, fence=run.fence, node=node, steps=[_step(step) for step in letter.steps], cause=run.cause
    )
    transaction.emit(
        Message(
            subject=subjects.step(letter.site, first.interface, run.node_uuid),
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
