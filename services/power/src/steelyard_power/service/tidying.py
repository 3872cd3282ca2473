"""Forgets begun marks that nobody can ask for any more."""

from __future__ import annotations

import threading
from datetime import timedelta

from steelyard_common.db import Database
from steelyard_common.errors import SteelyardError
from steelyard_common.provider import Clock
from steelyard_common.telemetry import get_logger

from ..store import journal

log = get_logger(__name__)
EVERY_S = 600.0
# Longer than any message of a step can come again: the stream gives up after minutes, a soft power off after an hour.
KEEP = timedelta(hours=6)


class Tidier:
    """Sweeps now and then; any number of replicas may."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tidier", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(5)

    def tidy(self) -> int:
        """→ how many marks are gone"""
        with self._database.begin() as transaction:
            return journal.sweep(transaction.connection, self._clock() - KEEP)

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_S):
            try:
                self.tidy()
            except SteelyardError as error:
                log.warning("marks are not swept", reason=error.message)
