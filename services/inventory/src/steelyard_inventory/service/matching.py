"""The matcher: gives allocations their nodes. Every replica runs one, none leads.

What waits stands in the database (``allocations.due_at``), so that nothing is lost with a process: the next look, here
or in another replica, finds it. Each allocation is one transaction: its row, its node's row and the events of both are
written together or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from prometheus_client import Counter
from steelyard_common.db import Database, Transaction

from ..domain import allocation_rules as rules
from ..domain.projection import Change
from ..store import allocations, placement
from .allocation_facts import node_fact, tell
from .loop import Loop
from .outgoing import emit_events
from .workers import Clock

LONGEST_SLEEP_S = 1.0  # how late another replica's allocations are found when that one dies
SETTLED = Counter("steelyard_allocations_settled", "Allocations that got a node, or an error", ["state"])


class Matcher:
    """``zone_key``: the property that is a node's zone.

    ``wake`` may be called by any thread; ``match_one`` by many at once, here and in other processes."""

    def __init__(self, database: Database, site: str, clock: Clock, zone_key: Sequence[str] = ("zone",)) -> None:
        self._database = database
        self._zone_key = zone_key
        self._site = site
        self._clock = clock
        self._loop = Loop("matcher", self.tick, clock, again_s=LONGEST_SLEEP_S)

    def match_one(self) -> bool:
        """Look for a node for one allocation that is due. → whether there was one"""
        now = self._clock()
        with self._database.begin() as transaction:
            allocation = allocations.take_due(transaction.connection, now)
            if allocation is None:
                return False
            self._look(transaction, allocation, now)
        return True

    def _look(self, transaction: Transaction, allocation: Mapping[str, Any], now: datetime) -> None:
        connection = transaction.connection
        placement.lock_groups(connection, allocation)
        if placement.waits_for_others(connection, allocation) and allocation["tries"] + 1 < rules.TRIES:
            self._later(transaction, allocation, now)
            return
        where = allocations.conditions(placement.place(connection, allocation), self._zone_key)
        found = allocations.reserve_node(connection, allocation, where, str(uuid4()), now)
        if found is None:
            self._miss(transaction, allocation, where, now)
        else:
            self._hit(transaction, allocation, *found, now)

    def tick(self) -> float:
        """All that are due. → seconds until there may be something again"""
        while not self._loop.is_stopping and self.match_one():
            pass
        with self._database.read() as connection:
            due = allocations.next_due(connection)
        if due is None or due <= self._clock():
            return LONGEST_SLEEP_S  # nothing, or somebody else has it in hand
        return min((due - self._clock()).total_seconds(), LONGEST_SLEEP_S)

    def wake(self, due_at: datetime) -> None:
        """Something will be due then: sleep no longer."""
        self._loop.wake(due_at)

    def start(self) -> Matcher:
        self._loop.start()
        return self

    def stop(self) -> None:
        self._loop.stop()

    def _hit(
        self, transaction: Transaction, allocation: Mapping[str, Any], node: str, name: str | None, now: datetime
    ) -> None:
        self._settle(transaction, allocation, {"state": rules.ACTIVE, "node_uuid": node, "due_at": None}, now)
        change = Change(events=(node_fact(node, name, allocation["uuid"]),))
        emit_events(transaction, self._site, node, change, allocation["cause"], now)

    def _later(self, transaction: Transaction, allocation: Mapping[str, Any], now: datetime) -> None:
        later = {"tries": allocation["tries"] + 1, "due_at": now + timedelta(seconds=rules.RETRY_AFTER_S)}
        allocations.update(transaction.connection, allocation, later, now)

    def _miss(
        self, transaction: Transaction, allocation: Mapping[str, Any], where: Mapping[str, Any], now: datetime
    ) -> None:
        """Nodes that suit and are locked are waited for, a few times."""
        suitable, with_class = allocations.count_suitable(transaction.connection, allocation, where)
        if suitable and allocation["tries"] + 1 < rules.TRIES:
            self._later(transaction, allocation, now)
            return
        error = rules.failure(allocation, suitable=suitable, with_class=with_class > 0)
        self._settle(transaction, allocation, {"state": rules.ERROR, "last_error": error, "due_at": None}, now)

    def _settle(
        self, transaction: Transaction, allocation: Mapping[str, Any], delta: Mapping[str, Any], now: datetime
    ) -> None:
        allocations.update(transaction.connection, allocation, delta, now)
        what = "failed" if delta["state"] == rules.ERROR else "matched"
        tell(transaction, self._site, what, {**allocation, **delta}, allocation["cause"], now)
        SETTLED.labels(delta["state"]).inc()
