"""What machines and BMCs fetch of a boot: each file once in the waterfall, however many pieces it is read in."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from steelyard_common.db import Database

from ..domain.waterfall import FAILED, OK, PARTIAL, Hop, Note
from ..store import boots as store

HOPS = {hop.value: hop for hop in (Hop.KERNEL, Hop.RAMDISK, Hop.ISO, Hop.KICKSTART, Hop.STAGE2)}
TELL_S = 10.0  # a file that is read in pieces is told of once in so long
MOST_KNOWN = 20_000


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """One request that ended. ``sent`` bytes of the ``of_bytes`` that were asked for; times in seconds."""

    boot_id: str
    what: str
    status: int
    sent: int
    of_bytes: int
    took_s: float
    address: str | None = None


@dataclass
class _Read:
    node_uuid: str
    bytes: int = 0
    requests: int = 0
    told_at: datetime | None = None


class Traffic:
    """``told``: takes the notes."""

    def __init__(self, database: Database, told: Callable[[Note], None], clock: Callable[[], datetime]) -> None:
        self._database, self._told, self._clock = database, told, clock
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], _Read] = {}

    def ended(self, fetch: Fetch) -> None:
        """Errors: Unavailable."""
        now = self._clock()  # of files that end one after the other the first may have to wait longer below
        hop = HOPS.get(fetch.what)
        read = self._read(fetch) if hop is not None else None
        if hop is None or read is None:
            return
        with self._lock:
            read.bytes, read.requests = read.bytes + fetch.sent, read.requests + 1
            is_piece = fetch.status == 206
            if is_piece and read.told_at is not None and (now - read.told_at).total_seconds() < TELL_S:
                return
            read.told_at = now
            detail = {
                "what": fetch.what, "status": fetch.status, "bytes": read.bytes if is_piece else fetch.sent,
                "of_bytes": fetch.of_bytes if fetch.status < 400 else None, "took_s": round(fetch.took_s, 3),
                "address": fetch.address, "requests": read.requests,
            }  # fmt: skip
        outcome = FAILED if fetch.status >= 400 else OK if fetch.sent >= fetch.of_bytes else PARTIAL
        self._told(
            Note(node_uuid=read.node_uuid, boot_id=fetch.boot_id, hop=hop, outcome=outcome, at=now, detail=detail)
        )

    def _read(self, fetch: Fetch) -> _Read | None:
        key = (fetch.boot_id, fetch.what)
        with self._lock:
            known = self._known.get(key)
        if known is not None:
            return known
        with self._database.read() as connection:
            row = store.of_boot(connection, fetch.boot_id)
        if row is None:
            return None
        with self._lock:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            return self._known.setdefault(key, _Read(row.node_uuid))
