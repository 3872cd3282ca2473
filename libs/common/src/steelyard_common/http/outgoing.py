"""What is left of an answer when its thread has done its work: sent by the loop as the client takes it.

A thread never waits for a client. What the client does not take at once is kept; only of an answer that is larger than
that its thread sends the rest. Files are not kept: ``files`` sends them.
"""

from __future__ import annotations

import os
import socket
import struct
from collections import deque
from dataclasses import dataclass
from typing import Any

from . import CALLER, HEAVY, HELD_S, WAITED_S
from .files import FilePart

KEPT = 8 * 1024 * 1024  # of one answer; then its thread waits
SEND_STALLS_S = 20  # a client that takes nothing of its answer for so long is left
LEAST_RATE = 16 * 1024  # bytes a second, in the long run
DRAINED = 64 * 1024  # of what a client still says after its answer
LINGERS_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a thread knows when an answer is made. ``kept``: another request may follow on the connection."""

    kept: bool = False
    caller: str | None = None
    held_s: float = 0.0
    was_heavy: bool = False


def begin(waited_s: float) -> None:
    """In the thread, before the application is asked; ``told`` is what it said."""
    WAITED_S.set(waited_s)
    CALLER.set(None)
    HELD_S.set(0.0)
    HEAVY.set(False)


def told(*, kept: bool) -> Told:
    return Told(kept=kept, caller=CALLER.get(), held_s=HELD_S.get(), was_heavy=HEAVY.get())


class Answering(socket.socket):
    """A client's socket. ``unsent`` bytes wait in memory to be sent."""

    def __init__(self, taken: socket.socket) -> None:
        super().__init__(fileno=taken.detach())
        self._parts: deque[memoryview | FilePart] = deque()
        self.unsent = 0
        self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_STALLS_S, 0))

    def sendall(self, data: Any, flags: int = 0) -> None:
        """In the thread that answers. Errors: OSError."""
        rest = memoryview(data)
        if not self._parts and not HELD_S.get():
            rest = rest[self._try(rest) :]
        if rest:
            self._parts.append(rest)
            self.unsent += len(rest)
        if self.unsent > KEPT:
            self._send_all_kept(flags)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Only noted: → how much will be sent."""
        size = os.fstat(file.fileno()).st_size - offset if count is None else count
        if size > 0:
            self._parts.append(FilePart(file, offset, size))
        return size

    @property
    def has_file(self) -> bool:
        return any(isinstance(part, FilePart) for part in self._parts)

    @property
    def left(self) -> int:
        """Bytes that are still to be sent, of files too."""
        return self.unsent + sum(part.left for part in self._parts if isinstance(part, FilePart))

    @property
    def is_waiting(self) -> bool:
        """For a file that is still on its way."""
        return bool(self._parts) and isinstance(self._parts[0], FilePart) and self._parts[0].is_waiting

    def flush(self) -> int:
        """In the loop, or in one of ``files``. → how many bytes the client took. Errors: OSError."""
        taken = 0
        while self._parts:
            part = self._parts[0]
            if isinstance(part, FilePart):
                taken += part.send(self.fileno())
                if part.left:
                    break
                part.close()
            else:
                sent = self._try(part)
                taken += sent
                self.unsent -= sent
                if sent < len(part):
                    self._parts[0] = part[sent:]
                    break
            self._parts.popleft()
        return taken

    def close(self) -> None:
        """With what was not sent."""
        while self._parts:
            part = self._parts.popleft()
            if isinstance(part, FilePart):
                part.close()
        super().close()

    def _try(self, data: memoryview) -> int:
        try:
            return self.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0

    def _send_all_kept(self, flags: int) -> None:
        if self.has_file:
            return
        parts, self._parts, self.unsent = self._parts, deque(), 0
        for part in parts:
            super().sendall(part, flags)  # type: ignore[arg-type]


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
        self.is_watched = False  # by the loop's poller
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
