"""A service reached by NATS request and reply (contracts page): ``<site>.<service>.qry|cmd.<verb>``."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from steelyard_common.bus import Bus
from steelyard_common.bus.types import TAG
from steelyard_common.contracts import subjects
from steelyard_common.errors import OutcomeUnknown, SteelyardError, Unavailable
from steelyard_common.http import WAITED_S
from steelyard_common.telemetry import span

LEAST_LEFT = 0.1  # of the deadline, for a request to be worth sending
PAUSE_S = 0.2  # before a command is told again: who could not take it may be starting


class _Last(threading.local):
    """This thread's last reply, and the tag that came with it."""

    reply: bytes = b""
    tag: str | None = None


_LAST = _Last()


def tag_of(reply: bytes) -> str | None:
    """The tag of this very reply (not of an equal one), as long as the thread has asked nothing since.

    A reply passes many hands as mere bytes; only who answers the client asks for its tag."""
    return _LAST.tag if reply is _LAST.reply else None


class _Line:
    """Who waits for a service. One that stands still must not hold all our threads: those that it does not hold
    answer at once that it is away, and try it again as soon as fewer wait."""

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = most  # waiting, while nothing is answered
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting = 0
        self._quiet_since = 0.0
        self._given_up_at = 0.0  # when a call last ended without an answer

    @contextmanager
    def wait(self, patience_s: float) -> Iterator[None]:
        """For one call. Errors: Unavailable when enough wait, and nothing was answered for ``patience_s``."""
        with self._lock:
            now = self._clock()
            if self._waiting == 0 and now - self._given_up_at > patience_s:
                self._quiet_since = now  # nobody asked
            if self._waiting >= self._most and now - self._quiet_since >= patience_s:
                raise Unavailable(f"{self._waiting} requests wait and nothing was answered for {patience_s:.0f} s")
            self._waiting += 1
        try:
            yield
        except (Unavailable, OutcomeUnknown):
            self._given_up_at = self._clock()  # perhaps no answer at all
            raise
        except SteelyardError:
            self._answered()
            raise
        else:
            self._answered()
        finally:
            with self._lock:
                self._waiting -= 1

    def _answered(self) -> None:
        self._quiet_since = self._clock()


class OverBus:
    """One service; each request has a deadline, in seconds, from when it was here as a whole.

    ``threads``: how many answer our clients.
    """

    def __init__(
        self, bus: Bus, site: str, service: str, *, query_timeout_s: float, command_timeout_s: float, threads: int = 16,
        clock: Callable[[], float] = time.monotonic, pause: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self._bus, self._clock, self._pause = bus, clock, pause
        self._line = _Line(max(1, threads // 2), clock)
        self._site = site
        self._service = service
        self._query_timeout_s = query_timeout_s
        self._command_timeout_s = command_timeout_s

    def query(self, verb: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> bytes:
        subject = subjects.query(self._site, self._service, verb)
        return self._ask(subject, body, headers, self._query_timeout_s)

    def command(
        self, verb: str, body: Mapping[str, Any], headers: Mapping[str, str], *, again_s: float | None = None
    ) -> bytes:
        subject = subjects.command(self._site, self._service, verb)
        return self._ask(subject, body, headers, self._command_timeout_s, again_s)

    def _ask(
        self, subject: str, body: Mapping[str, Any], headers: Mapping[str, str], timeout_s: float,
        again_s: float | None = None,
    ) -> bytes:  # fmt: skip
        """Errors: Unavailable also when too little time is left: it is not sent then."""
        told: dict[str, str] = {}
        left_s = timeout_s - WAITED_S.get()
        if left_s < timeout_s * LEAST_LEFT:
            raise Unavailable("all threads were in use for too long")

        def ask(try_s: float) -> bytes:
            return self._bus.request(subject, body, timeout_s=try_s, headers=headers, told=told)

        with span(f"ask {subject}"), self._line.wait(timeout_s / 2):
            reply = ask(left_s) if again_s is None else self._until_answered(ask, left_s, again_s)
        _LAST.reply, _LAST.tag = reply, told.get(TAG)
        return reply

    def _until_answered(self, ask: Callable[[float], bytes], left_s: float, again_s: float) -> bytes:
        """Asked for ``again_s`` at a time, ``left_s`` in all; the last try has what is left.

        Errors: Unavailable when nobody was there at first; later that is no answer, as what became of the first is
        not known.
        """
        end, least_s = self._clock() + left_s, self._command_timeout_s * LEAST_LEFT
        lost: OutcomeUnknown | None = None
        while lost is None or left_s >= least_s:
            if lost is not None:
                self._pause(PAUSE_S)
            try:
                return ask(again_s if left_s >= again_s + least_s else left_s)
            except OutcomeUnknown as error:
                lost = error
            except Unavailable:
                if lost is None:
                    raise
            left_s = end - self._clock() - PAUSE_S
        raise lost
