"""The boot waterfall as it is kept: notes are taken at once and written in batches, attempts end and are told."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from steelyard_common.contracts.events import cloud_event
from steelyard_common.db import Database, Transaction
from steelyard_common.errors import SteelyardError
from steelyard_common.telemetry import get_logger

from ..domain.boot_model import Kind
from ..domain.waterfall import FAILED, OK, Hop, Note, Outcome, ends_well, expectation, is_new, judge
from ..store import attempts as store
from ..store import boots
from ..store.attempts import Attempt

log = get_logger(__name__)
SERVICE = "boot"
MOST_WAITING = 20_000  # notes; a storm of 1,000 machines makes some 6,000
BATCH = 500
LINGER_S = 0.2
CROWD, MOST_LINGERS = 50, 5  # notes that come within LINGER_S; how often it lingers for more of them
LOOK_EVERY_S = 5.0
LATE_S = 45.0  # so long after a boot it may be noticed that the power went on for it: all may be busy
LEASES_OF = timedelta(days=1)  # some replica wrote them, of the DHCP server's log
SWITCHED_OFF = "the machine was switched off before it had come up"


@dataclass(frozen=True, kw_only=True)
class PowerSeen:
    """The node's recorded power state changed."""

    node_uuid: str
    is_on: bool
    at: datetime


@dataclass
class _Round:
    """What one batch changes."""

    open: dict[str, Attempt]
    reads_dhcp: Callable[[], bool]
    up: dict[str, list[datetime]]  # when a node came up and nobody had seen its power go on
    over: dict[str, tuple[str, datetime]]  # boot → its attempt that is over, and since when
    new: list[Attempt] = field(default_factory=list)
    notes: list[tuple[str, Note]] = field(default_factory=list)
    done: list[Attempt] = field(default_factory=list)

    def is_up(self, power: PowerSeen) -> bool:
        """A machine may be up before it is noticed, or heard here, that its power is on: that begins no boot then."""
        since = power.at - timedelta(seconds=LATE_S)
        return any(ended >= since for ended in self.up.get(power.node_uuid, ()))

    def takes_late(self, note: Note, boot_id: str) -> bool:
        """It was seen before the attempt of its boot was over, and is heard of only now: it belongs there."""
        over = self.over.get(boot_id)
        if over is None or note.boot_id != boot_id or note.at > over[1]:
            return False
        self.notes.append((over[0], note))
        return True


class Trail:
    """``patience_s``: how long nothing may be seen of a machine that boots before its attempt has failed.

    ``reads_dhcp``: whether this replica reads a log of DHCP; another one may, which leases of late tell.
    """

    def __init__(
        self, database: Database, site: str, clock: Callable[[], datetime], patience_s: float = 600, *,
        reads_dhcp: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self._database, self._site, self._clock, self._patience_s = database, site, clock, patience_s
        self._reads_dhcp = reads_dhcp
        self._waiting: queue.Queue[Note | PowerSeen] = queue.Queue(MOST_WAITING)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="boot-trail", daemon=True)

    def start(self) -> Trail:
        self._thread.start()
        return self

    def stop(self) -> None:
        """What was noted is written first."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(10)
        self.flush()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def note(self, note: Note | PowerSeen) -> None:
        """Takes no time. Notes are evidence, not state: when too many wait, new ones are let go."""
        try:
            self._waiting.put_nowait(note)
        except queue.Full:
            log.warning("boot notes are lost: too many wait to be written")

    def came(self, node_uuid: str, how: str) -> None:
        """The agent looked itself up (``lookup``), or was heard of for the first time (``heartbeat``)."""
        self.note(Note(node_uuid=node_uuid, hop=Hop(how), outcome=OK, at=self._clock()))

    def refused(self, node_uuid: str, reason: str) -> None:
        """Somebody called as this node's agent and was not believed."""
        detail = {"what": "heartbeat", "error": reason}
        self.note(Note(node_uuid=node_uuid, hop=Hop.HEARTBEAT, outcome=FAILED, at=self._clock(), detail=detail))

    def forget(self, node_uuid: str) -> None:
        """The node is no more."""
        with self._database.begin() as transaction:
            store.forget(transaction.connection, node_uuid)

    def flush(self) -> int:
        """Write what waits. → how many notes. Errors: Unavailable; what was taken is lost then."""
        written = 0
        while batch := self._batch():
            self.write(batch)
            written += len(batch)
        return written

    def write(self, batch: Sequence[Note | PowerSeen]) -> None:
        """In the order in which it was seen; one transaction."""
        nodes = sorted({each.node_uuid for each in batch})
        with self._database.begin() as transaction:
            connection = transaction.connection
            rows = boots.of_nodes(connection, nodes)
            round_ = _Round(
                open=store.running(connection, nodes),
                reads_dhcp=lambda: self._is_dhcp_read(transaction, self._clock()),
                up=self._came_up(transaction, batch),
                over=_over(transaction, batch),
            )
            for each in sorted(batch, key=lambda each: each.at):
                row = rows.get(each.node_uuid)
                if row is not None:
                    self._take(round_, each, row)
            self._save(transaction, round_)

    def sweep(self) -> int:
        """End attempts that nothing was seen of for long. → how many"""
        now = self._clock()
        with self._database.begin() as transaction:
            found = store.quiet(transaction.connection, now - timedelta(seconds=self._patience_s), BATCH)
            reads_dhcp = bool(found) and self._is_dhcp_read(transaction, now)
            for attempt in found:
                self._end(transaction, _failed(attempt, now, reads_dhcp=reads_dhcp))
        return len(found)

    def _is_dhcp_read(self, transaction: Transaction, now: datetime) -> bool:
        return self._reads_dhcp() or store.has_leases(transaction.connection, now - LEASES_OF)

    def _came_up(self, transaction: Transaction, batch: Sequence[Note | PowerSeen]) -> dict[str, list[datetime]]:
        """When machines of which power-on is told came up, of late, without it."""
        on = {each.node_uuid: each.at for each in batch if isinstance(each, PowerSeen) and each.is_on}
        if not on:
            return {}
        return store.came_up(transaction.connection, sorted(on), min(on.values()) - timedelta(seconds=LATE_S))

    def _take(self, round_: _Round, each: Note | PowerSeen, row: boots.BootRow) -> None:
        attempt = round_.open.get(each.node_uuid)
        if isinstance(each, PowerSeen) and attempt is not None and _is_past(each, attempt):
            return
        if isinstance(each, PowerSeen) and not each.is_on:
            if attempt is not None:
                self._close(round_, attempt.ended(Outcome.REPLACED, each.at, reason=SWITCHED_OFF))
            return
        note = each if isinstance(each, Note) else Note(node_uuid=each.node_uuid, hop=Hop.POWER, outcome=OK, at=each.at)
        if attempt is not None and self._is_other(attempt, note, row):
            verdict = judge(attempt.notes, attempt.expected, reads_dhcp=round_.reads_dhcp())
            self._close(round_, attempt.ended(Outcome.REPLACED, note.at, verdict.hop, verdict.reason))
            attempt = None
        if attempt is None:
            if round_.takes_late(note, row.model.boot_id) or not self._begins(round_, each, note.hop, row):
                return
            attempt = store.begin(row.node_uuid, row.model.boot_id, expectation(row.interface, row.model), note.at)
            round_.new.append(attempt)
        is_refused = note.hop is Hop.HEARTBEAT and note.outcome == FAILED  # a stranger must not keep an attempt open
        seen_at = attempt.seen_at if is_refused else max(attempt.seen_at, note.at)
        attempt = replace(attempt, seen_at=seen_at, notes=(*attempt.notes, note))
        round_.open[row.node_uuid] = attempt
        round_.notes.append((attempt.uuid, note))
        if ends_well(note.hop, note.outcome, attempt.expected):
            self._close(round_, attempt.ended(Outcome.BOOTED, note.at))
            if all(known.hop is not Hop.POWER for known in attempt.notes):
                round_.up.setdefault(row.node_uuid, []).append(note.at)

    @staticmethod
    def _begins(round_: _Round, each: Note | PowerSeen, hop: Hop, row: boots.BootRow) -> bool:
        """Whether a boot begins with it, when none runs."""
        if row.model.kind is Kind.DISK and hop in (Hop.POWER, Hop.DHCP):
            return False  # it starts without us; its firmware, if that boots over the network, will ask for more
        if isinstance(each, PowerSeen):
            return not round_.is_up(each)
        return hop not in (Hop.LOOKUP, Hop.HEARTBEAT)  # of a machine that was up before: no attempt ends with it

    def _is_other(self, attempt: Attempt, note: Note, row: boots.BootRow) -> bool:
        seen = [known.hop for known in attempt.notes]
        quiet_s = (note.at - attempt.seen_at).total_seconds()
        is_another_boot = attempt.boot_id != row.model.boot_id and note.hop is not Hop.HEARTBEAT
        return is_another_boot or is_new(note.hop, seen, quiet_s, self._patience_s)

    def _close(self, round_: _Round, attempt: Attempt) -> None:
        round_.open.pop(attempt.node_uuid, None)
        round_.done.append(attempt)

    def _save(self, transaction: Transaction, round_: _Round) -> None:
        """What ended goes first: a node has one attempt that runs."""
        connection = transaction.connection
        made = {attempt.uuid for attempt in round_.new}
        ended = {attempt.uuid: attempt for attempt in round_.done}
        store.add(connection, [ended[uuid] for uuid in made if uuid in ended])
        for attempt in round_.done:
            self._end(transaction, attempt, is_known=attempt.uuid not in made)
        store.add(connection, [attempt for attempt in round_.open.values() if attempt.uuid in made])
        noted = {uuid for uuid, _ in round_.notes}
        store.seen(connection, [each for each in round_.open.values() if each.uuid in noted - made])
        kept = store.existing(connection, sorted({attempt for attempt, _ in round_.notes}))
        store.add_notes(connection, [each for each in round_.notes if each[0] in kept])
        for uuid, note in round_.notes:
            if uuid not in kept:
                self.note(note)  # another replica had begun the attempt just before: it belongs there

    def _end(self, transaction: Transaction, attempt: Attempt, *, is_known: bool = True) -> None:
        if is_known:
            store.save(transaction.connection, attempt)
        store.prune(transaction.connection, attempt.node_uuid)
        fact = "boot-attempt-failed" if attempt.outcome is Outcome.FAILED else "boot-attempt-ended"
        transaction.emit(
            cloud_event(self._site, SERVICE, fact, attempt.node_uuid, told(attempt), now=self._clock())
        )  # fmt: skip

    def _batch(self) -> list[Note | PowerSeen]:
        batch: list[Note | PowerSeen] = []
        while len(batch) < BATCH:
            try:
                batch.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return batch

    def _let_a_crowd_pass(self) -> None:
        """While many machines ask at once, they are answered first and written down a moment later."""
        for _ in range(MOST_LINGERS):
            waited = self._waiting.qsize()
            if waited < CROWD or self._stopping.wait(LINGER_S) or self._waiting.qsize() - waited < CROWD:
                return

    def _run(self) -> None:
        last_look = self._clock()
        while not self._stopping.wait(LINGER_S):
            self._let_a_crowd_pass()
            try:
                self.flush()
                if (self._clock() - last_look).total_seconds() >= LOOK_EVERY_S:
                    last_look = self._clock()
                    self.sweep()
            except SteelyardError as error:
                log.warning("boot notes could not be written", reason=error.message, detail=error.detail)


def _over(transaction: Transaction, batch: Sequence[Note | PowerSeen]) -> dict[str, tuple[str, datetime]]:
    told = [each for each in batch if isinstance(each, Note) and each.boot_id is not None]
    if not told:
        return {}
    nodes = sorted({each.node_uuid for each in told})
    return store.over(transaction.connection, nodes, min(each.at for each in told))


def _is_past(power: PowerSeen, attempt: Attempt) -> bool:
    """What inventory tells comes late now and then, and twice: it went off before this boot began, or on as it did."""
    if not power.is_on:
        return power.at < attempt.began_at
    return any(known.hop is Hop.POWER and known.at >= power.at for known in attempt.notes)


def _failed(attempt: Attempt, now: datetime, *, reads_dhcp: bool) -> Attempt:
    verdict = judge(attempt.notes, attempt.expected, reads_dhcp=reads_dhcp)
    return attempt.ended(Outcome.FAILED, now, verdict.hop, verdict.reason)


def told(attempt: Attempt) -> dict[str, Any]:
    """The data of its event."""
    end = attempt.ended_at or attempt.seen_at
    return {
        "attempt": attempt.uuid, "boot": attempt.boot_id, "purpose": attempt.purpose, "interface": attempt.interface,
        "outcome": attempt.outcome.value, "failing_hop": attempt.failing_hop.value if attempt.failing_hop else None,
        "reason": attempt.reason, "began_at": attempt.began_at.isoformat(),
        "duration_s": round((end - attempt.began_at).total_seconds(), 3),
        "hops": [note.hop.value for note in attempt.notes if note.outcome == OK],
    }  # fmt: skip
