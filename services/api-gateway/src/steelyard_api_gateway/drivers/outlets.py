"""Connections on which something is sent for as long as the other side listens: one thread serves them all.

A client's socket comes here when the head of its answer is sent, so that no thread of the HTTP server stays with it.
What waits for a client is bounded. Who takes too little is told so, if it takes that, and left.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from prometheus_client import Counter, Gauge
from steelyard_common.telemetry import get_logger

log = get_logger(__name__)
OPEN = Gauge("steelyard_event_readers", "Clients that follow the stream of events")
CLOSED = Counter("steelyard_event_readers_gone", "Clients that follow events no more, by what ended it", ["why"])
MOST_FRAMES, MOST_BYTES = 2000, 2 * 1024 * 1024  # that wait for one client
SEND_BUFFER = 256 * 1024  # the kernel's part of it
AT_ONCE = 64 * 1024
STALL_S = 30.0  # a client that takes nothing for so long is left
LAST_WORD_S = 10.0
LOOK_S = 1.0
LEFT, SLOW, STALLED, ENDED = "left", "slow", "stalled", "ended"


class Outlet:
    """One client. ``put`` and ``end`` may be called by any thread; ``on_close`` is called once, in the outlets' thread.

    ``last_word``: what a client that is too slow is told; ``chunked``: the body has chunks (HTTP/1.1)."""

    def __init__(
        self, outlets: Outlets, client: socket.socket, *, chunked: bool, last_word: bytes,
        on_close: Callable[[], None],
    ) -> None:  # fmt: skip
        self.client, self.on_close = client, on_close
        self._outlets, self._chunked, self._last_word = outlets, chunked, last_word
        self._lock = threading.Lock()
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._sending = memoryview(b"")
        self._then: Callable[[], None] | None = None
        self.ends: str | None = None  # why it ends once all is sent
        self.give_up_at = float("inf")
        self.is_open = True

    def put(self, frames: Sequence[bytes], then: Callable[[], None] | None = None) -> None:
        """Send these. ``then`` is called when the client has taken everything."""
        with self._lock:
            if not self.is_open or self.ends:
                return
            is_behind = bool(self._waiting)
            self._waiting.extend(frames)
            self._bytes += sum(map(len, frames))
            self._then = then or self._then
            if is_behind and (len(self._waiting) > MOST_FRAMES or self._bytes > MOST_BYTES):
                self._finish(self._last_word, SLOW, drop=True)
        self._outlets.look_at(self)

    def end(self, frame: bytes, why: str = ENDED) -> None:
        """Send this as the last, and close."""
        with self._lock:
            if self.is_open and not self.ends:
                self._finish(frame, why, drop=False)
        self._outlets.look_at(self)

    def _finish(self, frame: bytes, why: str, *, drop: bool) -> None:
        if drop:
            self._waiting.clear()
        self._waiting.append(frame)
        self._bytes = sum(map(len, self._waiting))
        self._then, self.ends, self.give_up_at = None, why, time.monotonic() + LAST_WORD_S

    # ---- in the outlets' thread

    def send(self) -> bool:
        """As much as the client takes now. → whether all is sent. Errors: OSError."""
        while True:
            if not self._sending:
                self._sending = self._next()
                if not self._sending:
                    return True
            try:
                sent = self.client.send(self._sending)
            except BlockingIOError:
                return False
            self._sending = self._sending[sent:]
            with self._lock:
                if not self.ends:
                    self.give_up_at = float("inf")

    def waits(self, now: float) -> None:
        """It did not take all: from now on the time runs."""
        with self._lock:
            self.give_up_at = min(self.give_up_at, now + STALL_S)

    def take_then(self) -> Callable[[], None] | None:
        with self._lock:
            then, self._then = self._then, None
            return then

    def _next(self) -> memoryview:
        with self._lock:
            parts: list[bytes] = []
            size = 0
            while self._waiting and size < AT_ONCE:
                parts.append(self._waiting.popleft())
                size += len(parts[-1])
            self._bytes -= size
            is_last = self.ends is not None and not self._waiting and bool(parts)
        whole = b"".join(parts)
        if not self._chunked or not whole:
            return memoryview(whole)
        return memoryview(b"%x\r\n%b\r\n%b" % (len(whole), whole, b"0\r\n\r\n" if is_last else b""))


class Outlets:
    """All clients of this process. ``count`` is how many there are."""

    def __init__(self) -> None:
        self._wakes: tuple[socket.socket, socket.socket] | None = None
        self._look_at: deque[Outlet] = deque()
        self._outlets: set[Outlet] = set()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="outlets", daemon=True)

    @property
    def count(self) -> int:
        return len(self._outlets)

    def open(
        self, client: socket.socket, *, chunked: bool, last_word: bytes, on_close: Callable[[], None]
    ) -> Outlet:  # fmt: skip
        """From now on the socket is ours."""
        client.setblocking(False)
        if client.family in (socket.AF_INET, socket.AF_INET6):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(STALL_S * 1000))
        outlet = Outlet(self, client, chunked=chunked, last_word=last_word, on_close=on_close)
        with self._lock:
            self._outlets.add(outlet)
            if self._wakes is None:  # the first one: who has no readers has no thread for them
                self._wakes = socket.socketpair()
                self._wakes[1].setblocking(False)
                self._thread.start()
        OPEN.set(len(self._outlets))
        self.look_at(outlet)
        return outlet

    def look_at(self, outlet: Outlet) -> None:
        self._look_at.append(outlet)
        if self._wakes is None:
            return
        try:
            self._wakes[1].send(b"x")
        except (BlockingIOError, OSError):  # it is awake anyway, or stopped
            return

    def stop(self, last_word: bytes) -> None:
        """Tell all clients, and leave."""
        for outlet in list(self._outlets):
            outlet.end(last_word)
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(LAST_WORD_S)

    # ---- in its thread

    def _run(self) -> None:
        if self._wakes is None:
            return
        here, there = self._wakes
        with here, there, selectors.DefaultSelector() as self._selector:
            self._selector.register(here, selectors.EVENT_READ)
            self._serve_all(here)

    def _serve_all(self, here: socket.socket) -> None:
        look_at = 0.0
        while not (self._stopping.is_set() and not self._outlets):
            try:
                for key, events in self._selector.select(LOOK_S):
                    self._serve(key.data, events) if key.data is not None else here.recv(4096)
                while self._look_at:
                    self._write(self._look_at.popleft())
                if time.monotonic() >= look_at:
                    look_at = time.monotonic() + LOOK_S
                    self._leave_the_stalled()
            except Exception as error:  # without this loop nobody would hear anything
                log.exception("outlets failed", error=type(error).__name__)

    def _serve(self, outlet: Outlet, events: int) -> None:
        if events & selectors.EVENT_READ:
            try:
                if not outlet.client.recv(4096):
                    self._close(outlet, outlet.ends or LEFT)
                    return
            except BlockingIOError:
                pass
            except OSError:
                self._close(outlet, LEFT)
                return
        if events & selectors.EVENT_WRITE:
            self._write(outlet)

    def _write(self, outlet: Outlet) -> None:
        if not outlet.is_open:
            return
        try:
            is_sent = outlet.send()
        except OSError:
            self._close(outlet, LEFT)
            return
        if is_sent and outlet.ends:
            self._close(outlet, outlet.ends)
            return
        self._watch(outlet, writes=not is_sent)
        if not is_sent:
            outlet.waits(time.monotonic())
        elif (then := outlet.take_then()) is not None:
            then()

    def _watch(self, outlet: Outlet, *, writes: bool) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if writes else 0)
        known = self._selector.get_map().get(outlet.client)
        if known is None:
            self._selector.register(outlet.client, events, outlet)
        elif known.events != events:
            self._selector.modify(outlet.client, events, outlet)

    def _leave_the_stalled(self) -> None:
        now = time.monotonic()
        for outlet in [each for each in list(self._outlets) if now > each.give_up_at]:
            self._close(outlet, outlet.ends or STALLED)

    def _close(self, outlet: Outlet, why: str) -> None:
        if not outlet.is_open:
            return
        outlet.is_open = False
        if self._selector.get_map().get(outlet.client) is not None:
            self._selector.unregister(outlet.client)
        outlet.client.close()
        self._outlets.discard(outlet)
        OPEN.set(len(self._outlets))
        CLOSED.labels(why).inc()
        outlet.on_close()
