"""Who holds a node, and what is said to the others.

One lock a node: of a workflow (it ends with it) or a lease (it expires). ``fence`` grows with each holder.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from steelyard_common.errors import Busy

MAX_LEASE_S = 300.0


@dataclass(frozen=True, kw_only=True)
class Lock:
    """``workflow_uuid`` None: a lease, which is void after ``expires_at``."""

    node_uuid: str
    holder: str
    purpose: str
    fence: int
    since: datetime
    workflow_uuid: str | None = None
    expires_at: datetime | None = None
    idempotency_id: str | None = None

    def holds(self, now: datetime) -> bool:
        return self.expires_at is None or self.expires_at > now


def busy(lock: Lock) -> Busy:
    """The error that names holder, purpose and since when."""
    since = lock.since.isoformat(timespec="seconds")
    return Busy(
        f"Node {lock.node_uuid} is locked by host {lock.holder}, please retry after the current operation is "
        f"completed. ({lock.purpose} since {since})"
    )
