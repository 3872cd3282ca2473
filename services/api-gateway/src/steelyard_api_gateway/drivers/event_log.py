"""The stream EVENTS as the gateway reads it: where it stands, a page of what was, and what comes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from steelyard_common.bus import Batch, Following, Streams, StreamState
from steelyard_common.contracts import subjects
from steelyard_common.errors import Unavailable

from ..domain.event_stream import Told, epoch_of, told

DEAD_LETTERS = "bus"
PAGE_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Page:
    """Events in their order, all of one epoch. ``last``: the sequence up to which was read; None: nothing was."""

    epoch: str
    events: list[Told]
    last: int | None
    is_at_end: bool


class EventLog:
    """Everything that a site's services tell. Raises only Unavailable."""

    def __init__(self, streams: Streams, site: str) -> None:
        self._streams = streams
        self._subject = subjects.all_events(site)

    def state(self) -> StreamState:
        """``epoch`` as in ids."""
        found = self._streams.stream_state(subjects.EVENTS_STREAM)
        return StreamState(epoch=epoch_of(found.epoch), first=found.first, last=found.last)

    def follow(self, start: int) -> Tail:
        return Tail(self._streams.follow(subjects.EVENTS_STREAM, self._subject, start))

    def page(self, start: int | datetime, most: int) -> Page:
        """At least one event, if there is one, and not many more than so many."""
        following = self._streams.follow(subjects.EVENTS_STREAM, self._subject, start)
        end = time.monotonic() + PAGE_S
        pages: list[Page] = []
        try:
            while True:
                pages.append(_page(following.read(1.0, to_end=True)))
                if pages[-1].is_at_end or sum(len(each.events) for each in pages) >= most:
                    return _joined(pages)
                if time.monotonic() > end:
                    raise Unavailable("the stream of events is away")
        finally:
            following.close()


class Tail:
    """What comes from now on."""

    def __init__(self, following: Following) -> None:
        self._following = following

    def read(self, timeout_s: float) -> Page:
        return _page(self._following.read(timeout_s))

    def close(self) -> None:
        self._following.close()


def _page(batch: Batch) -> Page:
    epoch = epoch_of(batch.epoch) if batch.epoch else ""
    events = [
        event
        for each in batch.deliveries
        if each.subject.split(".", 2)[1] != DEAD_LETTERS
        and (event := told(epoch, each.stream_sequence, each.subject, each.data)) is not None
    ]
    last = batch.deliveries[-1].stream_sequence if batch.deliveries else None
    return Page(epoch=epoch, events=events, last=last, is_at_end=batch.is_at_end and bool(epoch))


def _joined(pages: list[Page]) -> Page:
    """Of the newest epoch, should the stream have been lost meanwhile."""
    newest = [each for each in pages if each.epoch == pages[-1].epoch]
    lasts = [each.last for each in newest if each.last is not None]
    return Page(
        epoch=pages[-1].epoch, events=[event for each in newest for event in each.events],
        last=lasts[-1] if lasts else None, is_at_end=pages[-1].is_at_end,
    )  # fmt: skip
