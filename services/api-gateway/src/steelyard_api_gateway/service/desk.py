"""The desk that tokens are shown at: whose token it is is asked once, and remembered for a bounded time.

A remembered token costs one keyed hash and one look into a dictionary. What a stranger may cost is bounded: only some
may wait at a time, so that threads stay for who is known; refused tokens are remembered apart, so that a flood of them
cannot push out the good ones. A token in use is asked about again before its time is over, by one request, while the
others go on.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, replace
from typing import TypeVar

from steelyard_common.errors import SteelyardError, Unauthenticated, Unavailable, from_foreign
from steelyard_common.telemetry import get_logger

from .call import Caller
from .identity import Credentials

log = get_logger(__name__)
T = TypeVar("T")
REMEMBERED = 4096  # tokens of each kind: good, refused
REFUSED_S = 10.0
AGAIN_S = 1.0  # until a token is asked about again early, when that could not be done
WAIT_S = 30.0  # for an answer that another request has asked for; what it asks has a shorter deadline


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """A good token: whose it is, and in how many seconds it ends by itself."""

    caller: Caller
    ends_in_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    caller: Caller
    renew_at: float
    until: float


class Desk:
    """``ask`` says whose token it is, or raises Unauthenticated, or Unavailable when that cannot be found out now.

    No verdict is used longer than ``remember_s``. At most ``line`` unknown tokens are asked about at a time
    (None: as many as come).
    """

    def __init__(
        self,
        ask: Callable[[Credentials], Accepted],
        *,
        remember_s: float,
        line: int | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._remember_s = remember_s
        self._line = threading.BoundedSemaphore(line) if line else None
        self._clock = clock
        self._key = os.urandom(32)
        self._known: dict[bytes, _Known] = {}
        self._refused: dict[bytes, tuple[float, str]] = {}
        self._asking: dict[bytes, Future[Caller]] = {}
        self._lock = threading.Lock()

    def identify(self, secret: str, credentials: Credentials) -> Caller:
        """``secret``: what the verdict hangs on. Errors: Unauthenticated, Unavailable."""
        digest = hashlib.blake2b(secret.encode("utf-8", "replace"), key=self._key, digest_size=16).digest()
        now = self._clock()
        known = self._known.get(digest)
        if known is not None:
            if now < known.renew_at:
                return known.caller
            return self._renewed(digest, credentials, known) if now < known.until else self._find(digest, credentials)
        refused = self._refused.get(digest)
        if refused is not None and now < refused[0]:
            raise Unauthenticated(refused[1])
        return self._stranger(digest, credentials)

    def forget(self) -> None:
        """All verdicts: what they were founded on has changed."""
        with self._lock:
            self._known, self._refused = {}, {}

    def _renewed(self, digest: bytes, credentials: Credentials, known: _Known) -> Caller:
        """Before its time is over: by one request, and in vain is no harm."""
        with self._lock:
            if digest in self._asking:
                return known.caller
        try:
            return self._find(digest, credentials)
        except Unavailable:
            _keep(self._known, digest, replace(known, renew_at=self._clock() + AGAIN_S))
            return known.caller

    def _stranger(self, digest: bytes, credentials: Credentials) -> Caller:
        if self._line is None:
            return self._find(digest, credentials)
        if not self._line.acquire(blocking=False):
            raise Unavailable("Too many sign-ins are being checked; please try again in a moment")
        try:
            return self._find(digest, credentials)
        finally:
            self._line.release()

    def _find(self, digest: bytes, credentials: Credentials) -> Caller:
        """Ask, or wait for who is asking about this token already."""
        with self._lock:
            other = self._asking.get(digest)
            if other is None:
                mine = self._asking[digest] = Future()
        if other is not None:
            return _waited(other)
        try:
            caller = self._asked(digest, credentials)
        except SteelyardError as error:
            mine.set_exception(error)
            raise
        else:
            mine.set_result(caller)
            return caller
        finally:
            mine.cancel()  # when a bug ended it: nobody shall wait for ever
            with self._lock:
                del self._asking[digest]

    def _asked(self, digest: bytes, credentials: Credentials) -> Caller:
        known, refused = self._known, self._refused  # not those that stand here after `forget`
        asked_at = self._clock()  # a verdict is as old as its question
        try:
            accepted = self._ask(credentials)
        except Unauthenticated as error:
            known.pop(digest, None)
            _keep(refused, digest, (asked_at + REFUSED_S, error.message))
            log.info("token refused", reason=error.message)
            raise
        lasts_s = max(0.0, min(self._remember_s, accepted.ends_in_s))
        entry = _Known(caller=accepted.caller, renew_at=asked_at + lasts_s / 2, until=asked_at + lasts_s)
        _keep(known, digest, entry)
        return accepted.caller


def _waited(other: Future[Caller]) -> Caller:
    try:
        error = other.exception(WAIT_S)
    except (CancelledError, TimeoutError) as cut:
        raise Unavailable("The sign-in could not be checked; please try again in a moment") from cut
    if error is not None:  # each request raises an error of its own
        kind = from_foreign(error)
        raise type(kind)(kind.message)
    return other.result()


def _keep(memory: dict[bytes, T], digest: bytes, value: T) -> None:
    """At most REMEMBERED, the newest."""
    memory.pop(digest, None)
    while len(memory) >= REMEMBERED:
        memory.pop(next(iter(memory)), None)
    memory[digest] = value
