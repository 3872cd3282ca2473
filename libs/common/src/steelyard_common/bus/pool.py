"""A bounded pool of threads with a bounded queue: cheaper than futures, and it says when it is full."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from ..telemetry import get_logger

log = get_logger(__name__)
Task = Callable[[], None]


class Pool:
    """``submit`` returns False when ``backlog`` tasks wait already. Each of the first tasks starts a thread."""

    def __init__(self, name: str, workers: int, *, backlog: int = 1000) -> None:
        self._name, self._workers, self._backlog = name, workers, backlog
        self._queue: SimpleQueue[Task | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._stopped = False

    def submit(self, task: Task) -> bool:
        if self._stopped or self._queue.qsize() >= self._backlog:
            return False
        self._queue.put(task)
        if len(self._threads) < self._workers:
            self._grow()
        return True

    def stop(self, timeout_s: float) -> bool:
        """Finish what was taken; False if something still runs after ``timeout_s``."""
        self._stopped = True
        deadline = time.monotonic() + timeout_s
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _grow(self) -> None:
        with self._lock:
            if len(self._threads) < self._workers and not self._stopped:
                name = f"{self._name}-{len(self._threads)}"
                thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()

    def _run(self) -> None:
        while (task := self._queue.get()) is not None:
            try:
                task()
            except Exception:
                log.exception("task failed", pool=self._name)
