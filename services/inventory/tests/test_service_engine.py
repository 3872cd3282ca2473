"""The engine on a real database: every step twice, failing everywhere, lost, late, doubled, poisoned, aborted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
import sqlalchemy as sa
from steelyard_common.bus import Message
from steelyard_common.contracts import subjects
from steelyard_common.contracts.steps import Again, Done, Failed, StepMessage, Wait
from steelyard_common.errors import DeviceRefused, DeviceUnreachable, Unavailable
from steelyard_inventory.service.lifecycle import Caller

if TYPE_CHECKING:
    from .conftest import Stage

ANYONE = Caller()
ON = Done(facts={"power_state": "power on"})
AWAY = Failed(error=DeviceUnreachable("no answer"))
REFUSED = Failed(error=DeviceRefused("bad password"))


def verifying(stage: Stage) -> tuple[str, StepMessage]:
    node = stage.add_node(provision_state="enroll", power_state=None)
    stage.lifecycle.set_provision(node, "manage", ANYONE)
    return node, stage.sent(node)[-1]


def switching(stage: Stage, **columns: Any) -> tuple[str, StepMessage]:
    node = stage.add_node(**columns)
    stage.lifecycle.set_power(node, "power on", None, ANYONE)
    return node, stage.sent(node)[-1]


def workflow(stage: Stage, node: str) -> dict[str, Any]:
    return stage.rows("SELECT * FROM workflows WHERE node_uuid = :node ORDER BY created_at DESC", node=node)[0]


def is_free(stage: Stage, node: str) -> bool:
    held = stage.rows("SELECT * FROM locks WHERE node_uuid = :node", node=node)
    return not held and stage.node(node)["reservation"] is None


def test_consecutive_steps_of_one_service_travel_together(stage: Stage) -> None:
    _, message = verifying(stage)

    assert [(step.index, step.interface, step.name) for step in message.steps] == [
        (0, "power", "verify"), (1, "management", "observe"),
    ]  # fmt: skip


def test_steps_of_several_services_travel_one_after_the_other(stage: Stage) -> None:
    stage.services.replace({"power": "power", "management": "somebody else"})
    node, first = verifying(stage)

    stage.answer(first, ON)

    second = stage.sent(node)[1]
    assert ([step.name for step in first.steps], [step.name for step in second.steps]) == (["verify"], ["observe"])
    assert second.node["power_state"] == "power on"
    stage.answer(second, Done())
    assert stage.node(node)["provision_state"] == "manageable"


def test_the_engine_learns_from_the_workers_which_service_serves_an_interface(stage: Stage) -> None:
    with stage.database.begin() as transaction:
        transaction.connection.execute(
            sa.text(
                "INSERT INTO workers (instance, service, provides, seen_at) "
                "VALUES ('p1', 'power', '{\"power\": [], \"raid\": []}', now())"
            )
        )

    stage.tick()

    assert stage.services("raid") == stage.services("power") == "power"
    assert stage.services("management") != "power"


def test_every_answer_may_come_twice(stage: Stage) -> None:
    stage.services.replace({})
    node, first = verifying(stage)
    stage.answer(first, ON, times=2)
    second = stage.sent(node)[1]

    stage.answer(second, Done(facts={"vendor": "Contoso"}), times=2)
    stage.answer(first, ON)

    assert len(stage.sent(node)) == 2
    assert stage.facts(node).count("workflow-finished") == 1
    assert stage.node(node)["provision_state"] == "manageable"


@pytest.mark.parametrize("failing", [0, 1])
def test_failing_at_any_step_ends_the_workflow_and_frees_the_node(stage: Stage, failing: int) -> None:
    node, message = verifying(stage)

    stage.answer(message, *[ON] * failing, REFUSED)

    assert workflow(stage, node)["status"] == "failed"
    assert stage.node(node)["last_error"] == "Verifying the node failed: bad password"
    assert is_free(stage, node)
    states = stage.rows("SELECT status FROM steps ORDER BY index")
    assert [row["status"] for row in states] == (["failed", "aborted"], ["done", "failed"])[failing]


def test_a_sleeping_step_is_dispatched_again_with_its_memo(stage: Stage) -> None:
    node, message = switching(stage)
    stage.answer(message, Again(after_s=5, memo={"phase": "off"}, progress="waiting for power off"))
    assert 0 < stage.tick(after_s=4) <= 1
    assert len(stage.sent(node)) == 1

    stage.tick(after_s=1)

    second = stage.sent(node)[1].steps[0]
    assert (second.attempt, second.memo, second.deadline_at) == (2, {"phase": "off"}, message.steps[0].deadline_at)


def test_an_answer_to_an_earlier_dispatch_is_dropped(stage: Stage) -> None:
    node, first = switching(stage)
    stage.answer(first, Again(after_s=1, memo={"slice": 1}))
    stage.tick(after_s=1)

    stage.answer(first, ON)
    assert workflow(stage, node)["status"] == "running"

    stage.answer(stage.sent(node)[1], ON)
    assert workflow(stage, node)["status"] == "done"


def test_an_answer_with_another_fence_is_dropped(stage: Stage) -> None:
    node, message = switching(stage)

    stage.answer(message, ON, fence=message.fence - 1)

    assert workflow(stage, node)["status"] == "running"


def test_a_step_lost_with_its_provider_is_dispatched_again_and_the_slow_first_one_is_late(stage: Stage) -> None:
    node, lost = switching(stage)
    stage.tick(after_s=60)
    again = stage.sent(node)[1]

    stage.answer(lost, ON)
    assert workflow(stage, node)["status"] == "running"
    stage.answer(again, ON)

    assert (again.steps[0].attempt, again.fence) == (2, lost.fence)
    assert workflow(stage, node)["status"] == "done"


def test_a_silent_provider_is_asked_less_and_less_often_until_the_deadline(stage: Stage) -> None:
    node, message = switching(stage)
    at: list[float] = []
    began = stage.clock.now
    while workflow(stage, node)["status"] == "running":
        stage.tick(after_s=10)
        if len(stage.sent(node)) > len(at) + 1:
            at.append((stage.clock.now - began).total_seconds())

    assert at == [60, 180]
    assert (stage.clock.now - began).total_seconds() == 420  # 60 to act, 60 for the BMC, 300 for the queue
    assert stage.node(node)["last_error"].startswith("Changing power to power on failed: Step power.set_power gave no")
    assert is_free(stage, node)
    stage.answer(message, ON)
    assert stage.node(node)["power_state"] == "power off"


def test_a_retryable_failure_is_forgiven_after_a_pause_but_not_for_ever(stage: Stage) -> None:
    node, _ = verifying(stage)
    for pause in (2, 4):
        stage.answer(stage.sent(node)[-1], AWAY)
        stage.tick(after_s=pause - 1)
        before = len(stage.sent(node))
        stage.tick(after_s=1)
        assert len(stage.sent(node)) == before + 1

    stage.answer(stage.sent(node)[-1], AWAY)

    assert workflow(stage, node)["status"] == "failed"
    assert stage.node(node)["provision_state"] == "enroll"


def test_steps_that_a_message_did_not_reach_are_dispatched_anew(stage: Stage) -> None:
    node, message = verifying(stage)
    stage.clock.advance(7)

    stage.answer(message, ON)

    rest = stage.sent(node)[1].steps
    assert [(step.name, step.attempt) for step in rest] == [("observe", 2)]
    assert rest[0].deadline_at > message.steps[1].deadline_at - 120


def test_a_waiting_step_goes_on_at_its_signal_only(stage: Stage) -> None:
    node, message = switching(stage)
    stage.answer(message, Wait(signal="heartbeat", memo={"command": "c1"}))
    stage.tick(after_s=30)

    assert not stage.lifecycle.send_signal(node, "unhold")
    assert len(stage.sent(node)) == 1
    assert stage.lifecycle.send_signal(node, "heartbeat")
    stage.tick()

    assert stage.sent(node)[1].steps[0].memo == {"command": "c1"}


def test_a_wait_ends_at_the_deadline(stage: Stage) -> None:
    node, message = switching(stage)
    stage.answer(message, Wait(signal="heartbeat"))

    stage.tick(after_s=421)

    assert "heartbeat" in stage.node(node)["last_error"]
    assert is_free(stage, node)


@pytest.mark.parametrize("rest", [Again(after_s=100), Wait(signal="heartbeat"), AWAY])
def test_abort_ends_a_workflow_that_rests_at_once(stage: Stage, rest: Any) -> None:
    node, message = switching(stage)
    stage.answer(message, rest)

    assert stage.lifecycle.abort_workflow(node)
    stage.tick()

    assert workflow(stage, node)["status"] == "aborted"
    assert stage.node(node)["last_error"].endswith("power was aborted at step power.set_power.")
    assert is_free(stage, node)


def test_abort_waits_for_a_step_that_is_out(stage: Stage) -> None:
    node, message = verifying(stage)

    assert stage.lifecycle.abort_workflow(node)
    assert not stage.lifecycle.abort_workflow(node)
    stage.tick(after_s=100)
    assert not is_free(stage, node)
    stage.answer(message, ON)

    assert workflow(stage, node)["status"] == "aborted"
    assert stage.node(node)["provision_state"] == "enroll"
    assert len(stage.sent(node)) == 1


def test_abort_after_the_last_step_finds_it_done(stage: Stage) -> None:
    node, message = switching(stage)
    stage.lifecycle.abort_workflow(node)

    stage.answer(message, ON)

    assert workflow(stage, node)["status"] == "done"


def test_abort_of_a_step_that_never_answers_takes_effect_at_its_deadline(stage: Stage) -> None:
    node, _ = switching(stage)
    stage.lifecycle.abort_workflow(node)

    stage.tick(after_s=60)
    assert not is_free(stage, node)
    stage.tick(after_s=360)

    assert workflow(stage, node)["status"] == "failed"
    assert is_free(stage, node)


def test_a_poisoned_answer_fails_alone(stage: Stage) -> None:
    good, message = switching(stage)
    bad, poisoned = switching(stage)
    for each, result in ((poisoned, Again(after_s=0, progress="\0")), (message, ON)):
        outcome = {"index": 0, "attempt": 1} | _encoded(result)
        _publish(stage, each, {"outcomes": [outcome]})

    stage.bus.deliver()

    assert workflow(stage, good)["status"] == "done"
    assert workflow(stage, bad)["status"] == "running"
    stage.tick(after_s=60)
    stage.answer(stage.sent(bad)[1], ON)
    assert workflow(stage, bad)["status"] == "done"


@pytest.mark.parametrize(
    "change",
    [
        {"outcomes": [{"index": 0, "attempt": 1, "outcome": "maybe"}]},
        {"outcomes": [{"index": 0, "attempt": 1, "outcome": "again", "after_s": -1}]},
        {"outcomes": [{"index": 0, "attempt": 1, "outcome": "wait"}]},
        {"fence": "first"},
        {"workflow": "none"},
    ],
)
def test_a_malformed_answer_is_dropped_and_the_step_keeps_its_deadline(stage: Stage, change: dict[str, Any]) -> None:
    node, message = switching(stage)

    _publish(stage, message, change)
    stage.bus.deliver()

    assert stage.bus.failures == []
    assert workflow(stage, node)["status"] == "running"


def test_facts_that_make_no_sense_are_ignored(stage: Stage) -> None:
    node, message = switching(stage)

    stage.answer(message, Done(facts={"power_state": "warm", "boot_mode": 7, "owner": "mallory", "health": "OK"}))

    shown = stage.node(node)
    assert (shown["power_state"], shown["boot_mode"], shown["owner"]) == ("power off", None, None)
    assert shown["health"] == "OK"


def test_a_workflow_that_cannot_be_looked_at_is_put_off_and_the_others_go_on(stage: Stage) -> None:
    bad, _ = switching(stage)
    good, _ = switching(stage)
    with stage.database.begin() as transaction:
        transaction.connection.execute(
            sa.text("UPDATE workflows SET current_step = 7 WHERE node_uuid = :node"), {"node": bad}
        )

    stage.tick(after_s=60)

    assert len(stage.sent(good)) == 2
    assert workflow(stage, bad)["due_at"] > stage.clock.now


def test_a_kind_of_a_newer_release_is_left_to_a_newer_replica(stage: Stage) -> None:
    node, _ = switching(stage)
    with stage.database.begin() as transaction:
        transaction.connection.execute(sa.text("UPDATE workflows SET kind = 'terraform'"))

    assert stage.tick(after_s=60) == 1.0
    assert len(stage.sent(node)) == 1


def test_a_node_in_use_is_passed_over_by_the_loop(stage: Stage) -> None:
    node, _ = switching(stage)
    stage.clock.advance(60)
    with stage.database.begin() as transaction:
        transaction.connection.execute(sa.text("SELECT 1 FROM nodes FOR UPDATE"))

        stage.tick()

        assert len(stage.sent(node)) == 1
    stage.tick()
    assert len(stage.sent(node)) == 2


def test_the_loop_sleeps_until_something_is_due_and_never_longer_than_a_second(stage: Stage) -> None:
    assert stage.tick() == 1.0
    _, message = switching(stage)
    stage.answer(message, Again(after_s=0.25))

    assert stage.tick() == pytest.approx(0.25)


def test_an_outage_of_the_database_is_for_the_caller_to_repeat(stage: Stage) -> None:
    _, message = switching(stage)
    stage.database.close()
    stage.database.engine = sa.create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")

    with pytest.raises(Unavailable):
        stage.engine.tick()
    stage.answer(message, ON)
    assert isinstance(stage.bus.failures[0], Unavailable)


def _encoded(result: Again | Done) -> dict[str, Any]:
    if isinstance(result, Done):
        return {"outcome": "done", "facts": result.facts}
    return {"outcome": "again", "after_s": result.after_s, "memo": {}, "progress": result.progress}


def _publish(stage: Stage, message: StepMessage, change: dict[str, Any]) -> None:
    """An answer as a stranger might write it."""
    body = {
        "workflow": message.workflow, "node": message.node["uuid"], "fence": message.fence, "provider": "p",
        "outcomes": [{"index": 0, "attempt": 1, "outcome": "done", "facts": {}}],
    } | change  # fmt: skip
    subject = subjects.result("here", message.workflow)
    stage.bus.publish([Message(subject=subject, body=orjson.dumps(body), msg_id=str(len(stage.bus.published)))])
