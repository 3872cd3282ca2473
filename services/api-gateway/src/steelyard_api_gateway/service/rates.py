"""How much of the API one project may use: a bucket of tokens for each, filled at a steady rate.

A request costs one token, and one more for every COST_S that it took: a project that asks for little, but much at a
time, is held back as one that asks often. So no project takes more than its share of the time of this gateway, whatever
it sends; the others wait a little, never long.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from steelyard_common.errors import TooManyRequests

COST_S = 0.005
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

    def take(self, project: str) -> float:
        """One token. → when the request began. Errors: TooManyRequests, with how long to wait."""
        now = self._clock()
        with self._lock:
            tokens = self._tokens(project, now)
            if tokens >= 1:
                self._buckets[project] = (tokens - 1, now)
                return now
        wait_s = (1 - tokens) / self._rate
        raise TooManyRequests(
            f"Project {project} asks more than {self._rate:g} times a second; try again in {wait_s:.1f} s",
            retry_after_s=max(1, round(wait_s + 0.5)),
        )

    def settle(self, project: str, began: float) -> None:
        """The request is answered: what it took beyond the first COST_S is paid now, by debt if need be."""
        now = self._clock()
        extra = (now - began) / COST_S - 1
        if extra > 0:
            with self._lock:
                tokens = self._tokens(project, now)
                self._buckets[project] = (max(tokens - extra, -self._burst), now)

    def _tokens(self, project: str, now: float) -> float:
        found = self._buckets.get(project)
        if found is None:
            if len(self._buckets) >= REMEMBERED:
                self._buckets.clear()
            return self._burst
        return min(self._burst, found[0] + (now - found[1]) * self._rate)
