"""Group operations: one verb for many nodes. What may be asked for, what becomes of it, and when to look. Pure.

Rule 1  A node goes pending → running → done or failed; an abort makes what is pending skipped; a retry makes what
        failed pending. Nothing else moves.
Rule 2  ``parallelism`` bounds what is running. A node that somebody else has in hand runs nothing: it waits its turn.
Rule 3  An operation ends when nothing is pending and nothing runs.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime, timedelta

from steelyard_common.errors import Busy, Conflict, SteelyardError, Unavailable

from .workflows import PowerTarget

MOST_NODES = 10_000
MOST_PARALLEL = 1000
DEFAULT_PARALLEL = 50
# A node that is locked is tried again so often, and for so long; then it has failed.
BUSY_AGAIN_S = 2.0
BUSY_S = 600.0
SOONEST_S, LATEST_S = 0.1, 2.0
POWER_VERBS = frozenset(PowerTarget)


class Outcome(enum.StrEnum):
    """What has become of one node."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


class Status(enum.StrEnum):
    """Of the whole. RUNNING and ABORTING go on; DONE: every node is; FAILED: some are not."""

    RUNNING = "running"
    ABORTING = "aborting"
    DONE = "done"
    FAILED = "failed"
    ABORTED = "aborted"


GOES_ON = frozenset({Status.RUNNING, Status.ABORTING})
Counts = Mapping[Outcome, int]


def ended(status: Status, counts: Counts) -> Status | None:
    """How it ended, None while it goes on (rule 3)."""
    if counts.get(Outcome.PENDING, 0) or counts.get(Outcome.RUNNING, 0):
        return None
    if status is Status.ABORTING:
        return Status.ABORTED
    return Status.FAILED if counts.get(Outcome.FAILED, 0) or counts.get(Outcome.SKIPPED, 0) else Status.DONE


def progress(counts: Counts, total: int) -> int:
    """Percent of the nodes that have an end."""
    left = counts.get(Outcome.PENDING, 0) + counts.get(Outcome.RUNNING, 0)
    return 100 if not total else (total - left) * 100 // total


def look_again(changed_at: datetime, now: datetime) -> datetime:
    """The longer nothing changed, the later: work of seconds is followed closely, work of hours cheaply."""
    pause = (now - changed_at).total_seconds() / 8
    return now + timedelta(seconds=min(max(pause, SOONEST_S), LATEST_S))


def waits(error: SteelyardError, wait_until: datetime | None, now: datetime) -> datetime | None:
    """Until when a node that could not begin is waited for; None: it failed.

    Unavailable is a limit of the site (deployments at once): it is waited for without an end, which ``abort`` makes.
    """
    if isinstance(error, Unavailable):
        return wait_until or now + timedelta(seconds=BUSY_S)
    if isinstance(error, Busy):
        until = wait_until or now + timedelta(seconds=BUSY_S)
        return until if now < until else None
    return None


def check_retry(status: Status, counts: Counts) -> None:
    """Errors: Conflict."""
    if status is Status.ABORTING:
        raise Conflict("The operation is being aborted; retry when it has ended.")
    if not counts.get(Outcome.FAILED, 0):
        raise Conflict("No node of this operation has failed: there is nothing to retry.")


def check_abort(status: Status) -> None:
    """Errors: Conflict when it has ended."""
    if status not in GOES_ON:
        raise Conflict(f"The operation has ended ({status}): there is nothing to abort.")
