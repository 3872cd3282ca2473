"""A part that stands still – neither dead nor answering – costs clients a deadline, and nothing else."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psutil
import pytest
from steelyard_common.testing import eventually
from steelyard_local.testing import RunningSuite, running_suite
from steelyard_rack.testing import RunningRack

from .operator import Operator
from .processes import processes_of

DEADLINE_S = 5.0
GRACE_S = 6.0  # a call waits up to 2 s for the bus before its own deadline begins; the machine may be busy
AT_ONCE_S = 4.0  # the same; still less than any deadline
FROZEN_S = 12.0
CHANGERS = 10  # with reader and prober fewer than the gateway's threads: who waits for one waits longer
CROWD = 40  # more than the gateway's threads
REASONS = ("no answer in time", "is away", "was lost", "away or busy", "its answer never came", "requests wait",
           "all threads were in use")  # fmt: skip
FROZEN = ["PostgreSQL", "nats-server", "power", "inventory"]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """``after_s``: how long it took."""

    status: int
    after_s: float
    body: Any


class Client(Operator):
    """An operator that keeps every answer."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.answers: list[Answer] = []

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        start = time.monotonic()
        status, answer = super().call(method, path, body)
        self.answers.append(Answer(status=status, after_s=time.monotonic() - start, body=answer))
        return status, answer


@pytest.fixture(scope="module")
def suite() -> Iterator[RunningSuite]:
    timeout = str(DEADLINE_S)
    settings = {"STEELYARD_QUERY_TIMEOUT_S": timeout, "STEELYARD_COMMAND_TIMEOUT_S": timeout}
    with running_suite(environment=settings) as suite:
        yield suite


@contextlib.contextmanager
def _frozen(supervisor: int, victim: str) -> Iterator[None]:
    mains = processes_of(supervisor, victim)
    assert mains, f"there is no {victim} to freeze"
    processes = {process: None for main in mains for process in [main, *main.children(recursive=True)]}
    try:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):  # some of PostgreSQL's come and go
                process.suspend()
        yield
    finally:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)


def _threads(supervisor: int) -> int:
    names = ("gateway", "inventory", "power")
    return sum(process.num_threads() for name in names for process in processes_of(supervisor, name))


def _change_until(finished: threading.Event, client: Client, name: str) -> int:
    """Switch one node off and on again and again. → how many changes"""
    changes = 0
    while not finished.is_set():
        client.set_power(name, "power off" if changes % 2 else "power on")
        changes += 1
    return changes


def _read_until(finished: threading.Event, client: Client) -> None:
    while not finished.wait(0.2):
        client.call("GET", "/v1/nodes")


def _live_until(finished: threading.Event, client: Client) -> None:
    while not finished.wait(0.2):
        client.call("GET", "/health/live")


@pytest.mark.slow
def test_more_clients_than_threads_cost_no_more_than_a_deadline(suite: RunningSuite) -> None:
    clients, prober = [Client(suite.url) for _ in range(CROWD)], Client(suite.url)
    finished = threading.Event()

    with ThreadPoolExecutor(CROWD + 1) as pool:
        work = [pool.submit(_read_until, finished, client) for client in clients]
        work.append(pool.submit(_live_until, finished, prober))
        try:
            with _frozen(suite.pid, "inventory"):
                finished.wait(FROZEN_S)
            eventually(lambda: any(answer.status == 200 for client in clients for answer in list(client.answers)))
        finally:
            finished.set()
        for each in work:
            each.result()

    given = [answer for client in clients for answer in client.answers]
    assert {answer.status for answer in given} == {200, 503}
    assert max(answer.after_s for answer in given) < DEADLINE_S + GRACE_S
    # Half of the threads wait; the others say so at once, again and again.
    assert sum(answer.status == 503 and answer.after_s < 1.0 for answer in given) > 3 * CROWD
    assert {answer.status for answer in prober.answers} == {200}
    assert max(answer.after_s for answer in prober.answers) < AT_ONCE_S


@pytest.mark.slow
def test_a_frozen_part_costs_a_deadline_and_no_power_change(
    suite: RunningSuite, operator: Operator, rack: RunningRack
) -> None:
    names = operator.enrol(rack.nodes())[:CHANGERS]
    rack.clear_record()
    changer, reader, prober = (Client(suite.url) for _ in range(3))
    finished = threading.Event()
    threads: dict[str, int] = {}

    with ThreadPoolExecutor(len(names) + 2) as pool:
        changes = {name: pool.submit(_change_until, finished, changer, name) for name in names}
        others = [pool.submit(_read_until, finished, reader), pool.submit(_live_until, finished, prober)]
        try:
            for victim in FROZEN:
                with _frozen(suite.pid, victim):
                    finished.wait(FROZEN_S)
                operator.wait(names[0], lambda node: not node["target_power_state"], within_s=60)
                threads[victim] = _threads(suite.pid)
        finally:
            finished.set()
        asked = {name: change.result() for name, change in changes.items()}
        for other in others:
            other.result()

    assert {name: sum(rack.power_actions()[name].values()) for name in names} == asked
    nodes = [operator.node(name) for name in names]
    assert [(node["last_error"], node["reservation"]) for node in nodes] == [(None, None)] * len(names)
    given = [*changer.answers, *reader.answers]
    assert {answer.status for answer in given} <= {200, 202, 409, 503, 504}
    assert max(answer.after_s for answer in given) < DEADLINE_S + GRACE_S
    failed = [answer for answer in given if answer.status >= 500]
    assert failed
    assert all(any(reason in str(answer.body) for reason in REASONS) for answer in failed), {
        str(answer.body) for answer in failed
    }
    assert {answer.status for answer in prober.answers} == {200}
    assert max(answer.after_s for answer in prober.answers) < AT_ONCE_S
    assert threads[FROZEN[-1]] <= threads[FROZEN[0]] + 10, f"threads pile up: {threads}"
