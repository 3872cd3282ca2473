"""gunicorn's threaded worker, with two rules more.

Rule 1  A request takes a thread when it is here as a whole. gunicorn reads requests in its threads: as many clients as
        there are threads, each with a request that never ends, then keep everybody out. Here the loop that accepts
        connections collects head and body first.
Rule 2  Whether the process is alive, ready, and how it fares is answered by threads of their own, however many requests
        wait for one.
"""

from __future__ import annotations

import re
import selectors
import socket
import struct
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from .http import WAITED_S

MAX_HEAD = 64 * 1024
MAX_BODY = 4 * 1024 * 1024  # the bus carries less; between the two the service says itself what is too large
MAX_HELD = 64 * 1024 * 1024  # of all unfinished requests together
WHOLE_WITHIN_S = 20.0  # from the first look at a connection, or the end of its last request, to the end of the next
STOPPING_S = 2.0
SEND_STALLS_S = 20  # a client that takes nothing of its answer for so long is left
READ_BYTES = 64 * 1024
# What is asked about the process itself: the beginning of the request → threads for it. Being ready may take a while.
ASIDE = {b"GET /health/live": 1, b"GET /health/ready": 2, b"GET /metrics": 1}
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*(?=\r\n|$)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_EXPECTS = re.compile(rb"\r\nexpect:[ \t]*100-continue", re.IGNORECASE)
_ANSWER = "HTTP/1.1 {}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{}"
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(;[^\r\n]*)?")
_CHUNK_LINE = 256
REFUSALS = {
    400: ("400 Bad Request", "the chunks of the body are malformed"),
    408: ("408 Request Timeout", f"the request was not complete within {WHOLE_WITHIN_S:.0f} s"),
    413: ("413 Content Too Large", f"a request's body has {MAX_BODY} bytes at most"),
    431: ("431 Request Header Fields Too Large", f"a request's head has {MAX_HEAD} bytes at most"),
    503: ("503 Service Unavailable", "too many unfinished requests are held; try again"),
}


class Incoming:
    """What has come of one request. ``refusal``: the status for one that will not be taken."""

    def __init__(self, give_up_at: float) -> None:
        self.data = bytearray()
        self.give_up_at = give_up_at
        self.refusal: int | None = None
        self._body_at = 0  # 0: the head is not complete
        self._chunk_at = 0
        self._length = 0
        self._is_chunked = False
        self.expects_continue = False

    def add(self, data: bytes) -> bool:
        """True when the request is complete."""
        searched = max(0, len(self.data) - 3)
        self.data += data
        if not self._body_at and not self._read_head(searched):
            return False
        if self._is_chunked:
            return self._has_all_chunks()
        return len(self.data) - self._body_at >= self._length

    def _read_head(self, searched: int) -> bool:
        end = self.data.find(b"\r\n\r\n", searched)
        if end < 0 or end > MAX_HEAD:
            self.refusal = 431 if len(self.data) > MAX_HEAD else None
            return False
        head = bytes(self.data[:end])
        length = _LENGTH.search(head)
        self._body_at = self._chunk_at = end + 4
        self._length = int(length.group(1)) if length else 0
        self._is_chunked = _CHUNKED.search(head) is not None
        self.expects_continue = _EXPECTS.search(head) is not None
        self._judge(self._length)
        return True

    def _has_all_chunks(self) -> bool:
        self._judge(len(self.data) - self._body_at)
        while self.refusal is None:
            end = self.data.find(b"\r\n", self._chunk_at, self._chunk_at + _CHUNK_LINE)
            if end < 0:
                self.refusal = 400 if len(self.data) - self._chunk_at > _CHUNK_LINE else None
                return False
            chunk = _CHUNK.fullmatch(self.data, self._chunk_at, end)
            if chunk is None:
                self.refusal = 400
                return False
            size = int(chunk.group(1), 16)
            if size == 0:  # after it trailers, if any, and an empty line
                return self.data.find(b"\r\n\r\n", end) >= 0
            after = end + 2 + size + 2
            self._judge(after - self._body_at)
            if len(self.data) < after:
                return False
            self._chunk_at = after
        return False

    def _judge(self, length: int) -> None:
        if length > MAX_BODY:
            self.refusal = 413


class Worker(ThreadWorker):  # type: ignore[misc]
    """All that is added runs in the accepting loop's thread."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._incoming: dict[TConn, Incoming] = {}
        self._held = 0
        self._look_at = 0.0
        self._aside = {begin: ThreadPoolExecutor(threads) for begin, threads in ASIDE.items()}

    def enqueue_req(self, conn: TConn) -> None:
        """Every way into the pool leads through here: new connections, kept ones, what was read ahead."""
        conn.sock.setblocking(False)
        if conn.parser is None:
            stall = struct.pack("ll", SEND_STALLS_S, 0)
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, stall)
        self._incoming[conn] = Incoming(time.monotonic() + WHOLE_WITHIN_S)
        ahead = conn.parser.unreader.take_buffered() if conn.parser is not None else b""
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._read, conn))
        self._take(conn, ahead) if ahead else self._read(conn, conn.sock)

    def murder_pending(self) -> None:
        """Called in each turn of the loop. Idle connections end without a word, half requests with one."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + 1.0
        for conn, incoming in list(self._incoming.items()):
            if not self.alive:  # stopping: who has not begun may go elsewhere
                incoming.give_up_at = min(incoming.give_up_at, now + STOPPING_S if incoming.data else 0.0)
            if now > incoming.give_up_at:
                self._end(conn, 408 if incoming.data else None)

    def _read(self, conn: TConn, client: socket.socket) -> None:
        try:
            data = client.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._take(conn, data)
        else:
            self._end(conn)

    def _take(self, conn: TConn, data: bytes) -> None:
        incoming = self._incoming[conn]
        is_whole = incoming.add(data)
        self._held += len(data)
        if incoming.refusal is not None or self._held > MAX_HELD:
            self._end(conn, incoming.refusal or 503)
        elif is_whole:
            self._forget(conn)
            conn.init()
            conn.parser.unreader.unread(bytes(incoming.data))
            conn.data_ready = True
            self._hand_over(conn, self._pool_for(incoming.data))
        elif incoming.expects_continue:
            incoming.expects_continue = False
            self._say(conn, "HTTP/1.1 100 Continue\r\n\r\n")

    def _pool_for(self, request: bytearray) -> Executor:
        aside = next((pool for begin, pool in self._aside.items() if request.startswith(begin)), None)
        return aside or self.tpool

    def _hand_over(self, conn: TConn, pool: Executor) -> None:
        """As gunicorn does it, to the pool that is wanted."""
        answered = pool.submit(self._answer, conn, time.monotonic())
        answered.add_done_callback(lambda done: self.method_queue.defer(self.finish_request, conn, done))

    def _answer(self, conn: TConn, whole_at: float) -> Any:
        """In a thread of the pool."""
        WAITED_S.set(time.monotonic() - whole_at)
        return self.handle(conn)

    def _end(self, conn: TConn, status: int | None = None) -> None:
        self._forget(conn)
        if status is not None:
            title, reason = REFUSALS[status]
            self._say(conn, _ANSWER.format(title, len(reason) + 1, reason + "\n"))
        self.nr_conns -= 1
        conn.close()

    def _forget(self, conn: TConn) -> None:
        self._held -= len(self._incoming.pop(conn).data)
        self.poller.unregister(conn.sock)

    @staticmethod
    def _say(conn: TConn, text: str) -> None:
        try:
            conn.sock.send(text.encode())
        except OSError:
            return
