"""The line to one BMC: how often it may be called, and how long to leave it alone after it failed."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import DeviceUnreachable, SteelyardError
from .deadline import Clock, Deadline


@dataclass(frozen=True, kw_only=True)
class PoolSettings:
    """How the pool treats BMCs; seconds and calls a second. A call is one HTTP request or one IPMI command."""

    connect_timeout_s: float = 5.0
    calls_per_s: float = 20.0
    call_burst: int = 60
    backoff_first_s: float = 5.0
    backoff_max_s: float = 300.0
    idle_close_s: float = 300.0  # sessions and sockets that nobody used for so long are given back
    forget_after_s: float = 3600.0  # what was learnt of a BMC that nobody asked for
    ipmi_session_s: float = 50.0  # BMCs drop an IPMI session after 60 ± 3 s (IPMI 2.0 §6.12.15)
    logout_timeout_s: float = 3.0
    max_reply_bytes: int = 16 * 1024 * 1024


class Line:
    """Budget and back-off of one BMC. Only the holder of the conversation calls it; anybody may read its fields."""

    def __init__(
        self,
        settings: PoolSettings,
        clock: Clock,
        wait: Callable[[float], object] | None = None,
        rand: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._wait = wait or threading.Event().wait
        self._random = rand
        self._tokens = float(settings.call_burst)
        self._refilled_at = clock()
        self.calls = 0
        self.failures = 0
        self.backoff_until = 0.0
        self.last_error: str | None = None

    def before_call(self, deadline: Deadline) -> None:
        """Take one call from the budget, waiting for it if need be.

        Errors: DeviceUnreachable when the deadline comes first; nothing was sent.
        """
        now = self._clock()
        self._tokens += (now - self._refilled_at) * self._settings.calls_per_s
        self._tokens = min(self._tokens, float(self._settings.call_burst)) - 1
        self._refilled_at = now
        missing_s = -self._tokens / self._settings.calls_per_s
        if missing_s > deadline.left() or deadline.passed():
            self._tokens += 1
            raise DeviceUnreachable("the time ran out before the BMC was called; nothing was sent")
        if missing_s > 0:
            self._wait(missing_s)
        self.calls += 1

    def succeeded(self) -> None:
        self.failures, self.backoff_until, self.last_error = 0, 0.0, None

    def failed(self, error: SteelyardError) -> None:
        """Leave the BMC alone: twice as long after each failure, with jitter so that many do not come back at once."""
        self.failures += 1
        longest = min(self._settings.backoff_max_s, self._settings.backoff_first_s * 2 ** min(self.failures - 1, 20))
        self.backoff_until = self._clock() + longest * (0.5 + self._random() / 2)
        self.last_error = error.message

    def refuse_in_backoff(self) -> None:
        """Errors: DeviceUnreachable while the BMC is being left alone."""
        left_s = self.backoff_until - self._clock()
        if left_s > 0:
            raise DeviceUnreachable(
                f"{self.last_error} (failed {self.failures} times in a row; next try in {left_s:.0f} s)"
            )
