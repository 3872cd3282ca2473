"""gunicorn's threaded worker, with five rules more.

Rule 1  A request takes a thread when it is here as a whole. gunicorn reads requests in its threads: as many clients as
        there are threads, each with a request that never ends, then keep everybody out. Here the loop that accepts
        connections collects head and body first.
Rule 2  Whether the process is alive, ready, and how it fares is answered by threads of their own, however many requests
        wait for one.
Rule 3  A thread is free when its answer is made. What the client does not take at once is sent by the loop; so is an
        answer that is to be held back for a while, and the loop, too, closes connections without waiting. Files are
        sent by ``files``.
Rule 4  Callers take turns (``turns``). What is held for clients has a limit, and who holds most, or longest, goes.
Rule 5  An application that says it is not ``is_open`` is sent no connection: on a shared port others take them.
"""

from __future__ import annotations

import contextlib
import select
import selectors
import socket
import sys
import time
from collections import Counter
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from .files import FileSenders
from .incoming import WHOLE_WITHIN_S, Held, Incoming, refusal_of
from .outgoing import Answering, Outgoing, Told, begin, told
from .turns import Names, Turns, greediest

MAX_HELD = 64 * 1024 * 1024  # of all unfinished requests together
MAX_UNSENT = 64 * 1024 * 1024  # of all answers together
STOPPING_S = 2.0
SWITCH_S = 0.001  # a small request must not wait 5 ms, Python's default, at each turn for one that computes
READ_BYTES = 64 * 1024
HELD_EACH_S = 50  # answers held for one caller that may be sent in a second: more are held for longer
# What is asked about the process itself: the beginning of the request → threads for it. Being ready may take a while.
ASIDE = {b"GET /health/live": 1, b"GET /health/ready": 2, b"GET /metrics": 1}


class Worker(ThreadWorker):  # type: ignore[misc]
    """All that is added runs in the accepting loop's thread, but for ``_answer``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._incoming: dict[TConn, Incoming] = {}
        self._held = 0
        self._outgoing: dict[TConn, Outgoing] = {}
        self._unsent = 0
        self._held_for: Counter[str] = Counter()
        self._next_held_at = float("inf")
        self._look_at = 0.0
        self._names = Names()
        self._turns = Turns(self.cfg.threads)
        self._files = FileSenders(self.worker_connections * 3 // 4)
        self._aside = {begin: ThreadPoolExecutor(threads) for begin, threads in ASIDE.items()}

    def init_process(self) -> None:
        sys.setswitchinterval(SWITCH_S)
        super().init_process()

    # Requests

    def look_again(self) -> None:
        """From any thread: perhaps the application is open now."""
        self.method_queue.defer(int)  # does nothing, and wakes the loop

    def set_accept_enabled(self, enabled: bool) -> None:
        super().set_accept_enabled(enabled and getattr(self.wsgi, "is_open", True))
        if not self.alive:  # who has connected is heard, and nobody connects to what is never taken
            for listener in self.sockets:
                self._take_waiting(listener)
                listener.close()

    def _take_waiting(self, listener: Any) -> None:
        while listener.sock is not None and select.select([listener], [], [], 0)[0]:
            self.accept(listener)

    def enqueue_req(self, conn: TConn) -> None:
        """Every way into the pool leads through here: new connections, kept ones, what was read ahead."""
        if conn.parser is None and not isinstance(conn.sock, Answering):
            conn.sock = Answering(conn.sock)
        conn.sock.setblocking(False)
        self._incoming[conn] = Incoming(time.monotonic() + WHOLE_WITHIN_S)
        ahead = conn.parser.unreader.take_buffered() if conn.parser is not None else b""
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._read, conn))
        self._take(conn, ahead) if ahead else self._read(conn, conn.sock)

    def _read(self, conn: TConn, client: socket.socket) -> None:
        if conn not in self._incoming:  # it went in this very turn of the loop
            return
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
        if incoming.refusal is not None:
            self._end(conn, incoming.refusal)
        elif is_whole:
            self._forget(conn)
            conn.init()
            conn.parser.unreader = Held(bytes(incoming.data))
            conn.data_ready = True
            self._hand_over(conn, incoming)
        elif self._held > MAX_HELD:
            sizes = ((each, self._caller(each, one)[1], len(one.data)) for each, one in self._incoming.items())
            self._end(greediest(sizes), 503)
        elif incoming.expects_continue:
            incoming.expects_continue = False
            self._say(conn, b"HTTP/1.1 100 Continue\r\n\r\n")

    def _hand_over(self, conn: TConn, incoming: Incoming) -> None:
        whole_at = time.monotonic()
        aside = next((pool for begin, pool in self._aside.items() if incoming.data.startswith(begin)), None)
        if aside is not None:
            self._submit(conn, aside, None, "", whole_at)
            return
        digest, caller = self._caller(conn, incoming)
        self._turns.add(caller, partial(self._submit, conn, self.tpool, digest, caller, whole_at))

    def _caller(self, conn: TConn, incoming: Incoming) -> tuple[bytes | None, str]:
        return self._names.find(incoming.credential(), str(conn.client[0]) if conn.client else "")

    def _submit(self, conn: TConn, pool: Executor, digest: bytes | None, caller: str, whole_at: float) -> None:
        def tell(done: Future[Any]) -> None:
            self.method_queue.defer(self._answered, conn, done, digest, caller)

        pool.submit(self._answer, conn, whole_at).add_done_callback(tell)

    def _answer(self, conn: TConn, whole_at: float) -> Told:
        """In a thread of the pool."""
        begin(time.monotonic() - whole_at)
        return told(kept=bool(self.handle(conn)))

    # Answers

    def _answered(self, conn: TConn, done: Future[Any], digest: bytes | None, caller: str) -> None:
        answer = Told() if done.cancelled() or done.exception() is not None else done.result()
        if caller:
            self._names.learn(digest, answer.caller)
            self._turns.done(caller, was_heavy=answer.was_heavy)
        self._start_sending(conn, kept=answer.kept, caller=answer.caller or caller, held_s=answer.held_s)

    def _start_sending(self, conn: TConn, *, kept: bool, caller: str, held_s: float) -> None:
        """Mostly there is nothing left to send."""
        if conn.sock.fileno() < 0:  # gunicorn closed it
            self.nr_conns -= 1
            return
        if conn.sock.has_file:
            conn.sock.setblocking(False)
            self._files.add(conn.sock, caller, partial(self.method_queue.defer, self._file_sent, conn, kept, caller))
            return
        if kept and not held_s and not conn.sock.unsent:
            self._go_on(conn)
            return
        if held_s:
            self._held_for[caller] += 1
            held_s = max(held_s, self._held_for[caller] / HELD_EACH_S)
        outgoing = Outgoing(conn.sock, time.monotonic(), kept=kept, caller=caller, held_s=held_s)
        conn.sock.setblocking(False)
        self._outgoing[conn] = outgoing
        self._unsent += conn.sock.unsent
        if held_s:
            self._next_held_at = min(self._next_held_at, outgoing.begins_at)
        else:
            self._send(conn, conn.sock)
        while self._unsent > MAX_UNSENT:
            self._end_sending(greediest((each, one.caller, one.client.unsent) for each, one in self._outgoing.items()))

    def _file_sent(self, conn: TConn, kept: bool, caller: str, is_sent: bool) -> None:
        if is_sent:
            self._start_sending(conn, kept=kept, caller=caller, held_s=0.0)
            return
        self.nr_conns -= 1
        conn.close()

    def _send(self, conn: TConn, client: Answering) -> None:
        """As much as the client takes; then what follows on this connection."""
        outgoing = self._outgoing.get(conn)
        if outgoing is None:  # it went in this very turn of the loop
            return
        before = client.unsent
        try:
            if outgoing.lingers:
                if outgoing.drain():
                    self._end_sending(conn)
                return
            is_sent = outgoing.send(time.monotonic())
            self._unsent -= before - client.unsent
            if not is_sent:
                self._watch(conn, selectors.EVENT_WRITE)
            elif outgoing.kept:
                self._forget_outgoing(conn)
                self._go_on(conn)
            else:
                outgoing.linger(time.monotonic())
                self._watch(conn, selectors.EVENT_READ)
        except OSError:
            self._end_sending(conn)

    def _watch(self, conn: TConn, event: int) -> None:
        outgoing = self._outgoing[conn]  # it remembers: to ask the poller costs more than all else here
        change = self.poller.modify if outgoing.is_watched else self.poller.register
        change(conn.sock, event, partial(self._send, conn))
        outgoing.is_watched = True

    def _go_on(self, conn: TConn) -> None:
        """As gunicorn does after an answer on a connection that stays."""
        done: Future[bool] = Future()
        done.set_result(True)
        self.finish_request(conn, done)

    def _release_held(self, now: float) -> None:
        held = [(each, one) for each, one in self._outgoing.items() if one.is_held]
        for conn, outgoing in held:
            if outgoing.begins_at <= now or not self.alive:
                self._let_go(outgoing)
                self._send(conn, conn.sock)
        self._next_held_at = min((one.begins_at for _, one in held if one.is_held), default=float("inf"))

    def _let_go(self, outgoing: Outgoing) -> None:
        """It is held no longer."""
        if outgoing.is_held:
            self._held_for -= Counter([outgoing.caller])
            outgoing.is_held = False

    # Time, and room

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        left = self._next_held_at - time.monotonic()
        super().wait_for_and_dispatch_events(max(0.0, min(timeout, left)))

    def murder_pending(self) -> None:
        """Called in each turn of the loop. Idle connections end without a word, half requests with one."""
        now = time.monotonic()
        if now >= self._next_held_at or (not self.alive and self._held_for):
            self._release_held(now)
        if self.nr_conns >= self.worker_connections:
            self._make_room()
        if now < self._look_at:
            return
        self._look_at = now + 1.0
        self._turns.look()
        for conn, incoming in list(self._incoming.items()):
            if not self.alive:  # what was on its way when the port closed is still heard
                incoming.give_up_at = min(incoming.give_up_at, now + STOPPING_S)
            if now > incoming.give_up_at:
                self._end(conn, 408 if incoming.data else None)
        for conn in [each for each, one in self._outgoing.items() if now > one.give_up_at]:
            self._end_sending(conn)

    def _make_room(self) -> None:
        """As many connections are open as may be. Who is held back or slow goes, else who says nothing."""
        if self._outgoing:
            self._end_sending(greediest((each, one.caller, 1) for each, one in self._outgoing.items()))
        elif self._incoming:
            self._end(next(iter(self._incoming)))
        elif self.keepalived_conns:
            self.keepalived_conns[0].timeout = 0.0
            self.murder_keepalived()

    def _end(self, conn: TConn, status: int | None = None) -> None:
        self._forget(conn)
        if status is not None:
            self._say(conn, refusal_of(status))
        self.nr_conns -= 1
        conn.close()

    def _forget(self, conn: TConn) -> None:
        self._held -= len(self._incoming.pop(conn).data)
        self.poller.unregister(conn.sock)

    def _end_sending(self, conn: TConn) -> None:
        self._forget_outgoing(conn)
        self.nr_conns -= 1
        conn.close()

    def _forget_outgoing(self, conn: TConn) -> None:
        self._unsent -= conn.sock.unsent
        outgoing = self._outgoing.pop(conn)
        self._let_go(outgoing)
        if outgoing.is_watched:
            self.poller.unregister(conn.sock)

    @staticmethod
    def _say(conn: TConn, text: bytes) -> None:
        with contextlib.suppress(OSError):
            conn.sock.send(text)
