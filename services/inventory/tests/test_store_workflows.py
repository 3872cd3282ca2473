"""Two replicas on one database: verbs race, loops share, and a node has one workflow at most."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from steelyard_common.contracts.steps import Done
from steelyard_common.db import Database
from steelyard_common.errors import Busy
from steelyard_inventory.service.engine import Engine
from steelyard_inventory.service.lifecycle import Caller, Lifecycle
from steelyard_inventory.store import workflows as store

if TYPE_CHECKING:
    from .conftest import Stage


@pytest.fixture
def second(database_url: str, stage: Stage) -> Iterator[Database]:
    """Another replica's way to the same database; what it tells goes to the same bus."""
    database = Database(database_url, "inventory", pool_size=4)
    database.hand_over = stage.database.hand_over
    yield database
    database.close()


def test_of_many_calls_for_one_node_one_starts_and_the_others_are_busy(stage: Stage, second: Database) -> None:
    node = stage.add_node()
    replicas = [stage.lifecycle, Lifecycle(second, stage.starter, stage.clock, stage.engine.wake)]

    with ThreadPoolExecutor(12) as pool:
        calls = [pool.submit(replicas[n % 2].set_power, node, "power on", None, Caller()) for n in range(12)]
        errors = [call.exception(120) for call in calls]

    assert sorted(type(error).__name__ for error in errors) == ["Busy"] * 11 + ["NoneType"]
    assert all(error is None or isinstance(error, Busy) for error in errors)
    assert len(stage.rows("SELECT 1 FROM workflows")) == 1


def test_a_call_that_is_repeated_at_another_replica_is_accepted_there_too(stage: Stage, second: Database) -> None:
    node = stage.add_node()
    replicas = [stage.lifecycle, Lifecycle(second, stage.starter, stage.clock, stage.engine.wake)]

    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(each.set_power, node, "power on", None, Caller(request_id="r")) for each in replicas]

    assert [call.exception(120) for call in calls] == [None, None]
    assert len(stage.sent(node)) == 1


def test_two_loops_share_what_is_due_and_dispatch_nothing_twice(stage: Stage, second: Database) -> None:
    for _ in range(40):
        stage.lifecycle.set_power(stage.add_node(), "power on", None, Caller())
    stage.clock.advance(60)
    engines = [stage.engine, Engine(second, stage.starter, stage.clock)]

    with ThreadPoolExecutor(2) as pool:
        for call in [pool.submit(engine.tick) for engine in engines]:
            call.result(120)
    stage.tick()

    attempts = [message.steps[0].attempt for message in stage.sent()]
    assert sorted(attempts) == [1] * 40 + [2] * 40


def test_results_and_verbs_of_many_nodes_do_not_lock_each_other_out(stage: Stage) -> None:
    nodes = [stage.add_node() for _ in range(30)]
    for node in nodes:
        stage.lifecycle.set_power(node, "power on", None, Caller())

    def ask_all(order: list[str]) -> None:
        for node in order:
            with pytest.raises(Busy):
                stage.lifecycle.set_power(node, "power off", None, Caller())

    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(ask_all, order) for order in (nodes, nodes[::-1])]
        for call in asked:
            call.result(120)
        for message in stage.sent():
            stage.answer(message, Done(facts={"power_state": "power on"}))

    assert stage.rows("SELECT DISTINCT status FROM workflows") == [{"status": "done"}]


def test_the_database_itself_refuses_a_second_unfinished_workflow(stage: Stage) -> None:
    node = stage.add_node()
    stage.lifecycle.set_power(node, "power on", None, Caller())

    def copy(transaction: Any) -> None:
        transaction.connection.execute(
            sa.text(
                "INSERT INTO workflows (uuid, node_uuid, kind, status, fence, created_at) "
                "SELECT gen_random_uuid(), node_uuid, kind, status, fence, created_at FROM workflows"
            )
        )

    with pytest.raises(IntegrityError, match="workflows_active"), stage.database.begin() as transaction:
        copy(transaction)


def test_a_workflow_goes_with_its_node(stage: Stage) -> None:
    node = stage.add_node()
    stage.lifecycle.set_power(node, "power on", None, Caller())
    message = stage.sent(node)[0]

    with stage.database.begin() as transaction:
        transaction.connection.execute(sa.text("DELETE FROM nodes"))
    stage.answer(message, Done(facts={"power_state": "power on"}))

    assert stage.bus.failures == []
    assert stage.tick(after_s=60) == 1.0
    with stage.database.begin() as transaction:
        assert store.load(transaction.connection, [message.workflow]) == []
