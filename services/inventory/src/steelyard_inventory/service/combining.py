"""Calls that come at the same time are handled together: the first to get its turn does the work of all who wait.

No thread and no linger: a call that is alone pays nothing, and under load batches form by themselves, because a
transaction costs nearly the same for one row and for a hundred.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from steelyard_common.errors import SteelyardError, Unavailable

T = TypeVar("T")


class _Ticket(Generic[T]):
    """One call: what it asks for and, later, how it went."""

    __slots__ = ("error", "is_done", "item")

    def __init__(self, item: T) -> None:
        self.item = item
        self.is_done = False
        self.error: Exception | None = None


class Combiner(Generic[T]):
    """``handle`` takes a batch in one transaction and returns an error, or None, for each of its items."""

    def __init__(self, handle: Callable[[list[T]], list[SteelyardError | None]], *, most: int = 100) -> None:
        self._handle = handle
        self._most = most
        self._queue: list[_Ticket[T]] = []
        self._guard = threading.Lock()
        self._turn = threading.Lock()

    def submit(self, item: T) -> None:
        """Returns when ``item`` is done. Errors: its own."""
        ticket = _Ticket(item)
        with self._guard:
            self._queue.append(ticket)
        while not ticket.is_done:
            with self._turn:
                if not ticket.is_done:
                    self._run()
        if ticket.error is not None:
            raise ticket.error

    def _run(self) -> None:
        with self._guard:
            batch, self._queue = self._queue[: self._most], self._queue[self._most :]
        if not self._try(batch):
            # Something in it cannot be stored, or is a bug: it shall fail alone.
            for ticket in batch:
                self._try([ticket])
        for ticket in batch:
            ticket.is_done = True

    def _try(self, batch: list[_Ticket[T]]) -> bool:
        """Whether each ticket has its answer."""
        try:
            errors = self._handle([ticket.item for ticket in batch])
        except Unavailable as error:
            errors = [error] * len(batch)
        except Exception as error:  # noqa: BLE001 - handed on to the one who called, whoever's turn it was
            if len(batch) > 1:
                return False
            batch[0].error = error
            return True
        for ticket, outcome in zip(batch, errors, strict=True):
            ticket.error = outcome
        return True
