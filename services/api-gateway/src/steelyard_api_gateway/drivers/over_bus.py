"""A service reached by NATS request and reply (contracts page): ``<site>.<service>.qry|cmd.<verb>``."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from steelyard_common.bus import Bus
from steelyard_common.bus.types import TAG
from steelyard_common.contracts import subjects
from steelyard_common.telemetry import span


class _Last(threading.local):
    """This thread's last reply, and the tag that came with it."""

    reply: bytes = b""
    tag: str | None = None


_LAST = _Last()


def tag_of(reply: bytes) -> str | None:
    """The tag of this very reply (not of an equal one), as long as the thread has asked nothing since.

    A reply passes many hands as mere bytes; only who answers the client asks for its tag."""
    return _LAST.tag if reply is _LAST.reply else None


class OverBus:
    """One service; each request has a deadline, in seconds."""

    def __init__(self, bus: Bus, site: str, service: str, *, query_timeout_s: float, command_timeout_s: float) -> None:
        self._bus = bus
        self._site = site
        self._service = service
        self._query_timeout_s = query_timeout_s
        self._command_timeout_s = command_timeout_s

    def query(self, verb: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> bytes:
        subject = subjects.query(self._site, self._service, verb)
        return self._ask(subject, body, headers, self._query_timeout_s)

    def command(self, verb: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> bytes:
        subject = subjects.command(self._site, self._service, verb)
        return self._ask(subject, body, headers, self._command_timeout_s)

    def _ask(self, subject: str, body: Mapping[str, Any], headers: Mapping[str, str], timeout_s: float) -> bytes:
        told: dict[str, str] = {}
        with span(f"ask {subject}"):
            reply = self._bus.request(subject, body, timeout_s=timeout_s, headers=headers, told=told)
        _LAST.reply, _LAST.tag = reply, told.get(TAG)
        return reply
