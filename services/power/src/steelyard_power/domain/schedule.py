"""When a shard of nodes is polled. Pure.

A shard keeps its place in the period, so that the load stays level; a shard that is late takes up its old place
again. The period is shorter than the promised age, so that a slow poll or a busy replica does not break the promise.
"""

from __future__ import annotations

import math

SHARDS = 64
# A state may be as old as the interval: the rest of it is left for waiting, reading and storing.
PERIOD_SHARE = 0.75
JITTER_SHARE = 0.05
SHORTEST_SHARE = 0.25


def period_s(interval_s: float) -> float:
    return interval_s * PERIOD_SHARE


def first_due(shard: int, now: float, period: float) -> float:
    """The places of the shards, spread over one period."""
    return now + period * shard / SHARDS


def next_due(due: float, now: float, period: float, jitter: float) -> float:
    """The next place of a shard that was due at ``due``. ``jitter``: 0…1, drawn by the caller.

    A shard that is so late that its next place is near waits for the one after: ``SHORTEST_SHARE`` keeps it from being
    polled twice in a row, and what it adds to a period is still less than the promised age.
    """
    turns = max(1, math.ceil((now - due) / period + SHORTEST_SHARE))
    return due + turns * period - jitter * JITTER_SHARE * period
