"""A thread that looks at what is due, sleeps until there may be more, and is woken when something comes sooner.

Level-triggered: what is due stands in the database, so that a look that fails, or a wake that is lost with a process,
costs time and nothing else. Engine, matcher, the runner of operations and the timeline's months each have one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from steelyard_common.errors import SteelyardError
from steelyard_common.telemetry import get_logger

from .workers import Clock

log = get_logger(__name__)
NEVER = datetime.max.replace(tzinfo=UTC)
LEAVES_WITHIN_S = 10.0


class Loop:
    """``tick`` looks, and tells after how many seconds there may be something again; ``again_s``: when it failed."""

    def __init__(self, name: str, tick: Callable[[], float], clock: Clock, *, again_s: float = 1.0) -> None:
        self._name = name
        self._tick = tick
        self._clock = clock
        self._again_s = again_s
        self._condition = threading.Condition()
        self._wake_at = NEVER  # what was asked since the last look began
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def is_stopping(self) -> bool:
        """For a look that takes long: it ends at the next good place."""
        return self._stopping

    def start(self) -> Loop:
        self._thread.start()
        return self

    def stop(self) -> None:
        """Ends the sleep; a look is waited for."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        if self._thread.is_alive():
            self._thread.join(LEAVES_WITHIN_S)

    def wake(self, due_at: datetime | None) -> None:
        """From any thread: something will be due then, so sleep no longer. None: nothing will."""
        with self._condition:
            if due_at is not None and due_at < self._wake_at:
                self._wake_at = due_at
                self._condition.notify()

    def _run(self) -> None:
        while not self._stopping:
            with self._condition:
                self._wake_at = NEVER
            try:
                wait_s = self._tick()
            except SteelyardError as error:
                log.warning(f"{self._name} waits", reason=error.message, detail=error.detail)
                wait_s = self._again_s
            except Exception as error:  # without this loop nobody would ever look again
                log.exception(f"{self._name} failed", error=type(error).__name__)
                wait_s = self._again_s
            self._sleep(wait_s)

    def _sleep(self, wait_s: float) -> None:
        with self._condition:
            self._wake_at = min(self._wake_at, self._clock() + timedelta(seconds=wait_s))
            while not self._stopping and (left_s := (self._wake_at - self._clock()).total_seconds()) > 0:
                self._condition.wait(left_s)
