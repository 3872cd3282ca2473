"""Who answers a request: a thread of the pool when it is the caller's turn; what is asked about the process itself, one
that is kept for that."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial

from gunicorn.workers.gthread import TConn

from .incoming import Incoming
from .outgoing import Told
from .turns import Names, Turns

# The beginning of the request → threads for it. Being ready may take a while.
ASIDE = {b"GET /health/live": 1, b"GET /health/ready": 2, b"GET /metrics": 1}


class Threads:
    """In the thread of the loop, but for ``answer``, which is called with a connection and for how long it waited.

    ``answered``: with the connection, the answer's facts and the caller. ``defer``: to the loop's thread.
    """

    def __init__(
        self,
        count: int,
        defer: Callable[..., None],
        answer: Callable[[TConn, float], Told],
        answered: Callable[[TConn, Told, str], None],
    ) -> None:
        self.pool = ThreadPoolExecutor(count)
        self._defer, self._answer, self._answered = defer, answer, answered
        self._names = Names()
        self._turns = Turns(count)
        self._aside = {begin: ThreadPoolExecutor(threads) for begin, threads in ASIDE.items()}

    def add(self, conn: TConn, incoming: Incoming) -> None:
        """A whole request."""
        whole_at = time.monotonic()
        aside = next((pool for begin, pool in self._aside.items() if incoming.data.startswith(begin)), None)
        if aside is not None:
            self._submit(conn, aside, None, "", whole_at)
            return
        digest, caller = self._find(conn, incoming)
        self._turns.add(caller, partial(self._submit, conn, self.pool, digest, caller, whole_at))

    def caller(self, conn: TConn, incoming: Incoming) -> str:
        return self._find(conn, incoming)[1]

    def look(self) -> None:
        """Time has passed."""
        self._turns.look()

    def _find(self, conn: TConn, incoming: Incoming) -> tuple[bytes | None, str]:
        return self._names.find(incoming.credential(), str(conn.client[0]) if conn.client else "")

    def _submit(self, conn: TConn, pool: Executor, digest: bytes | None, caller: str, whole_at: float) -> None:
        def work() -> Told:
            return self._answer(conn, time.monotonic() - whole_at)

        def tell(done: Future[Told]) -> None:
            self._defer(self._done, conn, done, digest, caller)

        pool.submit(work).add_done_callback(tell)

    def _done(self, conn: TConn, done: Future[Told], digest: bytes | None, caller: str) -> None:
        answer = Told() if done.cancelled() or done.exception() is not None else done.result()
        if caller:
            self._names.learn(digest, answer.caller)
            self._turns.done(caller, was_heavy=answer.was_heavy)
        self._answered(conn, answer, caller)
