"""gunicorn's threaded worker, with six rules more.

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
Rule 6  What a thousand machines ask in the same instant takes no thread each: many are answered together (``at_once``).
"""

from __future__ import annotations

import contextlib
import errno
import select
import selectors
import sys
import time
from collections import Counter
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from .arrivals import Arrivals
from .at_once import Asker, Desks
from .files import FileSenders
from .incoming import Held, Incoming
from .outgoing import Answering, Outgoing, Told, begin, told
from .threads import Threads
from .turns import greediest

MAX_UNSENT = 64 * 1024 * 1024  # of all answers together
SWITCH_S = 0.001  # a small request must not wait 5 ms, Python's default, at each turn for one that computes
HELD_EACH_S = 50  # answers held for one caller that may be sent in a second: more are held for longer
ACCEPTED_TOGETHER = 16  # connections in a turn of the loop; more are for other replicas on a shared port
GONE = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED)


class Worker(ThreadWorker):  # type: ignore[misc]
    """All that is added runs in the accepting loop's thread, but for ``_answer``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._outgoing: dict[TConn, Outgoing] = {}
        self._unsent = 0
        self._held_for: Counter[str] = Counter()
        self._next_held_at = float("inf")
        self._look_at = 0.0
        self._threads = Threads(self.cfg.threads, self.method_queue.defer, self._answer, self._answered)
        self._arrivals = Arrivals(lambda: self.poller, self._whole, self._threads.caller, self._close)
        self._desks = Desks(self.method_queue.defer, self._reply, self._hand_over)
        self._files = FileSenders(self.worker_connections * 3 // 4)

    def init_process(self) -> None:
        sys.setswitchinterval(SWITCH_S)
        super().init_process()

    def get_thread_pool(self) -> Executor:
        return self._threads.pool

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

    def accept(self, listener: Any) -> None:
        """As many as have come."""
        for _ in range(max(1, min(ACCEPTED_TOGETHER, self.worker_connections - self.nr_conns))):
            try:
                client, address = listener.accept()
            except OSError as error:
                if error.errno not in GONE:
                    raise
                return
            self.nr_conns += 1
            self.enqueue_req(TConn(self.cfg, client, address, listener.getsockname()))

    def enqueue_req(self, conn: TConn) -> None:
        """Every way into the pool leads through here: new connections, kept ones, what was read ahead."""
        if conn.parser is None and not isinstance(conn.sock, Answering):
            conn.sock = Answering(conn.sock)
        conn.sock.setblocking(False)
        ahead = conn.parser.unreader.take_buffered() if conn.parser is not None else b""
        self._arrivals.add(conn, ahead)

    def _whole(self, conn: TConn, incoming: Incoming) -> None:
        if not self._desks.take(getattr(self.wsgi, "desks", {}), conn, incoming):
            self._hand_over(conn, incoming)

    def _hand_over(self, conn: TConn, incoming: Incoming) -> None:
        """To a thread."""
        conn.init()
        conn.parser.unreader = Held(bytes(incoming.data))
        conn.data_ready = True
        self._threads.add(conn, incoming)

    def _answer(self, conn: TConn, waited_s: float) -> Told:
        """In a thread of the pool."""
        begin(waited_s)
        return told(kept=bool(self.handle(conn)))

    # Answers

    def _answered(self, conn: TConn, answer: Told, caller: str) -> None:
        self._start_sending(conn, kept=answer.kept, caller=answer.caller or caller, held_s=answer.held_s)

    def _reply(self, asker: Asker, body: bytes) -> None:
        """Made without a thread. Whoever said that nothing follows needs no time to say more."""
        conn, keeps = asker.conn, asker.question.keeps
        kept = keeps and self.alive and len(self.keepalived_conns) < self.max_keepalived
        with contextlib.suppress(OSError):
            conn.sock.sendall(asker.text(body, kept=kept))
            if kept:
                conn.init()
            if keeps or conn.sock.unsent:
                self._start_sending(conn, kept=kept, caller=asker.question.address, held_s=0.0)
                return
        self._close(conn)

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
        self._close(conn)

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
        self._desks.ask()

    def murder_pending(self) -> None:
        """Called in each turn of the loop."""
        now = time.monotonic()
        if now >= self._next_held_at or (not self.alive and self._held_for):
            self._release_held(now)
        if self.nr_conns >= self.worker_connections:
            self._make_room()
        if now < self._look_at:
            return
        self._look_at = now + 1.0
        self._threads.look()
        self._arrivals.look(now, is_stopping=not self.alive)
        for conn in [each for each, one in self._outgoing.items() if now > one.give_up_at]:
            self._end_sending(conn)

    def _make_room(self) -> None:
        """As many connections are open as may be. Who is held back or slow goes, else who says nothing."""
        if self._outgoing:
            self._end_sending(greediest((each, one.caller, 1) for each, one in self._outgoing.items()))
        elif not self._arrivals.end_oldest() and self.keepalived_conns:
            self.keepalived_conns[0].timeout = 0.0
            self.murder_keepalived()

    def _end_sending(self, conn: TConn) -> None:
        self._forget_outgoing(conn)
        self._close(conn)

    def _forget_outgoing(self, conn: TConn) -> None:
        self._unsent -= conn.sock.unsent
        outgoing = self._outgoing.pop(conn)
        self._let_go(outgoing)
        if outgoing.is_watched:
            self.poller.unregister(conn.sock)

    def _close(self, conn: TConn) -> None:
        self.nr_conns -= 1
        conn.close()
