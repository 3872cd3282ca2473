"""Turns of shards: which nodes this replica looks at now. Replicas share 64 shards by leases in the database."""

from __future__ import annotations

import random
from collections.abc import Collection
from datetime import datetime, timedelta

from steelyard_common.db import Database
from steelyard_common.provider import Clock

from ..domain import schedule
from ..store import shards
from ..store.shards import Turn
from . import metrics

LEASE_S = 20.0  # a dead replica's shards are taken up after so long
RENEW_EVERY_S = 5.0
POSTPONE_S = 3.0
LONGEST_REST_S = 1.0


class Turns:
    """The turns of one purpose (power or sensors). Errors of all methods: Unavailable."""

    def __init__(self, database: Database, purpose: str, holder: str, period_s: float, clock: Clock) -> None:
        self._database, self.purpose, self._holder = database, purpose, holder
        self._period_s, self._clock = period_s, clock
        self._is_seeded = False

    def claim(self, limit: int) -> list[Turn]:
        """Due shards, now ours; none is a sign to ``rest``."""
        now = self._clock()
        with self._database.begin() as transaction:
            if not self._is_seeded:
                shards.seed(
                    transaction.connection, self._first_turns(now), now + timedelta(seconds=1.25 * self._period_s)
                )
            turns = shards.claim(
                transaction.connection, self.purpose, self._holder, now=now, lease_s=LEASE_S, limit=limit
            )
        self._is_seeded = True
        return turns

    def rest_s(self) -> float:
        """How long nothing is due, as far as can be seen."""
        with self._database.read() as connection:
            due_at = shards.next_due_at(connection, self.purpose)
        if due_at is None:
            return LONGEST_REST_S
        return min(LONGEST_REST_S, max(0.01, (due_at - self._clock()).total_seconds()))

    def finish(self, turn: Turn) -> None:
        """The turn is over; the next one comes a period after this one was due."""
        jitter = random.random()  # noqa: S311  spreads load, guards nothing
        due = schedule.next_due(turn.due_at.timestamp(), self._clock().timestamp(), self._period_s, jitter)
        self._give_back(turn, datetime.fromtimestamp(due, turn.due_at.tzinfo))
        metrics.TURNS.labels(self.purpose, "finished").inc()

    def postpone(self, turn: Turn) -> None:
        """The turn could not be taken; soon again, by anybody."""
        self._give_back(turn, self._clock() + timedelta(seconds=POSTPONE_S))
        metrics.TURNS.labels(self.purpose, "postponed").inc()

    def renew(self, numbers: Collection[int]) -> set[int]:
        """Keep these shards. → those that are still ours"""
        if not numbers:
            return set()
        until = self._clock() + timedelta(seconds=LEASE_S)
        with self._database.begin() as transaction:
            return shards.renew(transaction.connection, self.purpose, numbers, self._holder, until)

    def _give_back(self, turn: Turn, due_at: datetime) -> None:
        with self._database.begin() as transaction:
            shards.finish(transaction.connection, turn, self._holder, due_at)

    def _first_turns(self, now: datetime) -> list[Turn]:
        start = now.timestamp()
        places = (schedule.first_due(shard, start, self._period_s) for shard in range(schedule.SHARDS))
        return [
            Turn(purpose=self.purpose, shard=shard, due_at=datetime.fromtimestamp(place, now.tzinfo))
            for shard, place in enumerate(places)
        ]
