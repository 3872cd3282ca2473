"""Tells what was refused about a node, for its timeline. Never in the way of an answer.

A bounded queue and a thread of its own: what does not fit is counted and dropped, what cannot be told is dropped too.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from queue import Empty, Full, Queue
from typing import Any
from uuid import UUID

from prometheus_client import Counter
from steelyard_common.bus import Bus, Message
from steelyard_common.contracts.events import cloud_event
from steelyard_common.errors import SteelyardError
from steelyard_common.telemetry import get_logger

from .call import Call

log = get_logger(__name__)
MOST_WAITING = 1000
BATCH = 100
BY_NAME = "by-name"  # stands for the node's UUID in the subject
DROPPED = Counter("steelyard_refusals_dropped", "Refused calls that were not told")


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """One call. ``path``: as in the route table; ``message`` holds no value of its body."""

    call: Call
    ident: str
    method: str
    path: str
    status: int
    code: str
    message: str
    duration_s: float
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


class Refusals:
    """``note`` returns at once; the thread begins with the first."""

    def __init__(self, bus: Bus, site: str, service: str) -> None:
        self._bus, self._site, self._service = bus, site, service
        self._waiting: Queue[Refusal] = Queue(MOST_WAITING)
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None

    def note(self, refusal: Refusal) -> None:
        try:
            self._waiting.put_nowait(refusal)
        except Full:
            DROPPED.inc()
            return
        if self._thread is None:
            with self._guard:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="refusals", daemon=True)
                    self._thread.start()

    def tell_waiting(self) -> int:
        """Tell what waits now. → how many were told"""
        batch: list[Refusal] = []
        while len(batch) < BATCH:
            try:
                batch.append(self._waiting.get_nowait())
            except Empty:
                break
        return self._tell(batch)

    def _run(self) -> None:
        while True:
            first = self._waiting.get()
            self._tell([first])
            self.tell_waiting()

    def _tell(self, batch: list[Refusal]) -> int:
        try:
            if batch:
                self._bus.publish([self._message(each) for each in batch])
        except SteelyardError as error:
            DROPPED.inc(len(batch))
            log.warning("refused calls are not told", count=len(batch), reason=error.message)
            return 0
        return len(batch)

    def _message(self, refusal: Refusal) -> Message:
        """A node that was called by its name is told by it: whoever keeps nodes knows which one it is."""
        data: dict[str, Any] = {
            "method": refusal.method, "path": refusal.path, "outcome": "refused", "status": refusal.status,
            "code": refusal.code, "message": refusal.message, "duration_s": round(refusal.duration_s, 6),
        }  # fmt: skip
        try:
            node = str(UUID(refusal.ident))
        except ValueError:
            node = BY_NAME
            data["node_name"] = refusal.ident
        caller = refusal.call.caller
        cause: dict[str, Any] = {"user": caller.user, "request_id": refusal.call.request_id, "origin": "api"}
        if caller.project:
            cause["project"] = caller.project
        return cloud_event(self._site, self._service, "call-refused", node, data, cause=cause, now=refusal.at)
