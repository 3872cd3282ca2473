"""What the BMCs received, on record: the proof that a request was sent, or that none was.

Entries are kept up to a bound for each machine, the oldest go first. The counts of power actions are never dropped.
Nothing of a request's body is kept but the name of the action, so that no password can be on record.
"""

import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One request. ``at`` is seconds since the epoch, ``number`` only grows."""

    number: int
    at: float
    machine: str
    protocol: str
    operation: str
    outcome: str
    is_write: bool
    is_power: bool

    def as_json(self) -> dict[str, object]:
        """For the control API."""
        return asdict(self)


class Record:
    """The record of a whole rack, at most ``per_machine`` entries for each."""

    def __init__(self, per_machine: int = 200) -> None:
        self._per_machine = per_machine
        self._number = 0
        self._entries: dict[str, deque[Entry]] = {}
        self._received: dict[str, Counter[str]] = {}
        self._accepted: dict[str, Counter[str]] = {}

    @property
    def last_number(self) -> int:
        """The number of the newest entry: ask later for what came after it."""
        return self._number

    def add(
        self,
        machine: str,
        protocol: str,
        operation: str,
        outcome: str,
        *,
        is_write: bool = False,
        is_power: bool = False,
        is_done: bool = False,
    ) -> None:
        """Put one request on record; ``is_done``: the BMC accepted it."""
        self._number += 1
        # Few operations and outcomes, many entries: share the texts.
        operation, outcome = sys.intern(operation), sys.intern(outcome)
        entry = Entry(self._number, time.time(), machine, protocol, operation, outcome, is_write, is_power)
        if machine not in self._entries:
            self._entries[machine] = deque(maxlen=self._per_machine)
        self._entries[machine].append(entry)
        if is_power:
            self._received.setdefault(machine, Counter())[operation] += 1
        if is_power and is_done:
            self._accepted.setdefault(machine, Counter())[operation] += 1

    def entries(
        self,
        machine: str | None = None,
        *,
        since: float = 0.0,
        after: int = 0,
        only_writes: bool = False,
    ) -> list[Entry]:
        """Entries in the order they came, of one machine or all, from a time or after a number."""
        found = [
            entry
            for entry in self._of(machine)
            if entry.at >= since and entry.number > after and (entry.is_write or not only_writes)
        ]
        return sorted(found, key=lambda entry: entry.number)

    def power_actions(self, *, refused_too: bool = False) -> dict[str, dict[str, int]]:
        """Machine → operation → how often it was accepted, or came at all, since the record was last cleared."""
        counters = self._received if refused_too else self._accepted
        return {machine: dict(counts) for machine, counts in counters.items()}

    def clear(self) -> None:
        """Forget everything; numbers go on."""
        self._entries.clear()
        self._received.clear()
        self._accepted.clear()

    def _of(self, machine: str | None) -> Iterator[Entry]:
        if machine is not None:
            yield from self._entries.get(machine, ())
            return
        for kept in self._entries.values():
            yield from kept
