"""Leases: the node for a short, direct call to its BMC. The same lock as a workflow's, but it expires.

``fence`` grows with each holder: who comes late with an old one releases nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from steelyard_common.db import Database
from steelyard_common.errors import InvalidRequest, NotFound

from ..domain.locks import MAX_LEASE_S, Lock, busy
from ..domain.projection import Change, Fact
from ..store import locks
from .outgoing import emit_events
from .starting import Clock


class Leases:
    """``holder`` is shown as reservation when the taker gives no name of its own."""

    def __init__(self, database: Database, holder: str, clock: Clock, *, site: str) -> None:
        self._database = database
        self._site = site
        self._holder = holder
        self._clock = clock

    def take(self, ident: str, purpose: str, ttl_s: float, *, holder: str = "", request_id: str = "") -> dict[str, Any]:
        """→ {"fence", "node": NodeForProvider}. Asked for again with the same id: the same lease, renewed.

        Errors: NotFound, Busy, InvalidRequest.
        """
        if not 0 < ttl_s <= MAX_LEASE_S:
            raise InvalidRequest(f"A lease lasts up to {MAX_LEASE_S:.0f} seconds.")
        now = self._clock()
        with self._database.begin() as transaction:
            node = locks.lock_nodes(transaction.connection, [ident]).get(ident)
            if node is None:
                raise NotFound(f"Node {ident} could not be found.")
            held = node.view.lock
            is_same = held is not None and held.workflow_uuid is None and bool(request_id)
            is_same = is_same and held is not None and held.idempotency_id == request_id
            if held is not None and held.holds(now) and not is_same:
                raise busy(held)
            lease = Lock(
                node_uuid=node.view.uuid, holder=holder or self._holder, purpose=purpose,
                fence=held.fence if held is not None and is_same else node.view.fence + 1,
                since=now, expires_at=now + timedelta(seconds=ttl_s), idempotency_id=request_id or None,
            )  # fmt: skip
            locks.take_lease(transaction.connection, lease)
        return {"fence": lease.fence, "node": node.provider}

    def release(self, node_uuid: str, fence: int, cause: Mapping[str, Any] | None = None) -> None:
        """A lease that is gone already, or somebody else's by now, is no error: what was wanted is so."""
        now = self._clock()
        with self._database.begin() as transaction:
            node = locks.lock_nodes(transaction.connection, [node_uuid]).get(node_uuid)
            if node is None:
                return
            locks.release_lease(transaction.connection, node_uuid, fence)
            held = node.view.lock
            if held is not None and held.workflow_uuid is None and held.fence == fence:
                change = Change(events=(_released(held, now),))
                emit_events(transaction, self._site, node_uuid, change, cause or {}, now)

    def node(self, ident: str) -> dict[str, Any]:
        """NodeForProvider, for reading: no lock is taken. Errors: NotFound."""
        with self._database.read() as connection:
            node = locks.read_nodes(connection, [ident]).get(ident)
        if node is None:
            raise NotFound(f"Node {ident} could not be found.")
        return node.provider


def _released(held: Lock, now: datetime) -> Fact:
    """That a direct call ended: what for and how long. If it went well, only its caller knows."""
    data = {
        "purpose": held.purpose, "holder": held.holder, "duration_s": (now - held.since).total_seconds(),
        "outcome": "ended",
    }  # fmt: skip
    return Fact(name="lease-released", data=data)
