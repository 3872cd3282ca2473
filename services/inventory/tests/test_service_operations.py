"""Group operations on a real database: what becomes of each node, and of the whole when processes die."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson
import pytest
from steelyard_common.contracts.steps import Done, Failed
from steelyard_common.errors import Conflict, DeviceRefused, InvalidRequest, NotFound
from steelyard_inventory.service.context import Api, Sight
from steelyard_inventory.service.insight import Insight
from steelyard_inventory.service.lifecycle import Caller
from steelyard_inventory.service.node_views import NodeViews
from steelyard_inventory.service.operation_runner import Runner
from steelyard_inventory.service.operations import Operations
from steelyard_inventory.testing_provider import FakeProvider

if TYPE_CHECKING:
    from .conftest import Stage

API = Api(minor=115, base_url="http://api.example")
WHO = Caller(cause={"origin": "api", "user": "ada"}, request_id="req-1")
BROKEN = Failed(error=DeviceRefused("the disk is gone"))


class Killed(BaseException):
    """The process is gone: nothing of ours catches it."""


@dataclass
class Group:
    """A stage with group operations, and the provider that plays all services."""

    stage: Stage
    provider: FakeProvider
    broken: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        stage = self.stage
        self.runner = self.another_runner()
        views = NodeViews(stage.database, stage.workers, stage.clock)
        self.operations = Operations(stage.database, "here", stage.clock, views, self.runner.wake, stage.lifecycle.wake)

    def another_runner(self) -> Runner:
        return Runner(self.stage.database, "here", self.stage.clock, self.stage.lifecycle)

    def add_nodes(self, count: int, state: str = "available", **columns: Any) -> list[str]:
        return [self.stage.add_fake(state, **columns) for _ in range(count)]

    def create(self, verb: str, *, api: Api = API, caller: Caller = WHO, **asked: Any) -> str:
        whole: dict[str, Any] = {"uuid": str(uuid4()), "verb": verb, "parameters": {}, "selector": None, "nodes": None,
                 "parallelism": 50}  # fmt: skip
        return str(orjson.loads(self.operations.create({**whole, **asked}, api, caller))["uuid"])

    def show(self, uuid: str) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.operations.show(uuid, API))
        return found

    def counts(self, uuid: str) -> dict[str, int]:
        return {name: count for name, count in self.show(uuid)["counts"].items() if count}

    def nodes(self, uuid: str, outcome: str | None = None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = orjson.loads(self.operations.nodes(uuid, outcome, None, 1000, API))["nodes"]
        return found

    def work(self) -> None:
        """Providers answer what is out."""
        while messages := self.provider.receive():
            for message in messages:
                outcomes = self.provider.outcomes(message)
                if message.node["uuid"] in self.broken:
                    outcomes = [type(outcomes[0])(index=message.steps[0].index, attempt=message.steps[0].attempt,
                                                  result=BROKEN)]  # fmt: skip
                self.provider.answer(message, outcomes)
            self.stage.bus.deliver()

    def run(self, uuid: str, *, until: Callable[[dict[str, Any]], bool] | None = None, looks: int = 200) -> None:
        """Look and work till the operation has ended, or ``until`` it is so."""
        for _ in range(looks):
            shown = self.show(uuid)
            if until(shown) if until else shown["finished_at"]:
                return
            self.stage.clock.advance(2.1)
            while self.runner.look():
                pass
            self.work()
        raise AssertionError(f"it did not end: {self.show(uuid)}")


@pytest.fixture
def group(stage: Stage) -> Group:
    return Group(stage, stage.announce_all())


def test_of_a_hundred_with_three_broken_97_are_active_and_a_retry_does_the_three(group: Group) -> None:
    nodes = group.add_nodes(100)
    group.broken = set(nodes[10:13])
    uuid = group.create("active", selector={"provision_state": "available"})
    group.run(uuid)

    shown = group.show(uuid)
    assert (shown["status"], shown["progress"], shown["total"]) == ("failed", 100, 100)
    assert group.counts(uuid) == {"done": 97, "failed": 3}
    failed = group.nodes(uuid, "failed")
    assert {row["node_uuid"] for row in failed} == group.broken
    assert {row["error"] for row in failed} == {"the disk is gone"}
    assert group.stage.rows("SELECT count(*) AS n FROM nodes WHERE provision_state = 'active'")[0]["n"] == 97

    group.broken.clear()
    group.operations.retry(uuid, API)
    group.run(uuid)

    assert (group.show(uuid)["status"], group.counts(uuid)) == ("done", {"done": 100})
    assert sorted(row["attempt"] for row in group.nodes(uuid)) == [1] * 97 + [2] * 3
    runs = group.stage.rows("SELECT node_uuid, count(*) AS n FROM workflows WHERE kind = 'deploy' GROUP BY 1")
    assert sorted(row["n"] for row in runs) == [1] * 97 + [2] * 3
    facts = [fact for fact, data in group.stage.events(uuid)]
    assert facts == ["operation-started", "operation-finished", "operation-started", "operation-finished"]


def test_a_node_whose_turn_is_to_come_is_explained_so(group: Group) -> None:
    first, second, third = group.add_nodes(3)
    uuid = group.create("active", nodes=[first, second, third], parallelism=1)
    while group.runner.look():
        pass
    insight = Insight(group.stage.database, group.stage.workers, group.stage.clock)

    told = insight.explain(third, API)

    assert (told["situation"], told["waiting_for"]) == ("queued", f"its turn in operation {uuid}")
    assert "1 of at most 1 nodes are at work, and 1 node comes before it." in told["summary"]
    assert insight.explain(first, API)["situation"] == "working"
    group.run(uuid)
    assert insight.explain(third, API)["situation"] == "idle"


def test_no_more_nodes_run_at_once_than_was_said(group: Group) -> None:
    group.add_nodes(7)
    uuid = group.create("active", selector={}, parallelism=3)
    most = 0
    for _ in range(20):
        while group.runner.look():
            pass
        most = max(most, group.counts(uuid).get("running", 0))
        group.work()
        group.stage.clock.advance(2.1)
    assert most == 3
    assert group.counts(uuid) == {"done": 7}


def test_a_runner_that_dies_anywhere_leaves_no_node_out_and_does_nothing_twice(group: Group) -> None:
    nodes = group.add_nodes(12, power_state="power off")
    uuid = group.create("power on", nodes=nodes, parallelism=5)
    lifecycle, deaths = group.stage.lifecycle, iter(range(100))
    judge = lifecycle.judge

    def dying(*args: Any) -> Any:
        found = judge(*args)
        if next(deaths) % 2 == 0:  # after the verbs were begun, before the books are written
            raise Killed
        return found

    lifecycle.judge = dying  # type: ignore[method-assign, assignment]
    killed = 0
    for _ in range(30):
        group.stage.clock.advance(2.1)
        runner = group.another_runner()
        try:
            while runner.look():
                pass
        except Killed:
            killed += 1
        group.work()
    assert killed >= 3
    assert group.counts(uuid) == {"done": 12}
    runs = group.stage.rows("SELECT node_uuid FROM workflows WHERE kind = 'power'")
    assert sorted(str(row["node_uuid"]) for row in runs) == sorted(nodes)
    assert len(group.provider.acted) == 12


def test_two_replicas_share_the_work_and_start_each_node_once(group: Group) -> None:
    nodes = group.add_nodes(60)
    uuids = [group.create("power on", nodes=nodes[part::3], parallelism=20) for part in range(3)]
    barrier = threading.Barrier(2)

    def replica() -> None:
        runner = group.another_runner()
        barrier.wait(60)
        while runner.look():
            pass

    threads = [threading.Thread(target=replica) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    group.work()
    for uuid in uuids:
        group.run(uuid)
    assert [group.counts(uuid) for uuid in uuids] == [{"done": 20}] * 3
    assert len(group.stage.rows("SELECT 1 FROM workflows")) == 60


def test_a_verb_that_a_node_refuses_fails_that_node_alone_with_its_reason(group: Group) -> None:
    good, bad = group.add_nodes(1, "available"), group.add_nodes(1, "enroll")
    uuid = group.create("active", nodes=[*bad, *good])
    group.run(uuid)
    outcomes = {row["node_uuid"]: (row["outcome"], row["error"]) for row in group.nodes(uuid)}
    assert outcomes[good[0]] == ("done", None)
    assert outcomes[bad[0]][0] == "failed"
    assert "enroll" in str(outcomes[bad[0]][1])


def test_a_node_that_somebody_else_has_is_waited_for_and_holds_no_place(group: Group) -> None:
    held, free = group.add_nodes(2)
    lease = group.stage.leases.take(held, "test", 300, holder="power-1", request_id="r")
    uuid = group.create("power on", nodes=[held, free], parallelism=1)
    group.run(uuid, until=lambda shown: shown["counts"]["done"] == 1)
    [waiting] = group.nodes(uuid, "pending")
    assert waiting["node_uuid"] == held
    assert "locked" in waiting["error"]

    group.stage.leases.release(held, lease["fence"], {})
    group.run(uuid)
    assert group.counts(uuid) == {"done": 2}


def test_a_node_that_stays_locked_fails_after_a_while(group: Group) -> None:
    [held] = group.add_nodes(1)
    group.stage.lifecycle.set_power(held, "power off", None, Caller())  # nobody answers, nobody looks
    group.provider.receive()
    uuid = group.create("power on", nodes=[held])
    group.run(uuid, looks=400)
    assert group.counts(uuid) == {"failed": 1}
    assert "locked" in group.nodes(uuid)[0]["error"]


def test_a_node_that_is_deleted_meanwhile_is_told_so(group: Group) -> None:
    gone, stays = group.add_nodes(2)
    uuid = group.create("power on", nodes=[gone, stays])
    with group.stage.database.begin() as transaction:
        transaction.connection.exec_driver_sql("DELETE FROM nodes WHERE uuid = %s", (gone,))
    group.run(uuid)
    assert group.counts(uuid) == {"done": 1, "failed": 1}
    assert group.nodes(uuid, "failed")[0]["error"] == "The node is not there any more."


def test_an_abort_skips_what_has_not_begun_and_lets_finish_what_runs(group: Group) -> None:
    group.add_nodes(5)
    uuid = group.create("active", selector={}, parallelism=2)
    group.runner.look()
    assert group.counts(uuid) == {"running": 2, "pending": 3}
    group.operations.abort(uuid, API, stops_running=False)
    assert group.show(uuid)["status"] == "aborting"
    group.run(uuid)
    assert (group.show(uuid)["status"], group.counts(uuid)) == ("aborted", {"done": 2, "skipped": 3})
    with pytest.raises(Conflict):
        group.operations.abort(uuid, API, stops_running=False)
    with pytest.raises(Conflict, match="nothing to retry"):
        group.operations.retry(uuid, API)


def test_an_abort_may_also_stop_what_runs(group: Group) -> None:
    [node] = group.add_nodes(1)
    uuid = group.create("active", selector={})
    group.runner.look()
    group.operations.abort(uuid, API, stops_running=True)
    asked = group.stage.rows("SELECT abort_asked_at FROM workflows WHERE node_uuid = :node", node=node)
    assert asked[0]["abort_asked_at"] is not None


def test_a_project_reaches_its_own_nodes_only_also_when_one_goes_to_another_later(group: Group) -> None:
    mine = group.add_nodes(2, owner="p1")
    group.add_nodes(1, owner="p2")
    api = Api(minor=115, base_url="http://api.example", sight=Sight(visible="p1", project="p1"))
    caller = Caller(cause={}, request_id="r", project="p1")
    with pytest.raises(InvalidRequest, match="could not be found"):
        group.create("power on", nodes=[str(uuid4())], api=api, caller=caller)
    uuid = group.create("power on", selector={}, api=api, caller=caller)
    assert {row["node_uuid"] for row in group.nodes(uuid)} == set(mine)

    with group.stage.database.begin() as transaction:
        transaction.connection.exec_driver_sql("UPDATE nodes SET owner = 'p2' WHERE uuid = %s", (mine[0],))
    group.run(uuid)
    assert group.counts(uuid) == {"done": 1, "failed": 1}
    assert [each["uuid"] for each in orjson.loads(group.operations.list_all(
        {"status": None, "verb": None, "marker": None, "limit": 10}, api))["operations"]] == [uuid]  # fmt: skip
    other = Api(minor=115, base_url="http://api.example", sight=Sight(visible="p2", project="p2"))
    asked = {"status": None, "verb": None, "marker": None, "limit": 10}
    assert orjson.loads(group.operations.list_all(asked, other))["operations"] == []


def test_a_selector_is_resolved_once_and_names_may_be_given(group: Group) -> None:
    group.stage.add_fake("available", name="n1")
    uuid = group.create("power on", nodes=["n1", "n1"])
    group.add_nodes(1)
    assert group.show(uuid)["total"] == 1
    with pytest.raises(InvalidRequest, match="nothing to do"):
        group.create("power on", selector={"provision_state": "rescue"})
    with pytest.raises(InvalidRequest):
        group.create("fly", nodes=["n1"])
    with pytest.raises(NotFound):
        group.show(str(uuid4()))


def test_a_verb_without_work_of_its_own_is_done_when_it_is_taken(group: Group) -> None:
    group.provider.behaviour["deploy.deploy"] = [Done()]
    [node] = group.add_nodes(1)
    uuid = group.create(
        "active", nodes=[node], parameters={"deploy_steps": [
            {"interface": "deploy", "step": "hold", "args": {}, "priority": 150}]},
    )  # fmt: skip
    group.run(uuid, until=lambda _: group.stage.node(node)["provision_state"] == "deploy hold")
    unhold = group.create("unhold", nodes=[node])
    group.run(unhold)
    assert group.counts(unhold) == {"done": 1}
    for _ in range(3):
        group.stage.tick(1.1)
        group.work()
    group.run(uuid)
    assert group.counts(uuid) == {"done": 1}


def test_pages_of_nodes_go_in_their_order(group: Group) -> None:
    nodes = group.add_nodes(5)
    uuid = group.create("power on", nodes=nodes)
    seen: list[str] = []
    marker = None
    while page := orjson.loads(group.operations.nodes(uuid, None, marker, 2, API))["nodes"]:
        seen += [row["node_uuid"] for row in page]
        marker = seen[-1]
    assert seen == nodes


def test_what_ended_long_ago_is_forgotten(group: Group) -> None:
    [node] = group.add_nodes(1)
    uuid = group.create("power on", nodes=[node])
    group.run(uuid)
    group.stage.clock.advance(91 * 86_400)
    group.another_runner().tick()
    with pytest.raises(NotFound):
        group.show(uuid)
    assert group.stage.rows("SELECT 1 FROM operation_nodes") == []
