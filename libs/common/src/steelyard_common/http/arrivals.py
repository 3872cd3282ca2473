"""Requests on their way in: read as they come, by the loop, until they are whole or will not be."""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections.abc import Callable
from functools import partial

from gunicorn.workers.gthread import TConn

from .incoming import WHOLE_WITHIN_S, Incoming, refusal_of
from .turns import greediest

MAX_HELD = 64 * 1024 * 1024  # of all unfinished requests together
STOPPING_S = 2.0
READ_BYTES = 64 * 1024


class Arrivals:
    """``whole`` takes a request that is here; ``caller`` tells whose one is; ``closed``: a connection has ended."""

    def __init__(
        self,
        poller: Callable[[], selectors.BaseSelector],
        whole: Callable[[TConn, Incoming], None],
        caller: Callable[[TConn, Incoming], str],
        closed: Callable[[TConn], None],
    ) -> None:
        self._poller, self._whole, self._caller, self._closed = poller, whole, caller, closed
        self._all: dict[TConn, Incoming] = {}
        self._held = 0

    def add(self, conn: TConn, ahead: bytes = b"") -> None:
        """``ahead``: what was read already."""
        self._all[conn] = Incoming(time.monotonic() + WHOLE_WITHIN_S)
        self._take(conn, ahead) if ahead else self._read(conn, conn.sock)

    def look(self, now: float, *, is_stopping: bool) -> None:
        """Idle connections end without a word, half requests with one."""
        for conn, incoming in list(self._all.items()):
            if is_stopping:  # what was on its way when the port closed is still heard
                incoming.give_up_at = min(incoming.give_up_at, now + STOPPING_S)
            if now > incoming.give_up_at:
                self._end(conn, 408 if incoming.data else None)

    def end_oldest(self) -> bool:
        """→ whether there was one"""
        if not self._all:
            return False
        self._end(next(iter(self._all)))
        return True

    def _read(self, conn: TConn, client: socket.socket) -> None:
        if conn not in self._all:  # it went in this very turn of the loop
            return
        try:
            data = client.recv(READ_BYTES)
        except BlockingIOError:
            self._await(conn)
            return
        except OSError:
            data = b""
        if data:
            self._take(conn, data)
        else:
            self._end(conn)

    def _take(self, conn: TConn, data: bytes) -> None:
        incoming = self._all[conn]
        is_whole = incoming.add(data)
        self._held += len(data)
        if incoming.refusal is not None:
            self._end(conn, incoming.refusal)
        elif is_whole:
            self._forget(conn)
            self._whole(conn, incoming)
        elif self._held > MAX_HELD:
            self._end(greediest((each, self._caller(each, one), len(one.data)) for each, one in self._all.items()), 503)
        elif incoming.expects_continue:
            incoming.expects_continue = False
            _say(conn, b"HTTP/1.1 100 Continue\r\n\r\n")
        self._await(conn)

    def _await(self, conn: TConn) -> None:
        """Many requests are whole at the first look, and the poller need not know of them."""
        incoming = self._all.get(conn)
        if incoming is not None and not incoming.is_watched:
            incoming.is_watched = True
            self._poller().register(conn.sock, selectors.EVENT_READ, partial(self._read, conn))

    def _end(self, conn: TConn, status: int | None = None) -> None:
        self._forget(conn)
        if status is not None:
            _say(conn, refusal_of(status))
        self._closed(conn)

    def _forget(self, conn: TConn) -> None:
        incoming = self._all.pop(conn)
        self._held -= len(incoming.data)
        if incoming.is_watched:
            self._poller().unregister(conn.sock)


def _say(conn: TConn, text: bytes) -> None:
    with contextlib.suppress(OSError):
        conn.sock.send(text)
