"""Readings → observations and events: gathered for a moment, then written in one transaction."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from steelyard_common.bus import Message
from steelyard_common.contracts.events import cloud_event
from steelyard_common.db import Database
from steelyard_common.errors import OutcomeUnknown, Unavailable
from steelyard_common.telemetry import get_logger

from ..domain.observation import Fact, Observation
from ..store import observations

log = get_logger(__name__)
MOST_WAITING = 20_000  # while the database is away; older ones are dropped, the next turn reads them anew


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one poll has come to."""

    shard: int
    observation: Observation
    facts: list[Fact]
    at: datetime


class Recorder:
    """``add`` from any thread; ``flush`` from one."""

    def __init__(self, database: Database, site: str) -> None:
        self._database, self._site = database, site
        self._lock = threading.Lock()
        self._waiting: list[Result] = []

    def add(self, result: Result) -> None:
        with self._lock:
            self._waiting.append(result)
            del self._waiting[:-MOST_WAITING]

    def flush(self) -> int:
        """→ how many were written; 0 also when the database is away: they are kept for the next time."""
        with self._lock:
            results, self._waiting = self._waiting, []
        if not results:
            return 0
        latest = {result.observation.node_uuid: (result.shard, result.observation) for result in results}
        try:
            with self._database.begin() as transaction:
                observations.save(transaction.connection, list(latest.values()))
                for message in self._messages(results):
                    transaction.emit(message)
        except (Unavailable, OutcomeUnknown) as error:
            log.warning("observations wait", count=len(results), reason=error.message)
            with self._lock:
                self._waiting[:0] = results
            return 0
        return len(results)

    def _messages(self, results: Sequence[Result]) -> list[Message]:
        return [
            cloud_event(self._site, "power", fact.name, result.observation.node_uuid, fact.data, now=result.at)
            for result in results
            for fact in result.facts
        ]
