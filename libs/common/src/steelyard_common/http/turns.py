"""Whose request gets the next thread: callers take turns, so that one who asks much waits for itself alone.

A caller is known by what it signs in with: the application says who that is when it answers (``http.CALLER``), and from
then on it has a line of its own. Those who are not known yet share one for each address.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")
Job = Callable[[], None]
REMEMBERED = 20_000  # credentials
SHARE = 4  # among others a caller has one of so many threads; who is alone leaves as many to who may come
ALONE_AFTER_S = 2.0
# Who asks for much work has one request at a time among others, for so long after it. One that takes longer than
# YOUNG_S counts no more: it waits for something.
HEAVY_FOR_S, YOUNG_S = 2.0, 1.0


class Names:
    """Digest of a credential → whose it is. The credential itself is kept nowhere."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, str] = OrderedDict()

    def find(self, credential: bytes | None, address: str) -> tuple[bytes | None, str]:
        """→ (digest, caller)"""
        if credential is None:
            return None, f"address {address}"
        digest = blake2b(credential, digest_size=16).digest()
        return digest, self._known.get(digest) or f"address {address}"

    def learn(self, digest: bytes | None, caller: str | None) -> None:
        """``caller`` None: nobody said."""
        if digest is None or caller is None:
            return
        self._known[digest] = caller
        self._known.move_to_end(digest)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


class Turns:
    """All in one thread, that of the loop. Jobs are begun by calling them; ``done`` follows each."""

    def __init__(self, threads: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._free = threads
        self._most_alone = max(1, threads - max(1, threads // SHARE))
        self._most_among_others = max(1, threads // SHARE)
        self._clock = clock
        self._asked_at: OrderedDict[str, float] = OrderedDict()  # who asked last stands last
        self._heavy_at: dict[str, float] = {}
        self._at_work: dict[str, deque[float]] = {}  # when each was begun
        self._lines: OrderedDict[str, deque[Job]] = OrderedDict()  # whose turn is next stands first

    def add(self, caller: str, job: Job) -> None:
        self._asked_at[caller] = self._clock()
        self._asked_at.move_to_end(caller)
        self._lines.setdefault(caller, deque()).append(job)
        self._begin()

    def done(self, caller: str, *, was_heavy: bool = False) -> None:
        self._free += 1
        self._at_work[caller].popleft()
        if not self._at_work[caller]:
            del self._at_work[caller]
        if was_heavy:
            self._heavy_at[caller] = self._clock()
        self._begin()

    def look(self) -> None:
        """Time has passed."""
        self._begin()

    def _begin(self) -> None:
        while self._free and (caller := self._next()) is not None:
            line = self._lines.pop(caller)
            job = line.popleft()
            if line:
                self._lines[caller] = line  # behind all others
            self._free -= 1
            self._at_work.setdefault(caller, deque()).append(self._clock())
            job()

    def _next(self) -> str | None:
        if not self._lines:
            return None
        now = self._clock()
        while len(self._asked_at) > 1 and next(iter(self._asked_at.values())) < now - ALONE_AFTER_S:
            self._heavy_at.pop(self._asked_at.popitem(last=False)[0], None)
        return next((caller for caller in self._lines if self._may_begin(caller, now)), None)

    def _may_begin(self, caller: str, now: float) -> bool:
        begun = self._at_work.get(caller, ())
        if len(self._asked_at) == 1:
            return len(begun) < self._most_alone
        if begun and now - self._heavy_at.get(caller, -HEAVY_FOR_S) < HEAVY_FOR_S and now - begun[-1] < YOUNG_S:
            return False
        return len(begun) < self._most_among_others


def greediest(held: Iterable[tuple[T, str, int]]) -> T:
    """``held``: what, for which caller, how much. → the largest of who holds most in all; of equals the first"""
    items = list(held)
    sums: Counter[str] = Counter()
    for _, caller, size in items:
        sums[caller] += size
    most = sums.most_common(1)[0][0]
    return max((each for each in items if each[1] == most), key=lambda each: each[2])[0]
