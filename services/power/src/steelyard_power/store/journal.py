"""Begun marks: what was sent, or was about to be, when a process died."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from ..domain.power_change import Mark
from .tables import step_journal as journal


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A step's mark. ``outcome``: how the step ended, in the words of ResultMessage; None while it has not."""

    attempt: int
    mark: Mark
    outcome: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class StepKey:
    """Which step of which workflow."""

    workflow: str
    index: int


def find(connection: sa.Connection, key: StepKey) -> Entry | None:
    row = connection.execute(sa.select(journal).where(*_is(key))).one_or_none()
    return None if row is None else _entry(row)


def begin(
    connection: sa.Connection, key: StepKey, node_uuid: str, attempt: int, *, phase: int, action: str,
    again_after: float | None, now: float, reset_before: str | None = None,
) -> bool:  # fmt: skip
    """Mark an action as begun. False: somebody else's mark is there, read it.

    A mark is replaced only by a later phase, by a new attempt at a step that failed, or by the one who read it with
    ``begun_at == again_after`` and decided to send once more.
    """
    values = {
        "workflow_uuid": key.workflow, "step_index": key.index, "node_uuid": node_uuid, "attempt": attempt,
        "phase": phase, "action": action, "sends": 1, "begun_at": _time(now), "reset_before": reset_before,
    }  # fmt: skip
    statement = insert(journal).values(values)
    is_open = journal.c.outcome.is_(None)
    may_replace = sa.or_(
        sa.and_(journal.c.outcome["outcome"].as_string() == "failed", journal.c.attempt < attempt),
        sa.and_(is_open, journal.c.phase < phase),
    )
    if again_after is not None:
        may_replace |= sa.and_(is_open, journal.c.phase == phase, journal.c.begun_at == _time(again_after))
    same_phase = sa.and_(is_open, journal.c.phase == phase)
    changes = {name: statement.excluded[name] for name in ("attempt", "phase", "action", "begun_at", "reset_before")}
    statement = statement.on_conflict_do_update(
        index_elements=[journal.c.workflow_uuid, journal.c.step_index],
        set_=changes | {
            "sends": sa.case((same_phase, journal.c.sends + 1), else_=1), "answered_at": None, "outcome": sa.null(),
        },
        where=may_replace,
    )  # fmt: skip
    return connection.execute(statement.returning(journal.c.step_index)).one_or_none() is not None


def answered(connection: sa.Connection, key: StepKey, *, phase: int, now: float) -> None:
    """The BMC took the action of ``phase``."""
    connection.execute(sa.update(journal).where(*_is(key), journal.c.phase == phase).values(answered_at=_time(now)))


def end(connection: sa.Connection, key: StepKey, attempt: int, outcome: dict[str, Any]) -> None:
    """Remember how the step ended, if it is marked at all; a late attempt does not overwrite a newer one."""
    connection.execute(
        sa.update(journal).where(*_is(key), journal.c.attempt <= attempt).values(outcome=outcome, attempt=attempt)
    )


def sweep(connection: sa.Connection, before: datetime) -> int:
    """Forget what was begun before that time. → how many"""
    return connection.execute(sa.delete(journal).where(journal.c.begun_at < before)).rowcount


def _is(key: StepKey) -> tuple[sa.ColumnElement[bool], ...]:
    return journal.c.workflow_uuid == key.workflow, journal.c.step_index == key.index


def _entry(row: sa.Row[Any]) -> Entry:
    mark = Mark(
        phase=row.phase, action=row.action, begun_at=row.begun_at.timestamp(), sends=row.sends,
        reset_before=row.reset_before,
        answered_at=row.answered_at.timestamp() if row.answered_at else None,
    )  # fmt: skip
    return Entry(attempt=row.attempt, mark=mark, outcome=row.outcome)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
