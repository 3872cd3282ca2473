"""From the outbox to the stream: right after the commit, and again whatever was left behind.

A row is deleted only when the stream has its message; a process may die at any point between, and then any replica's
sweep sends it once more with the same ``Nats-Msg-Id``, so that the stream drops the repeat. There is no cursor: an "id
greater than the last" one loses rows that commit late.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence

from ..bus.types import Bus, Message
from ..errors import InvalidRequest, SteelyardError, Unavailable
from ..telemetry import get_logger
from . import outbox
from .database import Database

log = get_logger(__name__)
SWEEP_AGE_S = 2.0
TIDY_EVERY_S = 1.0
SWEEP_LIMIT = 500
MAX_WAITING = 10_000  # more than that is left to the sweep


class Relay:
    """One thread: publishes what transactions hand over; every second or so tidies and sweeps."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database, self._bus = database, bus
        self._waiting: list[tuple[Message, int]] = []
        self._condition = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def start(self) -> Relay:
        self._database.hand_over = self._take
        self._thread.start()
        return self

    def stop(self) -> None:
        """Publish what is waiting if that is possible now; what is left stays in the table."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        self._thread.join(10)
        self._database.hand_over = None

    def _take(self, messages: Sequence[Message], ids: Sequence[int]) -> None:
        with self._condition:
            if len(self._waiting) < MAX_WAITING:
                self._waiting.extend(zip(messages, ids, strict=True))
                self._condition.notify()

    def _run(self) -> None:
        tidy_at = time.monotonic() + TIDY_EVERY_S
        while True:
            with self._condition:
                if not self._waiting and not self._stopping:
                    self._condition.wait(max(0.0, tidy_at - time.monotonic()))
                batch, self._waiting = self._waiting, []
                last = self._stopping and not batch
            self._publish(batch)
            if time.monotonic() >= tidy_at or last:
                more = self._tidy(sweep=not last)
                pause = 0.0 if more else TIDY_EVERY_S * random.uniform(0.8, 1.2)  # noqa: S311  jitter
                tidy_at = time.monotonic() + pause
            if last:
                return

    def _publish(self, batch: Sequence[tuple[Message, int]]) -> bool:
        """True when the stream has them all."""
        if not batch:
            return True
        # Facts before what follows from them: else another replica may tell the next fact before this one is told.
        batch = sorted(batch, key=lambda each: ".evt." not in each[0].subject)
        try:
            self._bus.publish([message for message, _ in batch])
        except InvalidRequest as error:
            if len(batch) > 1:
                sent = [self._publish([each]) for each in batch]  # each is tried, whatever became of the others
                return all(sent)
            log.error("message cannot be sent", msg_id=batch[0][0].msg_id, reason=error.message)
        except SteelyardError as error:
            log.warning("messages wait in the outbox", count=len(batch), reason=error.message)
        else:
            self._database.note_published([row_id for _, row_id in batch])
            return True
        return False

    def _tidy(self, *, sweep: bool) -> bool:
        """Delete what is published, when no transaction came by to do it; then look for what was left behind.

        True when more may have been left than one sweep takes.
        """
        published = self._database.take_published()
        try:
            with self._database.begin() as transaction:
                if published:
                    outbox.delete(transaction.connection, published)
                left = outbox.old(transaction.connection, SWEEP_AGE_S, [], SWEEP_LIMIT) if sweep else []
        except SteelyardError as error:
            self._database.note_published(published)
            if not isinstance(error, Unavailable):
                log.error("outbox cannot be read", reason=error.message, detail=error.detail)
            return False
        if not left or not self._bus.is_connected:
            return False
        return self._publish([(message, row_id) for row_id, message in left]) and len(left) == SWEEP_LIMIT
