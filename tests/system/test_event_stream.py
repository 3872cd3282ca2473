"""The stream of events on a running suite: many readers hold no thread, and none misses anything whatever is killed."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from urllib.parse import urlsplit

import psutil
import pytest
from steelyard_local.testing import RunningSuite, running_suite

from .lives import Lives, fake_body
from .operator import Operator
from .processes import processes_of
from .stream_reader import Reader

READERS = int(os.environ.get("STEELYARD_TEST_READERS", "100"))
NODES = 4
LAG_S = 20.0  # on a loaded machine; what was measured is printed


@pytest.fixture(scope="module")
def suite() -> Iterator[RunningSuite]:
    with running_suite() as suite:
        yield suite


@pytest.fixture
def operator(suite: RunningSuite) -> Operator:
    return Operator(suite.url)


def eventually(told: Callable[[], bool], what: str, *, within_s: float = 60.0) -> None:
    end = time.monotonic() + within_s
    while not told():
        assert time.monotonic() < end, f"not within {within_s:.0f} s: {what}"
        time.sleep(0.1)


def live(operator: Operator, prefix: str) -> list[str]:
    """So many nodes are managed and provided at once. → their UUIDs"""
    over = threading.Event()

    def one(number: int) -> str:
        lives = Lives(operator, fake_body(f"{prefix}-{number}"), over, has_machine=False)
        lives.begin()
        for verb in ("manage", "provide"):
            lives.go(verb)
        return str(operator.node(lives.name)["uuid"])

    with ThreadPoolExecutor(NODES) as pool:
        return list(pool.map(one, range(NODES)))


def reached(reader: Reader, uuid: str) -> bool:
    """The node is told to be available, and what came before it without a gap: each state began where one ended."""
    changes = [each.data["data"] for each in list(reader.heard)
               if each.data["subject"] == uuid and each.type.endswith("provision-state-changed")]  # fmt: skip
    for before, after in itertools.pairwise(changes):
        assert before["to"] == after["from"], f"out of order, or one is missing: {before} {after}"
    return bool(changes) and changes[0]["from"] == "enroll" and changes[-1]["to"] == "available"


def hear_all(readers: list[Reader], uuids: list[str], *, within_s: float = 60.0) -> None:
    def told() -> bool:
        return all(reached(reader, uuid) for reader in readers for uuid in uuids)

    eventually(told, "each hears all", within_s=within_s)


def _threads(suite: RunningSuite) -> int:
    return sum(each.num_threads() for each in processes_of(suite.pid, "gateway"))


def _gateway(suite: RunningSuite) -> psutil.Process:
    """The one that serves: it has no children."""
    return next(each for each in processes_of(suite.pid, "gateway") if not each.children())


@pytest.mark.slow
def test_many_readers_hear_everything_and_hold_no_thread(suite: RunningSuite, operator: Operator) -> None:
    operator.ask("GET", "/v1/nodes")
    readers = [Reader(suite.url) for _ in range(READERS)]
    try:
        eventually(lambda: all(each.ready.is_set() for each in readers), "all are there")
        threads = _threads(suite)
        more = [Reader(suite.url, "?type=provision-*") for _ in range(20)]
        readers += more
        eventually(lambda: all(each.ready.is_set() for each in more), "all are there")
        assert _threads(suite) < threads + len(more), "a reader has no thread of its own"

        uuids = live(operator, "many")
        hear_all(readers, uuids)
        assert {each.type.rpartition(".")[2] for each in more[0].heard} == {"provision-state-changed"}
        lags = sorted(each.at - datetime.fromisoformat(each.data["time"]).timestamp() for each in readers[0].heard)
        print(f"lag: median {lags[len(lags) // 2] * 1000:.0f} ms, worst {lags[-1] * 1000:.0f} ms,", len(lags), "events")
        assert lags[-1] < LAG_S
    finally:
        for each in readers:
            each.close()
    metrics = f"{suite.url}/metrics"
    eventually(lambda: "steelyard_event_readers 0.0" in _text(metrics), "that they left is noticed")


def _is_ready(suite: RunningSuite) -> bool:
    """A part that takes its time is not ready just now."""
    try:
        return bool(json.loads(_text(f"{suite.url}/health/ready"))["status"] == "ready")
    except urllib.error.HTTPError:
        return False


def _text(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return str(answer.read().decode())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("victim", "how"),
    [("gateway", signal.SIGKILL), ("gateway", signal.SIGTERM), ("nats-server", signal.SIGKILL)],
    ids=["gateway killed", "gateway stopped in order", "nats-server killed"],
)
def test_whoever_comes_back_misses_nothing_when_a_process_ends(
    suite: RunningSuite, operator: Operator, victim: str, how: signal.Signals
) -> None:
    readers = [Reader(suite.url, returns=True) for _ in range(20)]
    try:
        eventually(lambda: all(each.ready.is_set() for each in readers), "all are there")
        with ThreadPoolExecutor(1) as pool:
            lives = pool.submit(live, operator, f"{how.name}-{victim}")
            eventually(lambda: any(each.heard for each in readers), "it began")
            for process in processes_of(suite.pid, victim):
                with contextlib.suppress(psutil.NoSuchProcess):  # it went with another
                    process.send_signal(how)
            uuids = lives.result()
        hear_all(readers, uuids, within_s=120)
        if victim == "gateway":
            eventually(lambda: all(each.times_opened > 1 for each in readers), "all come back", within_s=120)
        for each in readers:
            ids = [heard.id for heard in each.heard]
            assert len(ids) == len(set(ids)), "nothing comes twice"
        if how == signal.SIGTERM:
            assert all("this gateway stops" in "".join(each.notices) for each in readers), "it says good-bye"
        assert not [notice for each in readers for notice in each.notices if "gap" in notice]
    finally:
        for each in readers:
            each.close()


@pytest.mark.slow
def test_what_was_told_before_is_told_again_from_any_event_on(suite: RunningSuite, operator: Operator) -> None:
    first = Reader(suite.url)
    eventually(first.ready.is_set, "it is there")
    uuids = live(operator, "past")
    eventually(lambda: all(reached(first, uuid) for uuid in uuids), "it hears all")
    first.close()

    events = list(first.heard)
    again = Reader(suite.url, last_id=events[2].id)
    eventually(lambda: len(again.heard) >= len(events) - 3, "the rest comes again")
    again.close()
    assert [each.data for each in again.heard[: len(events) - 3]] == [each.data for each in events[3:]]

    since = f"?since={events[0].data['time']}&node=past-0&severity=info&type=node-created"
    part = Reader(suite.url, since)
    eventually(lambda: bool(part.heard), "it begins at a time")
    part.close()
    assert part.types(uuids[0]) == ["node-created"]


@pytest.mark.slow
def test_a_reader_that_takes_nothing_is_left_and_costs_no_more_than_its_share(
    suite: RunningSuite, operator: Operator
) -> None:
    """It asks for all that ever was, and never reads: what is kept for it is bounded, and the others hear all."""
    where = urlsplit(suite.url)
    live(operator, "before")
    memory = _gateway(suite).memory_info().rss
    deaf = []
    for _ in range(20):
        client = socket.create_connection((where.hostname or "", where.port or 80))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(b"GET /v1/events/stream?since=2020-01-01T00:00:00Z HTTP/1.1\r\nHost: x\r\n\r\n")
        deaf.append(client)
    reader = Reader(suite.url)
    eventually(reader.ready.is_set, "it is there")
    uuids = live(operator, "beside")
    eventually(lambda: all(reached(reader, uuid) for uuid in uuids), "who reads hears all")
    grown = _gateway(suite).memory_info().rss - memory
    print(f"grown by {grown / 1e6:.1f} MB")
    assert grown < 60e6
    for client in deaf:
        client.close()
    reader.close()
    eventually(lambda: _is_ready(suite), "it is well")
