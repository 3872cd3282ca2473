"""What the power service saw: judged against the record and written, corrected, or let be (``domain.judgement``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from steelyard_common.db import Database, Transaction
from steelyard_common.telemetry import get_logger

from ..domain import verbs
from ..domain.judgement import Correct, Observation, Skip, Write, judge
from ..domain.projection import Change
from ..store import locks
from ..store import workflows as store
from ..store.provider_view import NodeRow
from .outgoing import emit_events
from .starting import Clock, Starter

log = get_logger(__name__)
SYNC_CAUSE = {"origin": "sync"}
# Power interfaces that can do nothing but reboot.
REBOOT_ONLY = frozenset({"agent"})


class Observations:
    """``wake``: tells the engine when it must look next."""

    def __init__(self, database: Database, starter: Starter, clock: Clock, wake: Callable[[datetime], None]) -> None:
        self._database = database
        self._starter = starter
        self._clock = clock
        self._wake = wake

    def take(self, seen: Sequence[tuple[str, Observation]]) -> None:
        """(node UUID, observation), oldest first; of several of a node each meets what the last one left."""
        left = list(seen)
        while left:
            round_: dict[str, Observation] = {}
            later: list[tuple[str, Observation]] = []
            for uuid, observation in left:
                if uuid in round_:
                    later.append((uuid, observation))
                else:
                    round_[uuid] = observation
            self._take_round(round_)
            left = later

    def _take_round(self, seen: dict[str, Observation]) -> None:
        now = self._clock()
        with self._database.begin() as transaction:
            nodes = locks.lock_nodes(transaction.connection, seen)
            patches: dict[str, Change] = {}
            started: list[store.Written] = []
            for uuid, node in nodes.items():
                self._judge(transaction, node, seen[uuid], now, patches, started)
            store.patch_nodes(transaction.connection, {uuid: each.patch for uuid, each in patches.items()}, now)
            if started:
                store.start(transaction.connection, started, now)
        dues = [written.run.due_at for written in started if written.run.due_at is not None]
        if dues:
            self._wake(min(dues))

    def _judge(
        self,
        transaction: Transaction,
        node: NodeRow,
        seen: Observation,
        now: datetime,
        patches: dict[str, Change],
        started: list[store.Written],
    ) -> None:
        can_force = node.provider["interfaces"].get("power") not in REBOOT_ONLY
        match judge(node.view, seen, self._starter.rules.sync, now, can_force=can_force):
            case Skip(reason=reason):
                log.debug("observation skipped", node=node.view.uuid, reason=reason)
            case Write(change=change):
                patches[node.view.uuid] = change
                emit_events(transaction, self._starter.site, node.view.uuid, change, SYNC_CAUSE, now)
            case Correct(target=target):
                intent, cause = verbs.correction(self._starter.subject(transaction.connection, node), target)
                started.append(self._starter.start(transaction, node, intent, cause, now))
                log.info("power is corrected", node=node.view.uuid, target=target)
