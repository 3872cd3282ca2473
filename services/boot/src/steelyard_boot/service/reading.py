"""What is being read: opened for readers, and told to the database now and then, so that it is not collected."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime

from steelyard_common.db import Database
from steelyard_common.errors import SteelyardError
from steelyard_common.telemetry import get_logger

from ..domain.artifacts import is_key
from ..drivers import Storage, Stored
from ..store import artifacts as store
from . import metrics
from .fetching import Clock

log = get_logger(__name__)
TELL_S = 30.0


class Reading:
    """Artifacts are served without the database: it may be away, and a thousand machines boot at once."""

    def __init__(self, database: Database, storage: Storage, clock: Clock) -> None:
        self._database = database
        self._storage = storage
        self._clock = clock
        self._open: Counter[str] = Counter()
        self._read: dict[str, datetime] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="readers", daemon=True)

    def start(self) -> Reading:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
        self.tell()

    def open(self, key: str) -> Stored | None:
        """None when there is none, or no artifact can have this name. ``done`` must follow. Errors: OSError."""
        stored = self._storage.open(key) if is_key(key) else None
        if stored is not None:
            with self._lock:
                self._open[key] += 1
                self._read[key] = self._clock()
        return stored

    def done(self, key: str, served: int) -> None:
        """``served``: bytes that were promised."""
        metrics.SERVED_BYTES.inc(served)
        with self._lock:
            self._open[key] -= 1
            if self._open[key] <= 0:
                del self._open[key]
            self._read[key] = self._clock()

    def tell(self) -> None:
        """What is read, or was since the last time, is in use."""
        now = self._clock()
        with self._lock:
            keys = {*self._open, *self._read}
            self._read.clear()
        if not keys:
            return
        try:
            with self._database.begin() as transaction:
                store.touch(transaction.connection, keys, now)
        except SteelyardError as error:
            log.warning("readers not told", reason=error.message, detail=error.detail)
            with self._lock:
                self._read.update(dict.fromkeys(keys, now))

    def _run(self) -> None:
        while not self._stopping.wait(TELL_S):
            self.tell()
