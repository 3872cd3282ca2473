"""Names of hosts to their addresses within a deadline, which the system's resolver does not know.

Rule 1  Who waits no longer leaves the question to its end: its answer is there for who asks next.
Rule 2  What was found may be kept, and an old answer is better than none while the DNS is away.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

Addresses = list[tuple[Any, ...]]  # as socket.getaddrinfo has them
AT_ONCE = 64  # questions to the resolver; each takes a thread
MOST_KEPT = 8192
_Key = tuple[str, int, int]


@dataclass(eq=False)
class _Question:
    done: threading.Event = field(default_factory=threading.Event)
    found: Addresses | None = None
    error: OSError | None = None


class Names:
    """Thread-safe. ``keep_s``: how long an answer is taken as it was; ``stale_s``: where there is no new one."""

    def __init__(self, *, keep_s: float = 0.0, stale_s: float = 0.0) -> None:
        self._keep_s, self._stale_s = keep_s, stale_s
        self._known: OrderedDict[_Key, tuple[Addresses, float]] = OrderedDict()
        self._asked: dict[_Key, _Question] = {}
        self._room = threading.BoundedSemaphore(AT_ONCE)
        self._lock = threading.Lock()

    def find(
        self, host: str, port: int, timeout_s: float, kind: socket.SocketKind = socket.SOCK_STREAM
    ) -> Addresses:  # fmt: skip
        """At least one. Errors: OSError (gaierror: the name is not known; TimeoutError)."""
        if is_literal(host):
            return list(socket.getaddrinfo(host, port, type=kind, flags=socket.AI_NUMERICHOST))
        key = (host, port, int(kind))
        known = self._kept(key, self._keep_s)
        if known is not None:
            return known
        try:
            return self._answer(key, timeout_s)
        except OSError:
            stale = self._kept(key, self._stale_s)
            if stale is None:
                raise
            return stale

    def _answer(self, key: _Key, timeout_s: float) -> Addresses:
        until = time.monotonic() + timeout_s
        question = self._ask(key, timeout_s)
        if not question.done.wait(max(0.0, until - time.monotonic())):
            raise TimeoutError(f"the name {key[0]} was not found within {timeout_s:.0f} s")
        if question.error is not None:
            raise question.error
        if not question.found:
            raise OSError("it has no address")
        return question.found

    def _ask(self, key: _Key, timeout_s: float) -> _Question:
        """The question that is on its way already, or a new one. Errors: TimeoutError."""
        with self._lock:
            if (question := self._asked.get(key)) is not None:
                return question
        if not self._room.acquire(timeout=timeout_s):
            raise TimeoutError("too many names are being looked for: does the DNS answer?")
        with self._lock:
            question = self._asked.setdefault(key, made := _Question())
        if question is made:
            threading.Thread(target=self._look, args=(key, question), name="name", daemon=True).start()
        else:
            self._room.release()
        return question

    def _look(self, key: _Key, question: _Question) -> None:
        host, port, kind = key
        try:
            question.found = list(socket.getaddrinfo(host, port, type=kind))
        except OSError as error:
            question.error = error
        except UnicodeError as error:
            question.error = OSError(0, f"it is no name ({type(error).__name__})")
        finally:
            with self._lock:
                self._asked.pop(key, None)
                if question.found and (self._keep_s or self._stale_s):
                    self._known[key] = (question.found, time.monotonic())
                    self._known.move_to_end(key)
                    if len(self._known) > MOST_KEPT:
                        self._known.popitem(last=False)
            self._room.release()
            question.done.set()

    def _kept(self, key: _Key, for_s: float) -> Addresses | None:
        with self._lock:
            found, at = self._known.get(key, (None, 0.0))
        return found if found is not None and time.monotonic() - at < for_s else None


def is_literal(host: str) -> bool:
    """Whether it is an address already."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


# Of BMCs: they move seldom, and are asked all the time.
OF_BMCS = Names(keep_s=60.0, stale_s=86_400.0)
# Of whatever somebody else names: asked anew each time.
OF_STRANGERS = Names()
