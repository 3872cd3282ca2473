"""Files on their way to clients: from the page cache to the socket (sendfile), by threads of their own.

A thread that answers never waits for a client, and the loop that accepts connections never waits for a disk: a few
threads here send what many clients take, each as fast as it does, in turns.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from .turns import greediest

THREADS = 4
SLICE = 1024 * 1024  # then the next client has its turn
STALLS_S = 60.0  # a client that takes nothing for so long is left
LEAST_RATE = 16 * 1024  # bytes a second, in the long run
LOOK_S = 1.0
GROWN_S = 0.05  # after which files that grow are looked at again


class FilePart:
    """So much of a file. One that has ``hold`` is held, and closed when it is sent; of others there is a copy.

    One that has ``took`` is told how many bytes the client took, again and again. One that has ``ready`` grows: that
    tells how many bytes of it there are, and ``is_waiting`` whether the client could have taken more.
    """

    def __init__(self, file: Any, offset: int, count: int) -> None:
        self.left = count
        self._offset = offset
        self.is_waiting = False
        self._ready: Callable[[], int] | None = getattr(file, "ready", None)
        self._took: Callable[[int], object] = getattr(file, "took", _nobody)
        hold = getattr(file, "hold", None)
        if hold is not None:
            hold()
            self._descriptor: int = file.fileno()
            self._close: Callable[[], None] = file.close
        else:
            copy = self._descriptor = os.dup(file.fileno())
            self._close = lambda: os.close(copy)

    def send(self, client: int) -> int:
        """A slice at most. → how many bytes the client took. Errors: OSError."""
        count = min(self.left, SLICE)
        if self._ready is not None:
            count = min(count, self._ready() - self._offset)
            self.is_waiting = count <= 0
            if self.is_waiting:
                return 0
        try:
            sent = os.sendfile(client, self._descriptor, self._offset, count)
        except BlockingIOError:
            return 0
        if sent == 0:
            raise OSError(errno.EIO, "the file is shorter than it was")
        self._offset += sent
        self.left -= sent
        self._took(sent)
        return sent

    def close(self) -> None:
        """Once."""
        close, self._close = self._close, _nothing
        close()


class Client(Protocol):
    """What is sent to: ``outgoing.Answering``."""

    @property
    def left(self) -> int: ...
    @property
    def is_waiting(self) -> bool: ...
    def fileno(self) -> int: ...
    def flush(self) -> int: ...


@dataclass(eq=False, kw_only=True)
class _Sending:
    client: Client
    caller: str
    done: Callable[[bool], None]
    give_up_at: float
    ends_at: float
    must_go: bool = False


class FileSenders:
    """``add`` from any thread; ``done`` of it is called in one of ours, with whether all was sent.

    ``most`` at once: when there are more, one of who has most goes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._all: dict[_Sending, None] = {}
        self._lock = threading.Lock()
        self._loops: list[_Loop] = []

    def add(self, client: Client, caller: str, done: Callable[[bool], None]) -> None:
        now = time.monotonic()
        sending = _Sending(
            client=client, caller=caller, done=done, give_up_at=now + STALLS_S,
            ends_at=now + STALLS_S + client.left / LEAST_RATE,
        )  # fmt: skip
        with self._lock:
            if len(self._loops) < THREADS:
                self._loops.append(_Loop(self._ended))
            self._all[sending] = None
            staying = [each for each in self._all if not each.must_go]
            if len(staying) > self._most:
                greediest((each, each.caller, 1) for each in staying).must_go = True
            loop = min(self._loops, key=lambda each: each.load)
        loop.add(sending)

    def _ended(self, sending: _Sending) -> None:
        with self._lock:
            self._all.pop(sending, None)


class _Loop:
    """One thread, and the clients that it sends to."""

    def __init__(self, ended: Callable[[_Sending], None]) -> None:
        self._ended = ended
        self._selector = selectors.DefaultSelector()
        self._new: deque[_Sending] = deque()
        self._sendings: set[_Sending] = set()
        self._waiting: list[_Sending] = []  # for files that grow; the selector does not know of them
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        threading.Thread(target=self._run, name="files", daemon=True).start()

    @property
    def load(self) -> int:
        return len(self._sendings) + len(self._new)

    def add(self, sending: _Sending) -> None:
        self._new.append(sending)
        with suppress(BlockingIOError):
            self._waker.send(b"\0")

    def _run(self) -> None:
        look_at = grown_at = 0.0
        while True:
            for key, _ in self._selector.select(GROWN_S if self._waiting else LOOK_S):
                if key.data is None:
                    self._take()
                else:
                    self._send(key.data)
            now = time.monotonic()
            if self._waiting and now >= grown_at:
                grown_at = now + GROWN_S
                self._look_at_waiting(now)
            if now >= look_at:
                look_at = now + LOOK_S
                for sending in [each for each in self._sendings if each.must_go or now > each.give_up_at]:
                    self._end(sending, is_sent=False)

    def _take(self) -> None:
        with suppress(BlockingIOError):
            while self._woken.recv(4096):
                continue
        while self._new:
            sending = self._new.popleft()
            self._sendings.add(sending)
            self._watch(sending)

    def _look_at_waiting(self, now: float) -> None:
        """That it waits is not the client's fault."""
        waiting, self._waiting = self._waiting, []
        for sending in waiting:
            sending.give_up_at = min(now + STALLS_S, sending.ends_at)
            self._watch(sending)

    def _watch(self, sending: _Sending) -> None:
        self._selector.register(sending.client.fileno(), selectors.EVENT_WRITE, sending)
        self._send(sending)

    def _send(self, sending: _Sending) -> None:
        try:
            taken = sending.client.flush()
        except OSError:
            self._end(sending, is_sent=False)
            return
        if sending.client.left == 0:
            self._end(sending, is_sent=True)
        elif sending.client.is_waiting:
            self._selector.unregister(sending.client.fileno())
            self._waiting.append(sending)
        elif taken:
            sending.give_up_at = min(time.monotonic() + STALLS_S, sending.ends_at)

    def _end(self, sending: _Sending, *, is_sent: bool) -> None:
        self._sendings.discard(sending)
        if sending in self._waiting:
            self._waiting.remove(sending)
        else:
            self._selector.unregister(sending.client.fileno())
        self._ended(sending)
        sending.done(is_sent)


def _nobody(_count: int) -> None:
    """Wants to know."""


def _nothing() -> None:
    """It is closed."""
