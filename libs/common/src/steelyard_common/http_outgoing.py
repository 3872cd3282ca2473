"""What is left of an answer when its thread has done its work: sent by the loop as the client takes it.

A thread never waits for a client. What the client does not take at once is kept; large answers beyond that (a file)
are still sent by the thread.
"""

from __future__ import annotations

import os
import socket
import struct
from collections import deque
from typing import Any

from .http import HELD_S

KEPT = 8 * 1024 * 1024  # of one answer; then its thread waits
SEND_STALLS_S = 20  # a client that takes nothing of its answer for so long is left
LEAST_RATE = 16 * 1024  # bytes a second, in the long run
DRAINED = 64 * 1024  # of what a client still says after its answer
LINGERS_S = 2.0


class Answering(socket.socket):
    """A client's socket. ``unsent`` bytes wait for the loop."""

    def __init__(self, taken: socket.socket) -> None:
        super().__init__(fileno=taken.detach())
        self._parts: deque[memoryview] = deque()
        self.unsent = 0
        self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_STALLS_S, 0))

    def sendall(self, data: Any, flags: int = 0) -> None:
        """In the thread that answers. Errors: OSError."""
        rest = memoryview(data)
        if not self.unsent and not HELD_S.get():
            rest = rest[self._try(rest) :]
        if rest:
            self._parts.append(rest)
            self.unsent += len(rest)
        if self.unsent > KEPT:
            self._send_all_kept(flags)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        self._send_all_kept(0)
        return super().sendfile(file, offset, count)

    def flush(self) -> int:
        """In the loop. → how many bytes the client took. Errors: OSError."""
        taken = 0
        while self._parts:
            sent = self._try(self._parts[0])
            taken += sent
            self._parts[0] = self._parts[0][sent:]
            if self._parts[0]:
                break
            self._parts.popleft()
        self.unsent -= taken
        return taken

    def _try(self, data: memoryview) -> int:
        try:
            return self.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0

    def _send_all_kept(self, flags: int) -> None:
        parts, self._parts, self.unsent = self._parts, deque(), 0
        for part in parts:
            super().sendall(part, flags)


class Outgoing:
    """An answer on its way. ``kept``: another request may follow; ``begins_at``: while it ``is_held``, not before."""

    def __init__(self, client: Answering, now: float, *, kept: bool, caller: str, held_s: float) -> None:
        self.client = client
        self.kept = kept
        self.caller = caller
        self.is_held = held_s > 0
        self.begins_at = now + held_s
        self.give_up_at = self.begins_at + SEND_STALLS_S
        self._ends_at = self.give_up_at + client.unsent / LEAST_RATE
        self.lingers = False
        self._drained = 0

    def send(self, now: float) -> bool:
        """→ whether all is sent. Errors: OSError."""
        if self.client.flush():
            self.give_up_at = min(now + SEND_STALLS_S, self._ends_at)
        return self.client.unsent == 0

    def linger(self, now: float) -> None:
        """Say that nothing follows, and let the client read to the end before the connection goes (RFC 9112 §9.6).

        Errors: OSError."""
        self.lingers = True
        self.give_up_at = now + LINGERS_S
        self.client.shutdown(socket.SHUT_WR)

    def drain(self) -> bool:
        """→ whether the client has gone, or says too much. Errors: OSError."""
        try:
            data = os.read(self.client.fileno(), DRAINED)
        except BlockingIOError:
            return False
        self._drained += len(data)
        return not data or self._drained > DRAINED
