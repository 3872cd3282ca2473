"""Threads that poll: a few at once, and more for as long as some are stuck.

A poll that has run for ``SLOW_S`` no longer counts: another thread takes its place, up to ``most``. Polls of BMCs that
failed last time (suspects) get at most half of ``most``, so that a dark rack never takes all threads.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from steelyard_common.errors import SteelyardError
from steelyard_common.telemetry import get_logger

log = get_logger(__name__)
SLOW_S = 1.0
MOST_FACTOR = 8
Task = Callable[[], None]


class PollThreads:
    """``tick`` is to be called a few times a second: it sees who is stuck."""

    def __init__(self, parallel: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._parallel, self._most = parallel, parallel * MOST_FACTOR
        self._clock = clock
        self._condition = threading.Condition()
        self._fresh: deque[Task] = deque()
        self._suspect: deque[Task] = deque()
        self._suspects_running = 0
        self._wanted = parallel
        self._running: dict[int, float] = {}  # thread id → when its task began
        self._threads: set[threading.Thread] = set()
        self._stopping = False

    def submit(self, task: Task, *, suspect: bool = False) -> None:
        with self._condition:
            if self._stopping:
                return
            (self._suspect if suspect else self._fresh).append(task)
            if len(self._threads) < self._wanted:
                self._add_thread()
            self._condition.notify()

    @property
    def backlog(self) -> int:
        """Tasks that wait, without the suspects."""
        return len(self._fresh)

    @property
    def threads(self) -> int:
        return len(self._threads)

    def tick(self) -> None:
        """Replace who is stuck; let go who is not needed any more."""
        with self._condition:
            now = self._clock()
            stuck = sum(1 for began in self._running.values() if now - began > SLOW_S)
            self._wanted = min(self._most, self._parallel + stuck)
            waiting = len(self._fresh) + len(self._suspect)
            for _ in range(min(self._wanted - len(self._threads), waiting)):
                self._add_thread()
            self._condition.notify_all()

    def stop(self, timeout_s: float) -> None:
        """Forget what waits, and wait for what runs."""
        with self._condition:
            self._stopping = True
            self._fresh.clear()
            self._suspect.clear()
            self._condition.notify_all()
            threads = list(self._threads)
        deadline = self._clock() + timeout_s
        for thread in threads:
            thread.join(max(0.0, deadline - self._clock()))

    def _add_thread(self) -> None:
        thread = threading.Thread(target=self._run, name=f"poll-{len(self._threads)}", daemon=True)
        self._threads.add(thread)
        thread.start()

    def _run(self) -> None:
        me = threading.get_ident()
        try:
            while (taken := self._take(me)) is not None:
                task, is_suspect = taken
                try:
                    task()
                except SteelyardError as error:
                    log.error("poll failed", reason=error.message, detail=error.detail)
                finally:
                    self._done(me, is_suspect)
        finally:
            with self._condition:
                self._threads.discard(threading.current_thread())

    def _take(self, me: int) -> tuple[Task, bool] | None:
        with self._condition:
            while True:
                if self._stopping or len(self._threads) > self._wanted:
                    return None
                task, is_suspect = self._next()
                if task is not None:
                    self._running[me] = self._clock()
                    self._suspects_running += is_suspect
                    return task, is_suspect
                self._condition.wait()

    def _next(self) -> tuple[Task | None, bool]:
        if self._fresh:
            return self._fresh.popleft(), False
        if self._suspect and self._suspects_running < self._most // 2:
            return self._suspect.popleft(), True
        return None, False

    def _done(self, me: int, is_suspect: bool) -> None:
        with self._condition:
            del self._running[me]
            self._suspects_running -= is_suspect
            if is_suspect:
                self._condition.notify()
