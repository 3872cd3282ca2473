"""Garbage: what nobody refers to and nobody used for long goes, and beyond a size what was used longest ago.

Rule 1  What is referred to stays, whatever the size; so does what was used within ``IN_USE_S``: it may be being read.
Rule 2  A file and its row go together, under the lock that putting takes too. A crash in between leaves a row without
        a file, which the next wish heals, or a file without a row, which is swept when it is old.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from steelyard_common.db import Database
from steelyard_common.errors import SteelyardError
from steelyard_common.telemetry import get_logger

from ..store import artifacts as store
from ..store import fetches
from . import metrics
from .artifacts import Shelf
from .fetch import PREFIX
from .fetching import Clock

log = get_logger(__name__)
IN_USE_S = 300.0
ORPHAN_S = 3600.0  # a file without a row, and a draft of nobody: older than anything that is just being done
FORGET_S = 86400.0  # fetches that ended and lead nowhere
EVERY_S = 300.0
AT_ONCE = 200


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """``unused_s``: what nobody used for so long goes; ``keep_bytes``: of all artifacts together."""

    unused_s: float = 7 * 86400
    keep_bytes: int = 20 << 30


class Collector:
    """``start`` begins the loop; ``collect`` is one turn; any replica may, at any time."""

    def __init__(self, database: Database, shelf: Shelf, keeping: Keeping, clock: Clock) -> None:
        self._database = database
        self._shelf = shelf
        self._keeping = keeping
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="artifacts", daemon=True)

    def start(self) -> Collector:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def collect(self) -> int:
        """→ bytes that went"""
        now = self._clock()
        went = self._drop(before_then=now - timedelta(seconds=self._keeping.unused_s), reason="unused")
        totals = self._count()
        over = totals - self._keeping.keep_bytes
        if over > 0:
            went += self._drop(before_then=now - timedelta(seconds=IN_USE_S), reason="size", enough=over)
        self._sweep(now)
        if went:
            self._count()
        return went

    def make_room(self, size: int) -> None:
        """At least so many bytes, if there is that much garbage: the least recently used first."""
        self._drop(before_then=self._clock() - timedelta(seconds=IN_USE_S), reason="room", enough=size)

    def remove(self, key: str) -> bool:
        """One, now, if nobody refers to it. → whether it went"""
        return self._remove(key, self._clock() + timedelta(seconds=1))

    # ---- inside

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.collect()
            except (SteelyardError, OSError) as error:
                log.warning("artifacts not collected", reason=str(error))
            self._stopping.wait(EVERY_S)

    def _drop(self, *, before_then: datetime, reason: str, enough: int | None = None) -> int:
        """→ bytes"""
        went = 0
        while enough is None or went < enough:
            with self._database.read() as connection:
                rows = store.unused(connection, before_then, AT_ONCE)
            before = went
            for row in rows:
                if enough is not None and went >= enough:
                    return went
                if self._remove(row["key"], before_then):
                    went += row["stored_bytes"]
                    metrics.COLLECTED.labels(reason).inc()
                    log.info("artifact removed", artifact=row["key"][:12], bytes=row["stored_bytes"], reason=reason)
            if went == before:
                return went
        return went

    def _remove(self, key: str, before: datetime) -> bool:
        with self._database.begin() as transaction:
            store.lock(transaction.connection, key)
            if not store.drop(transaction.connection, key, before):
                return False
            self._shelf.storage.remove(key)
        return True

    def _count(self) -> int:
        """→ bytes of all"""
        with self._database.read() as connection:
            totals = store.totals(connection)
        metrics.STORED_BYTES.clear()
        metrics.STORED_FILES.clear()
        for row in totals:
            metrics.STORED_BYTES.labels(row["kind"]).set(row["bytes"])
            metrics.STORED_FILES.labels(row["kind"]).set(row["files"])
        return sum(int(row["bytes"]) for row in totals)

    def _sweep(self, now: datetime, older_than_s: float = ORPHAN_S) -> None:
        """Files without a row, drafts of nobody, fetches that lead nowhere."""
        with self._database.begin() as transaction:
            needed = fetches.open_ids(transaction.connection)
            fetches.tidy(transaction.connection, now - timedelta(seconds=FORGET_S))
        self._shelf.drafts.sweep(PREFIX, needed, older_than_s)
        old = (key for key, since in self._shelf.storage.all() if time.time() - since > older_than_s)
        for keys in _batches(old):
            with self._database.read() as connection:
                known = store.known(connection, keys)
            for key in set(keys) - known:
                self._sweep_orphan(key)

    def _sweep_orphan(self, key: str) -> None:
        with self._database.begin() as transaction:
            store.lock(transaction.connection, key)
            if not store.known(transaction.connection, [key]):
                self._shelf.storage.remove(key)
                metrics.COLLECTED.labels("orphan").inc()


def _batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(items)
    while batch := list(islice(rest, AT_ONCE)):
        yield batch
