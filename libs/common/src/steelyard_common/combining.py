"""Calls that come at the same time are handled together, because a transaction costs nearly the same for one row and
for a hundred.

The first to come leads: it does the work of all who wait, its own included, then hands the lead to the first of those
who came meanwhile. A call that is alone waits for nobody. Once two met, the next leader lingers a moment for more:
under load batches form by themselves, and there is no thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from .errors import SteelyardError, Unavailable

T = TypeVar("T")
LINGER_S = 0.005


class _Ticket(Generic[T]):
    """One call: what it asks for and, later, how it went. ``woken``: it is done, or it is to lead."""

    __slots__ = ("error", "is_done", "item", "woken")

    def __init__(self, item: T) -> None:
        self.item = item
        self.is_done = False
        self.error: Exception | None = None
        self.woken = threading.Lock()
        self.woken.acquire()


class Combiner(Generic[T]):
    """``handle`` takes a batch in one transaction and returns an error, or None, for each of its items."""

    def __init__(
        self, handle: Callable[[list[T]], list[SteelyardError | None]], *, most: int = 100, linger_s: float = LINGER_S
    ) -> None:
        self._handle = handle
        self._most = most
        self._linger_s = linger_s
        self._queue: list[_Ticket[T]] = []
        self._guard = threading.Lock()
        self._is_led = False
        self._is_crowded = False

    def submit(self, item: T) -> None:
        """Returns when ``item`` is done. Errors: its own."""
        ticket = _Ticket(item)
        with self._guard:
            self._queue.append(ticket)
            leads = not self._is_led
            self._is_led = True
        if not leads:
            ticket.woken.acquire()
        if not ticket.is_done:
            self._lead()
        if ticket.error is not None:
            raise ticket.error

    def _lead(self) -> None:
        """Handle what waits; the leader's own ticket is the oldest of it."""
        if self._is_crowded:
            time.sleep(self._linger_s)
        with self._guard:
            batch, self._queue = self._queue[: self._most], self._queue[self._most :]
        if not self._try(batch):
            # Something in it cannot be stored, or is a bug: it shall fail alone.
            for ticket in batch:
                self._try([ticket])
        with self._guard:
            self._is_crowded = len(batch) > 1
            self._is_led = bool(self._queue)
            following = self._queue[0] if self._queue else None
        for ticket in batch:
            ticket.is_done = True
            ticket.woken.release()
        if following is not None:
            following.woken.release()

    def _try(self, batch: list[_Ticket[T]]) -> bool:
        """Whether each ticket has its answer."""
        try:
            errors = self._handle([ticket.item for ticket in batch])
        except Unavailable as error:
            errors = [error] * len(batch)
        except Exception as error:  # noqa: BLE001 - handed on to the one who called, whoever led
            if len(batch) > 1:
                return False
            batch[0].error = error
            return True
        for ticket, outcome in zip(batch, errors, strict=True):
            ticket.error = outcome
        return True
