"""For tests of streams: the other end of a connection."""

from __future__ import annotations

import socket
import threading
import time


class Client:
    """The other end of a connection."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.theirs.settimeout(60)
        self.closed = threading.Event()
        self.text = b""

    def read_until(self, words: bytes, within_s: float = 60) -> bytes:
        end = time.monotonic() + within_s
        while words not in self.text:
            data = self.theirs.recv(65536)
            if not data or time.monotonic() > end:
                raise AssertionError(f"{words!r} did not come{'' if data else ' before the end'}: {self.text[-300:]!r}")
            self.text += data
        return self.text

    def read_to_end(self) -> bytes:
        while data := self.theirs.recv(65536):
            self.text += data
        return self.text
