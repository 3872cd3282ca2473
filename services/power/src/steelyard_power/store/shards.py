"""Turns of the shards: who polls which shard now. A dead replica's lease runs out and the shard is taken by another."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from .tables import sync_shards as shards


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A shard that is ours until its lease ends."""

    purpose: str
    shard: int
    due_at: datetime


def seed(connection: sa.Connection, turns: Sequence[Turn], latest: datetime) -> None:
    """Make the rows that are missing; a shard due later than ``latest`` (the interval was longer then) is called in."""
    rows = [{"purpose": turn.purpose, "shard": turn.shard, "due_at": turn.due_at} for turn in turns]
    statement = insert(shards).values(rows)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[shards.c.purpose, shards.c.shard],
            set_={"due_at": statement.excluded.due_at},
            where=shards.c.due_at > latest,
        )
    )


def claim(
    connection: sa.Connection, purpose: str, holder: str, *, now: datetime, lease_s: float, limit: int
) -> list[Turn]:
    """Take up to ``limit`` due shards that nobody holds, the most overdue first."""
    free = sa.or_(shards.c.lease_until.is_(None), shards.c.lease_until < now)
    due = (
        sa.select(shards.c.shard)
        .where(shards.c.purpose == purpose, shards.c.due_at <= now, free)
        .order_by(shards.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    statement = (
        sa.update(shards)
        .where(shards.c.purpose == purpose, shards.c.shard.in_(due.scalar_subquery()))
        .values(lease_holder=holder, lease_until=now + timedelta(seconds=lease_s))
        .returning(shards.c.shard, shards.c.due_at)
    )
    rows = connection.execute(statement).all()
    return sorted((Turn(purpose=purpose, shard=row.shard, due_at=row.due_at) for row in rows), key=lambda t: t.due_at)


def renew(connection: sa.Connection, purpose: str, numbers: Collection[int], holder: str, until: datetime) -> set[int]:
    """Keep shards for longer. → those that are still ours"""
    statement = (
        sa.update(shards)
        .where(shards.c.purpose == purpose, shards.c.shard.in_(numbers), shards.c.lease_holder == holder)
        .values(lease_until=until)
        .returning(shards.c.shard)
    )
    return set(connection.execute(statement).scalars())


def finish(connection: sa.Connection, turn: Turn, holder: str, due_at: datetime) -> None:
    """Give the shard back; nothing happens if it was lost meanwhile."""
    connection.execute(
        sa.update(shards)
        .where(shards.c.purpose == turn.purpose, shards.c.shard == turn.shard, shards.c.lease_holder == holder)
        .values(due_at=due_at, lease_holder=None, lease_until=None)
    )


def next_due_at(connection: sa.Connection, purpose: str) -> datetime | None:
    """When the next shard that is free, or will be, is due."""
    when = sa.func.greatest(shards.c.due_at, sa.func.coalesce(shards.c.lease_until, shards.c.due_at))
    first: datetime | None = connection.execute(
        sa.select(sa.func.min(when)).where(shards.c.purpose == purpose)
    ).scalar_one()
    return first
