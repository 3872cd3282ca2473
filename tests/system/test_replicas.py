"""Two replicas of each service share the work; either may die, and all may be restarted in turn under load.

``STEELYARD_ALL_REPLICAS=1``: all of them in turn; else one of each service.
"""

from __future__ import annotations

import itertools
import json
import os
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from steelyard_local.testing import RunningSuite, running_suite

from .lives import Lives, fake_body
from .operator import Operator
from .processes import kill_all

SERVICES = ("inventory", "power", "boot", "api-gateway")
REPLICAS = [name for service in SERVICES for name in (service, f"{service}-2")]
IN_TURN = REPLICAS if os.environ.get("STEELYARD_ALL_REPLICAS") else [f"{service}-2" for service in SERVICES]
NODES = 8
ENOUGH = 100  # workflows, slices, milliseconds
BACK_WITHIN_S = 120.0  # it has to be stopped in order and to start again, on a machine that may be busy


@pytest.fixture(scope="module")
def suite() -> Iterator[RunningSuite]:
    with running_suite("--replicas", "2") as suite:
        end = time.monotonic() + BACK_WITHIN_S
        while missing := [name for name in REPLICAS if not _is_ready(suite, name)]:
            assert time.monotonic() < end, f"not ready: {missing}"
            time.sleep(0.2)
        yield suite


def _process(suite: RunningSuite, replica: str) -> psutil.Process | None:
    """Of the runner's record; None while there is none."""
    children = json.loads((suite.data / "state.json").read_text())["children"]
    (process,) = (child["process"] for child in children if child["name"] == replica)
    try:
        return psutil.Process(process["pid"]) if process else None
    except psutil.NoSuchProcess:
        return None


def _wait_for_another(suite: RunningSuite, replica: str, old: psutil.Process) -> None:
    end = time.monotonic() + BACK_WITHIN_S
    while (new := _process(suite, replica)) is None or new == old or not _is_ready(suite, replica):
        assert time.monotonic() < end, f"{replica} did not come back"
        time.sleep(0.2)


def _is_ready(suite: RunningSuite, replica: str) -> bool:
    """It says so itself. (Of the gateway's replicas any may answer: they have one port; one that is bound serves.)"""
    try:
        port = (suite.data / "ports" / replica).read_text()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _work_of(suite: RunningSuite, replica: str) -> float:
    """What it has done: workflows ended, slices run; of the gateway, whose replicas have one port, CPU (ms)."""
    if replica.startswith("api-gateway"):
        process = _process(suite, replica)
        assert process is not None
        return 1000 * sum(sum(each.cpu_times()[:2]) for each in (process, *process.children(recursive=True)))
    port = (suite.data / "ports" / replica).read_text()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    name = "steelyard_workflows_finished_total" if replica.startswith("inventory") else "steelyard_provider_steps_total"
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


class Load:
    """Fake nodes that live one life after the other until told to stop."""

    def __init__(self, suite: RunningSuite, prefix: str) -> None:
        self.operator = Operator(suite.url)
        self.lived = 0
        self._stop, self._over = threading.Event(), threading.Event()
        self._pool = ThreadPoolExecutor(NODES)
        nodes = [Lives(self.operator, fake_body(f"{prefix}-{i}"), self._over, has_machine=False) for i in range(NODES)]
        self._lives = [self._pool.submit(self._live, each) for each in nodes]

    def _live(self, lives: Lives) -> int:
        for count in itertools.count():
            if self._stop.is_set():
                return count
            lives.live()
        raise AssertionError

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        try:
            self.lived = sum(lives.result() for lives in self._lives)
        finally:
            self._over.set()
            self._pool.shutdown()


@pytest.mark.slow
def test_the_work_is_shared(suite: RunningSuite) -> None:
    before = {name: _work_of(suite, name) for name in REPLICAS}
    done = dict.fromkeys(REPLICAS, 0.0)
    end = time.monotonic() + BACK_WITHIN_S
    with Load(suite, "shared") as load:
        while min(done[service] + done[f"{service}-2"] for service in SERVICES) < ENOUGH:
            assert time.monotonic() < end, f"so little was done: {done}"
            time.sleep(0.5)
            done = {name: _work_of(suite, name) - before[name] for name in REPLICAS}

    print({name: round(work) for name, work in done.items()}, load.lived, "lives", load.operator.seen)
    for service in SERVICES:
        pair = done[service], done[f"{service}-2"]
        assert min(pair) >= 0.1 * sum(pair), f"{service}: one replica did almost all: {pair}"


@pytest.mark.slow
@pytest.mark.parametrize("how", ["terminated in turn", "killed in turn"])
def test_each_replica_may_go_under_load_and_nothing_is_lost(suite: RunningSuite, how: str) -> None:
    with Load(suite, how.split()[0]) as load:
        for name in IN_TURN:
            process = _process(suite, name)
            assert process is not None
            if how.startswith("killed"):
                kill_all((*process.children(recursive=True), process))
            else:
                process.terminate()
            _wait_for_another(suite, name, process)

    print(how, load.lived, "lives", load.operator.seen)
    assert load.lived >= NODES
    assert load.operator.ask("GET", "/v1/nodes")["nodes"] == []
    if not how.startswith("killed"):
        assert not load.operator.unwell
