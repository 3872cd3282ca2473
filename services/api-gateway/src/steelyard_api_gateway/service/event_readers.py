"""Who follows the stream of events, how far each is, and what is sent to whom.

One thread reads the stream for all (from the first reader on), and keeps what was told lately. A reader that begins in
the past is brought up to date by a few other threads, a page at a time and as fast as it takes them; then it goes on
with all others. Nothing is sent twice on one connection, and nothing is left out without a word about it.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from steelyard_common.bus import StreamState
from steelyard_common.errors import SteelyardError
from steelyard_common.telemetry import get_logger

from ..domain import event_stream
from ..domain.event_stream import GAP, Place, Ring, Since, Told, Wanted, Whose
from ..drivers.event_log import EventLog, Tail

log = get_logger(__name__)
PAGE = 250
REMEMBERED = 2000  # events before the first reader came, so that those who come back find them here
CATCHING_UP = 2  # threads
HEARTBEAT_S = 15.0
AGAIN_S = 1.0
LOST = "events may be missing here: the stream of events was lost, and this is the beginning of a new one"
LEASED = "what happened to nodes that you lease is told as it happens, not afterwards: here some of it may be missing"


class Sink(Protocol):
    """Where a reader's frames go. ``then`` is called when they were taken."""

    def put(self, frames: Sequence[bytes], then: Callable[[], None] | None = None) -> None: ...
    def end(self, frame: bytes) -> None: ...
    @property
    def is_open(self) -> bool: ...


class Viewer(Protocol):
    """Who reads. ``sees_all``: without a question; ``replayed``: ``whose`` is as it is now, not as it was then."""

    @property
    def sees_all(self) -> bool: ...
    def sees(self, told: Told, whose: Whose | None, *, replayed: bool) -> bool: ...


@dataclass(eq=False)
class Reader:
    """``cursor``: it has had everything up to this event, or to this time. ``is_live``: it gets what comes."""

    sink: Sink
    wanted: Wanted
    viewer: Viewer
    ends_at: float  # time.monotonic()
    epoch: str
    cursor: int | datetime
    is_live: bool = False
    was_replayed: bool = False
    beat_at: float = 0.0

    @property
    def place(self) -> Place | None:
        return Place(self.epoch, self.cursor) if isinstance(self.cursor, int) else None


class Readers:
    """``whose``: nodes → (owner, lessee), for viewers that do not see all; it may be asked by any thread."""

    def __init__(self, events: EventLog, whose: Callable[[Collection[str]], Mapping[str, Whose]]) -> None:
        self._events = events
        self._whose = whose
        self._lock = threading.Lock()
        self._ring = Ring("", 0)
        self._readers: set[Reader] = set()
        self._again: list[Reader] = []
        self._stopping = threading.Event()
        self._tail: Tail | None = None
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        self._pool = ThreadPoolExecutor(CATCHING_UP, "events-past")

    def state(self) -> StreamState:
        """Where the stream stands now. Errors: Unavailable."""
        return self._events.state()

    def add(
        self, sink: Sink, wanted: Wanted, viewer: Viewer, since: Since, state: StreamState, *, for_s: float
    ) -> Reader:  # fmt: skip
        """Begin to send. ``state``: as it was when the reader came."""
        self._begin(state.epoch, max(state.first - 1, state.last - REMEMBERED))
        now = time.monotonic()
        reader = Reader(
            sink=sink, wanted=wanted, viewer=viewer, ends_at=now + for_s, epoch=state.epoch,
            cursor=since.time or state.last, beat_at=now + HEARTBEAT_S,
        )  # fmt: skip
        told: list[bytes] = []
        if since.place is not None:
            if since.place.epoch != state.epoch or since.place.sequence > state.last:
                reader.cursor = 0
                told = [event_stream.notice(GAP, LOST)]
            else:
                reader.cursor = since.place.sequence
                if reader.cursor + 1 < state.first:
                    told = [event_stream.notice(GAP, f"what came before event {state.first} is no longer kept")]
        sink.put([event_stream.opening(reader.place), *told])
        with self._lock:
            self._readers.add(reader)
        self._submit(reader)
        return reader

    def remove(self, reader: Reader) -> None:
        with self._lock:
            self._readers.discard(reader)

    def stop(self) -> None:
        self._stopping.set()
        self._pool.shutdown(cancel_futures=True)
        if self._thread.is_alive():
            self._thread.join(10)

    # ---- what comes

    def _begin(self, epoch: str, after: int) -> None:
        with self._lock:
            if self._tail is not None:
                return
            self._ring = Ring(epoch, after)
            self._tail = self._events.follow(after + 1)
            self._thread.start()

    def _run(self) -> None:
        tail = self._tail
        if tail is None:
            return
        while not self._stopping.is_set():
            try:
                page = tail.read(0.5)
                if page.epoch and page.epoch != self._ring.epoch:
                    self._begin_anew(page.epoch)
                if page.events:
                    self._take(page.events)
                self._look_around(time.monotonic())
            except Exception as error:  # without this loop nobody would hear anything
                log.exception("readers of events failed", error=type(error).__name__)
                self._stopping.wait(AGAIN_S)
        tail.close()

    def _begin_anew(self, epoch: str) -> None:
        """The stream was lost with all that was in it."""
        with self._lock:
            self._ring = Ring(epoch, 0)
            for reader in self._readers:
                reader.epoch, reader.cursor, reader.is_live = epoch, 0, True
                reader.sink.put([event_stream.notice(GAP, LOST)])

    def _take(self, events: Sequence[Told]) -> None:
        self._find_out_whose(events)
        with self._lock:
            self._ring.add(events)
            for reader in self._readers:
                if not reader.is_live:
                    continue
                if reader.viewer.sees_all or events[-1].is_known:
                    self._send(reader, events)
                else:  # inventory is away: it is told when that can be asked again
                    reader.is_live = False
                    self._again.append(reader)

    def _find_out_whose(self, events: Sequence[Told]) -> None:
        with self._lock:
            is_asked = any(not reader.viewer.sees_all for reader in self._readers)
        if not is_asked:
            return
        try:
            found = self._whose({each.subject for each in events})
        except SteelyardError as error:
            log.warning("events are told to who sees all only", reason=error.message)
            return
        for each in events:
            each.whose, each.is_known = found.get(each.subject), True

    def _send(self, reader: Reader, events: Sequence[Told], then: Callable[[], None] | None = None) -> None:
        """Of what lies behind the cursor what it wants and may see. Under the lock."""
        cursor = reader.cursor if isinstance(reader.cursor, int) else 0
        frames = [
            each.frame
            for each in events
            if each.sequence > cursor and reader.wanted.has(each)
            and (reader.viewer.sees_all or reader.viewer.sees(each, each.whose, replayed=False))
        ]  # fmt: skip
        reader.cursor = max(cursor, events[-1].sequence) if events else cursor
        if frames or then is not None:
            reader.sink.put(frames, then)

    def _look_around(self, now: float) -> None:
        with self._lock:
            readers = list(self._readers)
            again, self._again = self._again, []
        for reader in again:
            self._submit(reader)
        for reader in readers:
            if not reader.sink.is_open:
                self.remove(reader)
            elif now > reader.ends_at:
                reader.sink.end(event_stream.notice(event_stream.ENDED, "come back and sign in again, to go on"))
            elif now > reader.beat_at:
                reader.beat_at = now + HEARTBEAT_S
                with self._lock:
                    reader.sink.put([event_stream.heartbeat(reader.place)])

    # ---- what was

    def _submit(self, reader: Reader) -> None:
        if not self._stopping.is_set():
            try:
                self._pool.submit(self._catch_up, reader)
            except RuntimeError:  # it stops
                return

    def _catch_up(self, reader: Reader) -> None:
        """One page; the next when the reader has taken it."""
        try:
            if reader.sink.is_open and not self._join(reader):
                self._replay(reader)
        except SteelyardError as error:
            log.warning("a reader of events waits", reason=error.message)
            with self._lock:
                self._again.append(reader)
        except Exception as error:  # a pool swallows what is raised in it
            log.exception("reader of events failed", error=type(error).__name__)
            reader.sink.end(event_stream.notice(event_stream.ENDED, "an error of the gateway; come back"))

    def _join(self, reader: Reader) -> bool:
        """Go on with what is remembered, and at its end with what comes. → False: it is further back."""
        with self._lock:
            if reader.is_live:
                return True
            if reader.epoch != self._ring.epoch or not isinstance(reader.cursor, int):
                return False
            if reader.cursor < self._ring.after:
                return False
            events = self._ring.behind(reader.cursor, PAGE)
            if not reader.viewer.sees_all and not all(each.is_known for each in events):
                return False  # it was told while nobody asked whose it is
            if len(events) < PAGE:
                reader.is_live = True
                self._send(reader, events)
            else:
                self._send(reader, events, lambda: self._submit(reader))
            return True

    def _replay(self, reader: Reader) -> None:
        cursor = reader.cursor
        before = self._events.state()
        page = self._events.page(cursor if isinstance(cursor, datetime) else cursor + 1, PAGE)
        frames = [each for each in page.events if reader.wanted.has(each)]
        if not reader.viewer.sees_all:
            whose = self._whose({each.subject for each in frames}) if frames else {}
            frames = [each for each in frames if reader.viewer.sees(each, whose.get(each.subject), replayed=True)]
        with self._lock:
            if reader.is_live:  # a new epoch began meanwhile
                return
            reader.epoch = page.epoch
            reader.cursor = page.last if page.last is not None else before.last
            told = [each.frame for each in frames]
            if not reader.viewer.sees_all and not reader.was_replayed:
                reader.was_replayed = True
                told.insert(0, event_stream.notice(GAP, LEASED))
            reader.sink.put(told, lambda: self._submit(reader))


def chunks(items: Collection[str], size: int) -> list[list[str]]:
    """In pieces that one question may have."""
    rest = iter(items)
    return list(iter(lambda: list(itertools.islice(rest, size)), []))
