"""A point in time by which a conversation with a BMC has ended."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]


class Deadline:
    """``timeout_s`` from now, on ``clock`` (monotonic seconds)."""

    def __init__(self, timeout_s: float, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self.at = clock() + timeout_s

    def left(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self.at - self._clock())

    def passed(self) -> bool:
        return self._clock() >= self.at

    def within(self, timeout_s: float) -> Deadline:
        """The nearer of this deadline and ``timeout_s`` from now."""
        return Deadline(min(timeout_s, self.left()), self._clock)
