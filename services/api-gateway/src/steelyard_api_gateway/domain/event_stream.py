"""What the stream of events is made of: events, who wants which, where one goes on, and how it is written. Pure.

Server-Sent Events (WHATWG HTML §9.2): `id` is where to go on, `event` the event's type, `data` the CloudEvent. An id
is `<epoch>-<sequence>`: the sequence in NATS's stream EVENTS, which means nothing in another life of that stream.
"""

from __future__ import annotations

import fnmatch
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

import orjson

Whose = tuple[str | None, str | None]  # (owner, lessee)
INFO, WARNING, ERROR = "info", "warning", "error"
SEVERITIES = (INFO, WARNING, ERROR)
_ID = re.compile(r"([0-9a-f]{8})-(\d{1,18})")
_PATTERN = re.compile(r"[a-z0-9.*?-]{1,100}")
GAP, DROPPED, ENDED = "stream-gap", "stream-dropped", "stream-ended"


@dataclass(slots=True)
class Told:
    """One event of the stream. ``named_owner``: as its data says; ``whose``: of the node, when it was told, if it is
    about one; ``is_known``: whether that was asked."""

    sequence: int
    service: str
    fact: str
    subject: str
    severity: str
    named_owner: str | None
    frame: bytes
    whose: Whose | None = None
    is_known: bool = False


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """``types``: patterns of `<service>.<fact>`, or of the fact alone; ``nodes`` None: all."""

    types: tuple[str, ...] = ("*",)
    nodes: frozenset[str] | None = None
    severity: str = INFO

    def has(self, told: Told) -> bool:
        if self.nodes is not None and told.subject not in self.nodes:
            return False
        if self.severity != INFO and SEVERITIES.index(told.severity) < SEVERITIES.index(self.severity):
            return False
        name = f"{told.service}.{told.fact}"
        return any(fnmatch.fnmatchcase(name, each) or fnmatch.fnmatchcase(told.fact, each) for each in self.types)


def is_pattern(text: str) -> bool:
    return _PATTERN.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Place:
    """Behind this event of the stream."""

    epoch: str
    sequence: int

    def text(self) -> str:
        return f"{self.epoch}-{self.sequence}"


def place_of(text: str) -> Place | None:
    """None: that is no id of ours."""
    found = _ID.fullmatch(text)
    return Place(found[1], int(found[2])) if found else None


def epoch_of(created: str) -> str:
    """A stream's name for one life of it: eight digits."""
    return blake2b(created.encode(), digest_size=4).hexdigest()


# ---- how bad it is: fact → severity, or what says it


def _fault(data: Mapping[str, Any]) -> str:
    return ERROR if data.get("to") else INFO


def _state(data: Mapping[str, Any]) -> str:
    state = str(data.get("to") or "")
    return ERROR if state == "error" or state.endswith("failed") else INFO


def _status(data: Mapping[str, Any]) -> str:
    return {"failed": ERROR, "aborted": WARNING}.get(str(data.get("status")), INFO)


def _health(data: Mapping[str, Any]) -> str:
    return {"Warning": WARNING, "Critical": ERROR}.get(str(data.get("health")), INFO)


_SEVERITY: Mapping[str, str | Callable[[Mapping[str, Any]], str]] = {
    "power-change-failed": ERROR,
    "allocation-failed": ERROR,
    "bmc-unreachable": ERROR,
    "power-state-corrected": WARNING,
    "call-refused": WARNING,
    "fault-changed": _fault,
    "provision-state-changed": _state,
    "workflow-finished": _status,
    "operation-finished": _status,
    "health-changed": _health,
}


def severity_of(fact: str, data: Mapping[str, Any]) -> str:
    found = _SEVERITY.get(fact, INFO)
    return found if isinstance(found, str) else found(data)


# ---- frames


def told(epoch: str, sequence: int, subject: str, body: bytes) -> Told | None:
    """``subject``: NATS's. None for what is no CloudEvent of ours."""
    _site, service, _evt, fact, about = subject.split(".", 4)
    try:
        event = orjson.loads(body)
        kind, data = str(event["type"]), event.get("data") or {}
        owner = data.get("owner")
    except (orjson.JSONDecodeError, LookupError, AttributeError, TypeError):
        return None
    if not isinstance(data, dict) or not kind.isprintable():
        return None
    line = orjson.dumps(event) if b"\n" in body or b"\r" in body else body
    return Told(
        sequence=sequence, service=service, fact=fact, subject=about, severity=severity_of(fact, data),
        named_owner=owner if isinstance(owner, str) else None,
        frame=b"id: %b-%d\nevent: %b\ndata: %b\n\n" % (epoch.encode(), sequence, kind.encode(), line),
    )  # fmt: skip


def opening(place: Place | None) -> bytes:
    """How long to wait before coming back, and from where on."""
    return b"retry: 2000\n" + (b"id: %b\n\n" % place.text().encode() if place else b"\n")


def heartbeat(place: Place | None) -> bytes:
    """No event, but where to go on: for who wants little, that is far ahead of the last event that was sent."""
    return b": still here\n" + (b"id: %b\n\n" % place.text().encode() if place else b"\n")


def notice(kind: str, reason: str) -> bytes:
    """A word about the stream itself. It has no id: one goes on behind the last event."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"reason": reason}))


# ---- what was told lately


class Ring:
    """The newest events of one epoch, all that came behind ``after``; bounded by count and bytes."""

    def __init__(self, epoch: str, after: int, *, most: int = 5000, most_bytes: int = 16 * 1024 * 1024) -> None:
        self.epoch, self.after, self.last = epoch, after, after
        self._most, self._most_bytes, self._bytes = most, most_bytes, 0
        self._kept: deque[Told] = deque()

    def add(self, events: Sequence[Told]) -> None:
        for each in events:
            self._kept.append(each)
            self._bytes += len(each.frame)
            self.last = each.sequence
        while len(self._kept) > self._most or self._bytes > self._most_bytes:
            gone = self._kept.popleft()
            self._bytes -= len(gone.frame)
            self.after = gone.sequence

    def behind(self, sequence: int, most: int) -> list[Told]:
        """At most so many events behind this one, the oldest first."""
        found: list[Told] = []
        for each in reversed(self._kept):
            if each.sequence <= sequence:
                break
            found.append(each)
        return found[::-1][:most]


@dataclass(frozen=True, kw_only=True)
class Since:
    """Where a reader begins: at an event, at a time, or (neither) now."""

    place: Place | None = None
    time: datetime | None = None
