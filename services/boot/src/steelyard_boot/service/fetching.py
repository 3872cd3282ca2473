"""Fetches what is wished: each replica takes what is due, holds it by a lease, and tells how far it is.

Rule 1  What a replica that died left is continued by another, where its draft ends.
Rule 2  Who lost the lease (a long sleep, the database away) writes no more to the rows, and its draft is nobody else's.
Rule 3  Errors that may pass are tried again a few times; the others, and the last, are told to all who wish it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from steelyard_common.db import Database
from steelyard_common.errors import InternalError, SteelyardError, Unavailable
from steelyard_common.telemetry import get_logger

from ..domain.artifacts import shown
from ..store import fetches
from . import metrics
from .transfer import Lost, Progress

log = get_logger(__name__)
WORTH_BYTES = 16 << 20  # a try that brought so much begins the count of tries anew
LOOK_S = 1.0
BEAT_S = 1.0
Clock = Callable[[], datetime]


@dataclass(frozen=True, kw_only=True)
class FetchRules:
    """``parallel`` in this replica, ``per_host`` in all together; ``whole_s``: with all tries; ``pauses_s``: before
    each new one. ``slow_s``: in so long ``SLOW_BYTES`` must come."""

    parallel: int = 4
    per_host: int = 4
    lease_s: float = 15
    whole_s: float = 4 * 3600
    fresh_s: float = 300
    pauses_s: Sequence[float] = (1.0, 2.0, 4.0, 8.0)
    slow_s: float = 60


@dataclass(kw_only=True)
class Job:
    """One fetch that this replica has taken. ``draft``: {etag, last_modified, draft} of what has come so far, which
    ``discard`` removes."""

    row: dict[str, Any]
    progress: Progress
    until: float
    draft: dict[str, Any] | None = None
    discard: Callable[[], None] = lambda: None
    _cut: Callable[[], None] = lambda: None
    _is_cut: bool = False

    def watch(self, cut: Callable[[], None]) -> None:
        """What ends the transfer that runs now; at once, if it was to end before it began."""
        self._cut = cut
        if self._is_cut:
            cut()

    def cut(self) -> None:
        self._is_cut = True
        self._cut()

    @property
    def id(self) -> int:
        return int(self.row["id"])


Fetch = Callable[[Job], None]  # does it and settles it


class Fetcher:
    """``fetch`` does one job; errors that it raises are settled here."""

    def __init__(self, database: Database, fetch: Fetch, rules: FetchRules, holder: str, clock: Clock) -> None:
        self._database = database
        self._fetch = fetch
        self._rules = rules
        self._holder = holder
        self._clock = clock
        self._jobs: dict[int, Job] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(rules.parallel, "fetch")
        self._threads = [
            threading.Thread(target=self._look, name="fetches", daemon=True),
            threading.Thread(target=self._beat, name="fetch-leases", daemon=True),
        ]

    def start(self) -> Fetcher:
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        """What runs is cut short, and continued by another replica."""
        self._stopping.set()
        self._wake.set()
        for thread in self._threads:
            thread.join()
        with self._lock:
            jobs = list(self._jobs.values())
        for job in jobs:
            job.cut()
        self._pool.shutdown(wait=True)

    def is_alive(self) -> bool:
        return all(thread.is_alive() for thread in self._threads)

    def wake(self) -> None:
        """There is something new."""
        self._wake.set()

    # ---- loops

    def _look(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                self._take()
            except SteelyardError as error:
                log.warning("fetches not looked for", reason=error.message, detail=error.detail)
            self._wake.wait(LOOK_S)

    def _take(self) -> None:
        with self._lock:
            free = self._rules.parallel - len(self._jobs)
        if free <= 0:
            return
        now = self._clock()
        until = now + timedelta(seconds=self._rules.lease_s)
        with self._database.begin() as transaction:
            rows = fetches.claim(
                transaction.connection, self._holder, now, until, most=free, per_host=self._rules.per_host
            )
        for row in rows:
            left = self._rules.whole_s - (now - row["begun_at"]).total_seconds()
            progress = Progress(synced=row["done_bytes"], total=row["total_bytes"])
            job = Job(row=row, progress=progress, until=time.monotonic() + max(0.0, left), draft=row["validator"])
            with self._lock:
                self._jobs[job.id] = job
            self._pool.submit(self._run, job)

    def _beat(self) -> None:
        while not self._stopping.wait(min(BEAT_S, self._rules.lease_s / 3)):
            with self._lock:
                jobs = list(self._jobs.values())
            for job in jobs:
                if time.monotonic() > job.until:
                    job.cut()
            if not jobs:
                continue
            try:
                self._hold(jobs)
            except SteelyardError as error:
                log.warning("leases of fetches not held", reason=error.message, detail=error.detail)

    def _hold(self, jobs: list[Job]) -> None:
        told = [
            {
                "id": job.id, "attempt": job.row["attempt"], "done_bytes": job.progress.synced,
                "total_bytes": job.progress.total, "phase": job.progress.phase, "validator": job.draft,
            }
            for job in jobs
        ]  # fmt: skip
        with self._database.begin() as transaction:
            ours = fetches.beat(transaction.connection, told, self._clock() + timedelta(seconds=self._rules.lease_s))
        for job in jobs:
            with self._lock:
                is_running = job.id in self._jobs
            if job.id not in ours and is_running:
                job.progress.is_lost = True
                job.cut()

    # ---- one job

    def _run(self, job: Job) -> None:
        begun = time.monotonic()
        outcome = "done"
        try:
            self._fetch(job)
        except Lost:
            outcome = "lost"
        except SteelyardError as error:
            outcome = self._failed(job, error)
        except Exception as error:
            log.exception("fetch failed", url=shown(job.row["url"]), error=type(error).__name__)
            outcome = self._failed(job, InternalError())
        finally:
            with self._lock:
                self._jobs.pop(job.id, None)
            metrics.FETCHES.labels(outcome).inc()
            metrics.FETCH_SECONDS.observe(time.monotonic() - begun)
            self._wake.set()

    def _failed(self, job: Job, error: SteelyardError) -> str:
        """→ how it ended"""
        if job.progress.is_lost:
            return "lost"
        try:
            return self._settle(job, error)
        except SteelyardError as failure:  # its lease runs out, and it is taken up again
            log.warning("fetch not settled", reason=failure.message, detail=failure.detail)
            return "lost"

    def _settle(self, job: Job, error: SteelyardError) -> str:
        now = self._clock()
        brought = job.progress.synced - job.row["done_bytes"]
        tries = 1 if brought >= WORTH_BYTES else job.row["tries"] + 1
        is_over = time.monotonic() > job.until
        with self._database.begin() as transaction:
            connection = transaction.connection
            if self._stopping.is_set():
                self._later(connection, job, None, now, job.row["tries"])
                return "handed on"
            if error.retryable and tries <= len(self._rules.pauses_s) and not is_over:
                log.info("fetch is tried again", url=shown(job.row["url"]), reason=error.message, tries=tries)
                self._later(connection, job, error, now + timedelta(seconds=self._rules.pauses_s[tries - 1]), tries)
                return "again"
            if is_over:
                error = Unavailable(f"{error.message}. It did not come to an end within {self._rules.whole_s:g} s")
            log.warning("fetch failed", url=shown(job.row["url"]), reason=error.message)
            if fetches.settle_failed(connection, job.row, error.to_dict(), now):
                job.discard()
        return "failed"

    @staticmethod
    def _later(connection: Any, job: Job, error: SteelyardError | None, due_at: datetime, tries: int) -> None:
        fetches.settle_later(
            connection, job.row, error.to_dict() if error else None, due_at,
            tries=tries, done_bytes=job.progress.synced, validator=job.draft,
        )  # fmt: skip
