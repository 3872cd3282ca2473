"""Power sync: every node's power state is read before it gets older than the interval (docs/explanation/power-sync.md).

Three kinds of threads: the taker claims due shards and asks inventory for their nodes; poll threads read BMCs; the
keeper writes what was read, keeps the leases, and replaces threads that are stuck.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from steelyard_common.db import Database
from steelyard_common.errors import Busy, SteelyardError
from steelyard_common.provider import Clock
from steelyard_common.telemetry import get_logger

from ..domain import observation, schedule
from ..domain.observation import Missed, Observation, Reading, Seen
from ..drivers import Conversations
from ..store import observations
from ..store.shards import Turn
from . import metrics
from .inventory import Inventory
from .polls import PollThreads
from .recorder import Recorder, Result
from .turns import RENEW_EVERY_S, Turns

log = get_logger(__name__)
KEEP_EVERY_S = 0.5
PAUSE_S = 1.0  # while the database is away
SHARDS_AT_ONCE = 2
STOP_S = 15.0
POWER = "power"


@dataclass(frozen=True, kw_only=True)
class SyncRules:
    """See settings."""

    interval_s: float
    parallel: int
    timeout_s: float
    health_interval_s: float


@dataclass
class _Open:
    """A turn under way. ``left``: polls that it waits for; suspects are not waited for."""

    turn: Turn
    left: set[str] = field(default_factory=set)
    oldest_s: float = 0.0
    unreachable: int = 0


class PowerSync:
    """``start`` and ``stop``. Nothing here ends because something is away."""

    def __init__(
        self, database: Database, inventory: Inventory, conversations: Conversations, recorder: Recorder,
        rules: SyncRules, *, holder: str, clock: Clock,
    ) -> None:  # fmt: skip
        self._database, self._inventory, self._conversations = database, inventory, conversations
        self._recorder, self._rules, self._clock = recorder, rules, clock
        self._turns = Turns(database, POWER, holder, schedule.period_s(rules.interval_s), clock)
        self._polls = PollThreads(rules.parallel)
        self._lock = threading.Lock()
        self._open: dict[int, _Open] = {}
        self._in_flight: set[str] = set()
        self._figures: dict[int, _Open] = {}  # the last turn of each shard, for the gauges
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._take_turns, name="sync-taker", daemon=True),
            threading.Thread(target=self._keep, name="sync-keeper", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish the polls that run, write what they read, and leave the shards to others."""
        self._stopping.set()
        self._polls.stop(STOP_S)
        for thread in self._threads:
            if thread.is_alive():
                thread.join(STOP_S)
        self._recorder.flush()
        for opened in list(self._open.values()):
            with suppress(SteelyardError):
                self._turns.postpone(opened.turn)

    def is_alive(self) -> bool:
        """False once a thread has died of a bug: the process should be replaced."""
        return all(thread.is_alive() for thread in self._threads)

    @property
    def open_turns(self) -> int:
        return len(self._open)

    @property
    def in_flight(self) -> int:
        """Nodes that are polled now, or wait for a poll thread."""
        return len(self._in_flight)

    # ---- the taker

    def _take_turns(self) -> None:
        while not self._stopping.is_set():
            try:
                rest_s = 0.0 if self.take_due() else self._turns.rest_s()
            except SteelyardError as error:
                log.warning("sync waits", reason=error.message, detail=error.detail)
                rest_s = PAUSE_S
            if rest_s:
                self._stopping.wait(rest_s)

    def take_due(self) -> int:
        """Claim due shards, if there is room for their polls. → how many. Errors: Unavailable (of the database)."""
        if self._polls.backlog > self._rules.parallel * 4:
            self._stopping.wait(0.05)
            return 1
        turns = self._turns.claim(SHARDS_AT_ONCE)
        for turn in turns:
            self._begin(turn)
        return len(turns)

    def _begin(self, turn: Turn) -> None:
        with self._lock:
            if turn.shard in self._open:  # our own lease ran out during a pause: its polls still run
                return
            self._open[turn.shard] = opened = _Open(turn=turn)
        try:
            targets = self._inventory.power_targets(turn.shard)
            before = self._known(turn.shard, targets)
        except SteelyardError as error:
            log.warning("turn is postponed", shard=turn.shard, reason=error.message)
            with self._lock:
                del self._open[turn.shard]
            self._turns.postpone(turn)
            return
        self._poll_all(opened, targets, before)

    def _known(self, shard: int, targets: list[dict[str, Any]]) -> dict[str, Observation]:
        """Observations of these nodes; those of nodes that are gone are forgotten."""
        with self._database.read() as connection:
            known = observations.of_shard(connection, shard)
        gone = known.keys() - {target["uuid"] for target in targets}
        if gone:
            with self._database.begin() as transaction:
                observations.forget(transaction.connection, shard, gone)
        return known

    def _poll_all(self, opened: _Open, targets: list[dict[str, Any]], known: Mapping[str, Observation]) -> None:
        random.shuffle(targets)
        chosen = []
        for target in targets:
            if reason := observation.skip_reason(target):
                metrics.SKIPPED.labels(reason).inc()
            else:
                chosen.append((target, known.get(target["uuid"]) or Observation(node_uuid=target["uuid"])))
        with self._lock:
            chosen = [pair for pair in chosen if pair[0]["uuid"] not in self._in_flight]
            self._in_flight.update(target["uuid"] for target, _ in chosen)
            opened.left = {target["uuid"] for target, before in chosen if not before.failures}
            is_over = not opened.left
        for target, before in chosen:
            self._submit(opened, target, before)
        if is_over:
            self._finish(opened)

    def _submit(self, opened: _Open, target: dict[str, Any], before: Observation) -> None:
        self._polls.submit(lambda: self._poll(opened, target, before), suspect=before.failures > 0)

    # ---- poll threads

    def _poll(self, opened: _Open, target: dict[str, Any], before: Observation) -> None:
        try:
            self._read(opened, target, before)
        finally:
            with self._lock:
                self._in_flight.discard(target["uuid"])
                was_left = target["uuid"] in opened.left
                opened.left.discard(target["uuid"])
                is_over = was_left and not opened.left
            if is_over:
                self._finish(opened)

    def _read(self, opened: _Open, target: dict[str, Any], before: Observation) -> None:
        reading = self._reading(target, before)
        if reading is None:
            metrics.POLLS.labels("busy").inc()
            return
        now = self._clock()
        metrics.POLLS.labels("seen" if isinstance(reading, Seen) else reading.code).inc()
        if isinstance(reading, Seen) and before.seen_at is not None:
            age_s = (now - before.seen_at).total_seconds()
            metrics.STATE_AGE.observe(age_s)
            opened.oldest_s = max(opened.oldest_s, age_s)
        opened.unreachable += isinstance(reading, Missed)
        after, facts = observation.observe(
            before, reading, recorded=target["recorded"], fault=target.get("fault"), now=now
        )
        self._recorder.add(Result(shard=opened.turn.shard, observation=after, facts=facts, at=now))

    def _reading(self, target: dict[str, Any], before: Observation) -> Reading | None:
        """None: another task talks to this BMC, and that is no fault of the BMC."""
        wants_health = observation.health_is_due(before, self._rules.health_interval_s, self._clock())
        started = time.perf_counter()
        try:
            with self._conversations.open(target, POWER, timeout_s=self._rules.timeout_s, patient=False) as driver:
                state = driver.get_power()
                metrics.BMC_SECONDS.observe(time.perf_counter() - started)
                health = _health(driver) if wants_health else None
        except Busy:
            return None
        except SteelyardError as error:
            return Missed(code=error.code, message=error.message)
        return Seen(state=state, health=health, health_asked=wants_health)

    # ---- the keeper

    def _keep(self) -> None:
        renew_at = time.monotonic() + RENEW_EVERY_S
        while not self._stopping.wait(KEEP_EVERY_S):
            self._polls.tick()
            metrics.POLL_THREADS.set(self._polls.threads)
            self._recorder.flush()
            if time.monotonic() >= renew_at:
                renew_at = time.monotonic() + RENEW_EVERY_S
                self._renew()

    def _renew(self) -> None:
        with self._lock:
            numbers = list(self._open)
        try:
            self._turns.renew(numbers)
        except SteelyardError as error:
            log.warning("leases are not renewed", reason=error.message)

    def _finish(self, opened: _Open) -> None:
        with self._lock:
            self._open.pop(opened.turn.shard, None)
            self._figures[opened.turn.shard] = opened
            figures = list(self._figures.values())
        metrics.STATE_AGE_MAX.set(max(figure.oldest_s for figure in figures))
        metrics.UNREACHABLE.set(sum(figure.unreachable for figure in figures))
        try:
            self._turns.finish(opened.turn)
        except SteelyardError as error:  # the lease will run out, and the shard is due still
            log.warning("turn is not closed", shard=opened.turn.shard, reason=error.message)


def _health(driver: Any) -> str | None:
    """A BMC that does not tell its health still tells its power."""
    try:
        health: str | None = driver.get_health()
    except SteelyardError:
        return None
    return health
