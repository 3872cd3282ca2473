"""A service that stands still holds half of the threads at most, and no request for longer than its deadline."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from steelyard_api_gateway.drivers.over_bus import OverBus
from steelyard_common.bus import Endpoint, MemoryBus, Request
from steelyard_common.bus.types import DEADLINE
from steelyard_common.contracts import subjects
from steelyard_common.errors import Conflict, SteelyardError, Unavailable
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
