"""How much of the API one project may use: a bucket of tokens for each, filled at a steady rate.

A request costs one token, and more when it is large or takes much computing: a project that asks for little, but much
at a time, is held back as one that asks often. What a request waits for costs nothing: that may be others' doing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from steelyard_common.errors import TooManyRequests

# One token: so many seconds of CPU here, or so many bytes. Bytes stand for what they cost the services behind.
COST_S = 0.005
COST_RECEIVED = 50_000
COST_SENT = 100_000
REMEMBERED = 20_000  # projects; whoever is forgotten has a full bucket


class Rates:
    """``rate``: tokens a second, 0: no limit; ``burst``: what a bucket holds."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = max(burst, 1.0)
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}  # tokens, when that was

    @property
    def is_on(self) -> bool:
        return self._rate > 0

    def take(self, project: str) -> None:
        """One token. Errors: TooManyRequests, with how long to wait."""
        now = self._clock()
        with self._lock:
            tokens = self._tokens(project, now)
            if tokens >= 1:
                self._buckets[project] = (tokens - 1, now)
                return
        wait_s = (1 - tokens) / self._rate
        raise TooManyRequests(
            f"Project {project} asks more than {self._rate:g} times a second; try again in {wait_s:.1f} s",
            retry_after_s=max(1, round(wait_s + 0.5)),
        )

    def settle(self, project: str, *, cpu_s: float, received: int, sent: int) -> float:
        """The request is answered: what it cost beyond its token is paid now, by debt if need be. → that"""
        extra = cpu_s / COST_S + received / COST_RECEIVED + sent / COST_SENT - 1
        if extra > 0:
            now = self._clock()
            with self._lock:
                tokens = self._tokens(project, now)
                self._buckets[project] = (max(tokens - extra, -self._burst), now)
        return extra

    def _tokens(self, project: str, now: float) -> float:
        found = self._buckets.get(project)
        if found is None:
            if len(self._buckets) >= REMEMBERED:
                self._buckets.clear()
            return self._burst
        return min(self._burst, found[0] + (now - found[1]) * self._rate)
