"""Many clients want more nodes than there are, through the whole suite, and inventory is killed among them."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from steelyard_local.testing import RunningSuite, running_suite

from .operator import Operator
from .processes import kill

CLIENTS = 64
# Of each project; STEELYARD_ALLOCATION_NODES asks for a larger pool.
NODES = int(os.environ.get("STEELYARD_ALLOCATION_NODES", "6"))
WANTED = 3 * NODES  # by each project
QUOTA = max(1, NODES // 2)
FREE, LIMITED = ("p-free-1", "p-free-2"), ("p-limited-1", "p-limited-2")
PROJECTS = FREE + LIMITED
CLASS = "wanted"
SETTLED_S = 120.0


@pytest.fixture(scope="module")
def suite() -> Iterator[RunningSuite]:
    with running_suite(environment={"STEELYARD_AUTOMATED_CLEAN": "false"}) as suite:
        yield suite


@pytest.fixture(scope="module")
def operator(suite: RunningSuite) -> Operator:
    """Every project has so many free nodes; two of them may have no more than their quota."""
    operator = Operator(suite.url)
    bodies = [
        {"driver": "fake-hardware", "name": f"{project}-{number}", "owner": project, "resource_class": CLASS}
        for project in PROJECTS
        for number in range(NODES)
    ]
    with ThreadPoolExecutor(8) as pool:
        names = [name for found in pool.map(lambda body: operator.enrol([body]), bodies) for name in found]
        provided = {"target": "provide"}
        list(pool.map(lambda n: operator.ask("PUT", f"/v1/nodes/{n}/states/provision", provided), names))
        list(pool.map(lambda n: operator.wait(n, lambda node: node["provision_state"] == "available"), names))
    for project in LIMITED:
        operator.ask("PUT", f"/v1/quotas/{project}", {"quotas": {CLASS: QUOTA}})
    return operator


class Client:
    """Asks until it is told yes or no; a lost answer is asked for again by the UUID that it has chosen."""

    def __init__(self, operator: Operator, project: str) -> None:
        self._operator = operator
        self.project = project
        self.uuid = str(uuid.uuid4())

    def allocate(self) -> str:
        body = {"uuid": self.uuid, "resource_class": CLASS, "owner": self.project}
        end = time.monotonic() + SETTLED_S
        while time.monotonic() < end:
            status, answer = self._operator.call("POST", "/v1/allocations", body)
            if status == 201:
                return "made"
            if status == 409 and self._operator.call("GET", f"/v1/allocations/{self.uuid}")[0] == 200:
                return "made before"
            if status == 403:
                assert f"may have {QUOTA} nodes of resource class {CLASS}, has {QUOTA}" in answer["error_message"]
                return "refused"
            assert status in (0, 409, 503, 504), answer
            time.sleep(0.1)
        raise AssertionError(f"no answer within {SETTLED_S:.0f} s")


class Watch:
    """Looks at the usage again and again; ``most``: what each project was seen to have, at most."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.most: dict[str, int] = dict.fromkeys(PROJECTS, 0)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.1):
            status, answer = self._operator.call("GET", "/v1/usage")
            self._compare(answer["usage"] if status == 200 else ())
        self._compare(self._operator.ask("GET", "/v1/usage")["usage"])  # however it was before

    def _compare(self, usage: Iterable[dict[str, Any]]) -> None:
        for row in usage:
            if row["project"] in self.most:
                self.most[row["project"]] = max(self.most[row["project"]], row["used"])


def _listed(operator: Operator, plural: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        marker = f"?marker={found[-1]['uuid']}" if found else ""
        page = operator.ask("GET", f"/v1/{plural}{marker}")[plural.partition("/")[0]]
        found += page
        if not page:
            return found


def _allocations(operator: Operator) -> list[dict[str, Any]]:
    """All of them, once none waits any more."""
    end = time.monotonic() + SETTLED_S
    while True:
        found = _listed(operator, "allocations")
        if all(each["state"] != "allocating" for each in found):
            return found
        assert time.monotonic() < end, Counter(each["state"] for each in found)
        time.sleep(0.2)


@pytest.mark.slow
def test_no_node_is_given_twice_all_are_given_and_no_quota_is_exceeded_though_inventory_is_killed(
    suite: RunningSuite, operator: Operator
) -> None:
    clients = [Client(operator, project) for _ in range(WANTED) for project in PROJECTS]
    begun = threading.Semaphore(0)

    def allocate(client: Client) -> str:
        begun.release()
        return client.allocate()

    with Watch(operator) as watch, ThreadPoolExecutor(CLIENTS) as pool:
        outcomes = [pool.submit(allocate, client) for client in clients]
        for _ in range(len(clients) // 2):  # in the middle of it
            assert begun.acquire(timeout=SETTLED_S)
        kill(suite.pid, "inventory")
        told = Counter((client.project, each.result()) for client, each in zip(clients, outcomes, strict=True))
        found = _allocations(operator)

    active = [each for each in found if each["state"] == "active"]
    nodes = {each["uuid"]: each for each in _listed(operator, "nodes/detail")}
    taken = [each["node_uuid"] for each in active]
    print(dict(told), Counter((each["owner"], each["state"]) for each in found), operator.seen)
    assert len(taken) == len(set(taken)), "no node is in two allocations"
    assert {each["uuid"]: each["node_uuid"] for each in active} == {
        node["instance_uuid"]: uuid for uuid, node in nodes.items() if node["instance_uuid"]
    }, "nodes and allocations agree"
    assert all(nodes[each["node_uuid"]]["owner"] == each["owner"] for each in active)
    assert Counter(each["owner"] for each in active) == dict.fromkeys(FREE, NODES) | dict.fromkeys(LIMITED, QUOTA)
    assert {told[project, "refused"] for project in LIMITED} == {WANTED - QUOTA}
    assert all(watch.most[project] == QUOTA for project in LIMITED), watch.most
    assert set(operator.seen) <= {0, 200, 201, 202, 403, 409, 503, 504}
