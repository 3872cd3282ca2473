"""A service that stands still holds half of the threads at most, and no request for longer than its deadline.

A command that may be told again is, within the same deadline, while its answer is lost.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from steelyard_api_gateway.drivers.over_bus import OverBus
from steelyard_common.bus import CALLER, Endpoint, MemoryBus, NatsBus, Request
from steelyard_common.bus.types import DEADLINE
from steelyard_common.contracts import subjects
from steelyard_common.errors import Conflict, NotFound, OutcomeUnknown, SteelyardError, Unavailable
from steelyard_common.http import WAITED_S
from steelyard_common.testing import eventually

THREADS = 8
TIMEOUT_S = 20.0


class Slow:
    """A service: ``stuck`` does not answer before it is freed; ``refused`` refuses."""

    def __init__(self, bus: MemoryBus) -> None:
        self.now = 1000.0
        self.freed = threading.Event()
        self.asked: list[Request] = []
        verbs = {"stuck": self._stuck, "quick": self._quick, "refused": self._refused}
        bus.serve(
            "inventory",
            [Endpoint(subject=subjects.query("local", "inventory", verb), handler=verbs[verb]) for verb in verbs],
        )

    def _stuck(self, request: Request) -> bytes:
        self.asked.append(request)
        assert self.freed.wait(120)
        return b"1"

    def _quick(self, request: Request) -> bytes:
        self.asked.append(request)
        return b"2"

    def _refused(self, request: Request) -> bytes:
        raise Conflict("no")


@pytest.fixture
def slow(memory_bus: MemoryBus) -> Slow:
    return Slow(memory_bus)


@pytest.fixture
def inventory(memory_bus: MemoryBus, slow: Slow) -> OverBus:
    return OverBus(
        memory_bus, "local", "inventory", query_timeout_s=TIMEOUT_S, command_timeout_s=TIMEOUT_S, threads=THREADS,
        clock=lambda: slow.now,
    )  # fmt: skip


@contextmanager
def waiting(inventory: OverBus, slow: Slow, number: int) -> Iterator[None]:
    """So many requests wait, for longer than half of their deadline."""
    with ThreadPoolExecutor(number) as pool:
        stuck = [pool.submit(inventory.query, "stuck", {}, {}) for _ in range(number)]
        try:
            eventually(lambda: len(slow.asked) == number)
            slow.now += TIMEOUT_S / 2 + 1
            yield
        finally:
            slow.freed.set()
        assert [each.result() for each in stuck] == [b"1"] * number


def test_when_half_of_the_threads_wait_and_nothing_is_answered_the_others_say_so_at_once(
    inventory: OverBus, slow: Slow
) -> None:
    with waiting(inventory, slow, THREADS // 2), pytest.raises(Unavailable, match="4 requests wait and nothing was"):
        inventory.query("quick", {}, {})

    assert inventory.query("quick", {}, {}) == b"2"


def test_while_fewer_wait_everybody_is_let_through(inventory: OverBus, slow: Slow) -> None:
    with waiting(inventory, slow, THREADS // 2 - 1):
        assert inventory.query("quick", {}, {}) == b"2"


@pytest.mark.parametrize("verb", ["quick", "refused"])
def test_any_answer_shows_that_the_service_does_not_stand_still(inventory: OverBus, slow: Slow, verb: str) -> None:
    with ThreadPoolExecutor(1) as pool, waiting(inventory, slow, THREADS // 2 - 1):
        if verb == "refused":
            with pytest.raises(Conflict):
                inventory.query(verb, {}, {})
        else:
            inventory.query(verb, {}, {})
        before = len(slow.asked)
        last = pool.submit(inventory.query, "stuck", {}, {})
        eventually(lambda: len(slow.asked) == before + 1)

        assert inventory.query("quick", {}, {}) == b"2"  # half of the threads wait, and all is well
        slow.freed.set()
        assert last.result() == b"1"


def test_what_waited_for_a_thread_has_so_much_less_time_left(inventory: OverBus, slow: Slow) -> None:
    token = WAITED_S.set(TIMEOUT_S - 5)
    try:
        inventory.query("quick", {}, {})
        WAITED_S.set(TIMEOUT_S - 1)
        with pytest.raises(SteelyardError, match="all threads were in use for too long"):
            inventory.query("quick", {}, {})
    finally:
        WAITED_S.reset(token)

    [request] = slow.asked
    assert int(request.headers[DEADLINE]) == 5000


WHO = {CALLER: '{"request_id": "req-1"}'}
LOST, AWAY = "the answer is lost", "nobody is there"
Fate = str | Callable[[], None]


class Losing(MemoryBus):
    """What becomes of each request, in order, and of all others as of the last: its answer is lost at its deadline,
    nobody is there to take it, or it is answered, after what is told here was done. ``now``: a clock that only this bus
    and pauses move."""

    def __init__(self, *fates: Fate) -> None:
        super().__init__()
        self.fates, self.now = list(fates), 1000.0
        self.tries: list[tuple[float, float]] = []  # when, and for how long
        self.headers: list[Mapping[str, str] | None] = []
        self.serve("boot", [Endpoint(subject="local.boot.cmd.go", handler=lambda _: b"done")])

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def request(
        self, subject: str, body: Mapping[str, Any], *, timeout_s: float, headers: Mapping[str, str] | None = None,
        told: dict[str, str] | None = None,
    ) -> bytes:  # fmt: skip
        self.tries.append((round(self.now - 1000, 3), round(timeout_s, 3)))
        self.headers.append(headers)
        fate = self.fates.pop(0) if len(self.fates) > 1 else self.fates[0]
        if fate == LOST:
            self.now += timeout_s
            raise OutcomeUnknown
        if fate == AWAY:
            raise Unavailable
        if callable(fate):
            fate()
        return super().request(subject, body, timeout_s=timeout_s, headers=headers, told=told)


def boot_on(bus: Losing, threads: int = THREADS) -> OverBus:
    return OverBus(
        bus, "local", "boot", query_timeout_s=10, command_timeout_s=10, threads=threads, clock=lambda: bus.now,
        pause=bus.pause,
    )  # fmt: skip


def answers() -> None:
    """Nothing is in the way of this one."""


@pytest.mark.parametrize("between", [[], [LOST], [AWAY, AWAY], [AWAY, LOST, AWAY]])
def test_a_command_whose_answer_is_lost_is_told_again_in_the_same_words(between: list[Fate]) -> None:
    bus = Losing(LOST, *between, answers)

    assert boot_on(bus).command("go", {}, WHO, again_s=3) == b"done"

    assert bus.headers == [WHO] * (2 + len(between))


def test_a_service_that_is_away_at_first_is_said_so_at_once() -> None:
    bus = Losing(AWAY, answers)

    with pytest.raises(Unavailable):
        boot_on(bus).command("go", {}, WHO, again_s=3)

    assert bus.tries == [(0, 3)]


def test_what_the_other_side_says_is_an_answer() -> None:
    def refuse() -> None:
        raise NotFound

    bus = Losing(LOST, refuse, answers)

    with pytest.raises(NotFound):
        boot_on(bus).command("go", {}, WHO, again_s=3)


@pytest.mark.parametrize(
    ("waited_s", "tries"),
    [
        (0.0, [(0, 3), (3.2, 3), (6.4, 3.6)]), (3.0, [(0, 3), (3.2, 3.8)]), (5.0, [(0, 3), (3.2, 1.8)]),
        (7.0, [(0, 3)]), (7.5, [(0, 2.5)]),
    ],
)  # fmt: skip
def test_all_tries_together_have_the_deadline_of_one_command(waited_s: float, tries: list[tuple[float, float]]) -> None:
    bus = Losing(LOST)
    token = WAITED_S.set(waited_s)
    try:
        with pytest.raises(OutcomeUnknown):
            boot_on(bus).command("go", {}, WHO, again_s=3)
    finally:
        WAITED_S.reset(token)

    assert bus.tries == tries
    assert bus.now - 1000 <= 10 - waited_s + 0.001


def test_a_service_that_does_not_come_back_is_asked_till_the_deadline_and_the_outcome_stays_unknown() -> None:
    bus = Losing(LOST, AWAY)

    with pytest.raises(OutcomeUnknown):
        boot_on(bus).command("go", {}, WHO, again_s=3)

    assert 25 <= len(bus.tries) <= 31  # every 0.2 s of those that are left after the first
    assert all(when + patience_s <= 10.001 for when, patience_s in bus.tries)
    assert bus.now <= 1010


def test_any_other_command_is_told_once() -> None:
    bus = Losing(LOST, answers)

    with pytest.raises(OutcomeUnknown):
        boot_on(bus).command("go", {}, WHO)

    assert bus.tries == [(0, 10)]


def test_whoever_tells_a_command_again_waits_in_the_line_all_the_time() -> None:
    met: list[str] = []

    def another_comes() -> None:
        with pytest.raises(Unavailable, match="1 requests wait and nothing was answered") as refused:
            boot.command("go", {}, WHO)
        met.append(refused.value.message)

    bus = Losing(LOST, LOST, another_comes)
    boot = boot_on(bus, threads=2)

    assert boot.command("go", {}, WHO, again_s=3) == b"done"
    assert len(met) == 1
    bus.fates = [answers]
    assert boot.command("go", {}, WHO) == b"done"


def test_over_nats_a_replica_answers_what_another_one_took_and_never_answered(
    nats_bus: NatsBus, other_bus: NatsBus, site: str
) -> None:
    taken: list[str] = []
    ended = threading.Event()

    def handle(request: Request) -> bytes:
        taken.append(request.headers[CALLER])
        if len(taken) == 1:
            assert ended.wait(120)
        return b"done"

    for replica in (nats_bus, other_bus):
        replica.serve("boot", [Endpoint(subject=subjects.command(site, "boot", "go"), handler=handle)])
    boot = OverBus(nats_bus, site, "boot", query_timeout_s=60, command_timeout_s=60)
    try:
        assert boot.command("go", {}, WHO, again_s=1) == b"done"
    finally:
        ended.set()

    assert taken[0] == taken[1] == WHO[CALLER]
