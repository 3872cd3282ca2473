"""The lifecycle's entrances: bodies, headers, errors; and once the whole road over a real NATS."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import sqlalchemy as sa
from steelyard_common.bus import CALLER, Delivery, Message, NatsBus
from steelyard_common.contracts import subjects
from steelyard_common.contracts.steps import Again, Done, Outcome, ResultMessage, StepMessage, StepResult, Wait
from steelyard_common.db import Database, Relay
from steelyard_common.errors import Busy, InvalidRequest, NotFound
from steelyard_common.testing import eventually
from steelyard_inventory.handlers import lifecycle as handlers
from steelyard_inventory.service.catalogue import Catalogue
from steelyard_inventory.service.engine import Engine
from steelyard_inventory.service.leases import Leases
from steelyard_inventory.service.lifecycle import Lifecycle
from steelyard_inventory.service.observations import Observations
from steelyard_inventory.service.starting import Rules, ServiceMap, Starter
from steelyard_inventory.service.workers import Workers
from steelyard_inventory.store.tables import nodes

if TYPE_CHECKING:
    from .conftest import Stage

WHO = {CALLER: orjson.dumps({"user": "ada", "roles": ["admin"], "request_id": "req-7"}).decode()}


def ask(stage: Stage, verb: str, headers: dict[str, str] | None = None, **body: Any) -> Any:
    subject = subjects.command("here", "inventory", verb)
    return orjson.loads(stage.bus.request(subject, body, timeout_s=5, headers=headers or {}) or b"null")


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("set-power", {"target": "power on"}), ("set-power", {"target": "power off", "timeout_s": 9}),
        ("set-provision", {"target": "manage"}), ("set-boot-mode", {"target": "uefi"}),
        ("set-secure-boot", {"target": True}),
    ],
)  # fmt: skip
def test_a_verb_is_accepted_with_nothing_to_say(stage: Stage, verb: str, body: dict[str, Any]) -> None:
    stage.add_node(name="n1", provision_state="available")

    assert ask(stage, verb, ident="n1", api={"minor": 115, "base_url": "http://api"}, **body) is None


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("set-power", {}), ("set-power", {"target": 1}), ("set-power", {"target": "power on", "timeout_s": "long"}),
        ("set-provision", {}), ("set-secure-boot", {"target": "perhaps"}), ("take-lease", {"purpose": "p"}),
        ("take-lease", {"purpose": "", "ttl_s": 3}), ("release-lease", {"node": "n1", "fence": 1}),
    ],
)  # fmt: skip
def test_a_body_that_does_not_fit_is_refused(stage: Stage, verb: str, body: dict[str, Any]) -> None:
    stage.add_node(name="n1")

    with pytest.raises(InvalidRequest):
        ask(stage, verb, **({"ident": "n1"} | body))


def test_who_asked_stands_in_the_cause_and_the_same_request_is_answered_once(stage: Stage) -> None:
    node = stage.add_node()

    for _ in range(2):
        ask(stage, "set-power", WHO | {"traceparent": "00-1-2-01"}, ident=node, target="power on")
    with pytest.raises(Busy):
        ask(stage, "set-power", {**WHO, handlers.IDEMPOTENCY: "another"}, ident=node, target="power on")

    [message] = stage.sent(node)
    assert message.cause == {"origin": "api", "user": "ada", "request_id": "req-7", "traceparent": "00-1-2-01"}
    published = next(each for each in stage.bus.published if ".step." in each.subject)
    assert published.headers["traceparent"] == "00-1-2-01"


def test_a_lease_is_taken_and_released_over_the_bus(stage: Stage) -> None:
    node = stage.add_node()

    lease = ask(stage, "take-lease", ident=node, purpose="inject NMI", ttl_s=30, holder="power-1.here")
    assert stage.node(node)["reservation"] == "power-1.here"
    ask(stage, "release-lease", node=node, fence=lease["fence"])

    assert stage.node(node)["reservation"] is None


def test_the_parameters_of_a_verb_arrive_and_a_signal_wakes_what_waits(stage: Stage) -> None:
    provider = stage.announce_all()
    provider.behaviour = {"bios.factory_reset": [Wait(signal="heartbeat"), Done()]}
    node = stage.add_fake("manageable")
    steps = [{"interface": "bios", "step": "factory_reset"}]

    ask(stage, "set-provision", ident=node, target="clean", clean_steps=steps, disable_ramdisk=True, runbook=None)
    provider.run()
    assert stage.node(node)["provision_state"] == "clean wait"
    assert ask(stage, "signal", ident=node, signal="unhold") == {"woken": False}
    assert ask(stage, "signal", ident=node, signal="heartbeat", data={"agent": "a"}) == {"woken": True}
    stage.tick()
    assert ask(stage, "abort-workflow", ident=node) == {"asked": True}
    provider.run()

    assert stage.node(node)["provision_state"] == "manageable"  # its last step was out already


def test_a_provider_may_look_at_a_node(stage: Stage) -> None:
    node = stage.add_node(name="n1")
    subject = subjects.query("here", "inventory", "node-for-provider")

    reply = orjson.loads(stage.bus.request(subject, {"ident": "n1"}, timeout_s=5))

    assert reply["node"]["uuid"] == node
    with pytest.raises(NotFound):
        stage.bus.request(subject, {"ident": "n2"}, timeout_s=5)


def test_a_provider_may_ask_whether_a_step_that_came_again_is_waited_for_still(stage: Stage) -> None:
    node = stage.add_node()
    ask(stage, "set-power", ident=node, target="power on")
    [message] = stage.sent(node)
    [step] = message.steps

    def is_out(workflow: str = message.workflow, index: int = step.index, attempt: int = step.attempt) -> bool:
        subject = subjects.query("here", "inventory", subjects.STEP_IS_OUT)
        asked = {"workflow": workflow, "index": index, "attempt": attempt}
        return bool(orjson.loads(stage.bus.request(subject, asked, timeout_s=5))["out"])

    assert is_out()
    assert not is_out(attempt=step.attempt + 1)
    assert not is_out(index=step.index + 1)
    assert not is_out(workflow=node)

    stage.answer(message, Again(after_s=0))
    assert not is_out(), "it rests"
    stage.tick()
    assert not is_out()
    assert is_out(attempt=step.attempt + 1)
    stage.answer(stage.sent(node)[-1], Done())
    assert not is_out(attempt=step.attempt + 1), "its workflow is over"


def test_a_power_change_goes_the_whole_road_over_a_real_bus(database: Database, nats_bus: NatsBus, site: str) -> None:
    """Request, step, two slices, results, events; the engine's own thread wakes for the second slice."""
    node = "11111111-2222-3333-4444-555555555555"
    with database.begin() as transaction:
        values = {"uuid": node, "driver": "fake-hardware", "provision_state": "available", "power_interface": "fake"}
        transaction.connection.execute(nodes.insert().values(values))
    relay = Relay(database, nats_bus).start()
    engine = _serve(database, nats_bus, site)
    facts: list[str] = []
    nats_bus.consume("STEPS", "step-power", [subjects.step(site, "power", "*")], _provider(nats_bus, site), workers=1)
    nats_bus.consume(
        "EVENTS", "test", [subjects.event(site, "inventory", "*", node)],
        lambda event: facts.append(event.subject.split(".")[3]), workers=1,
    )  # fmt: skip
    try:
        nats_bus.request(
            subjects.command(site, "inventory", "set-power"), {"ident": node, "target": "power on"}, timeout_s=30
        )

        eventually(lambda: "workflow-finished" in facts and "power-state-changed" in facts)
        with database.read() as connection:
            row = connection.execute(sa.text("SELECT power_state, reservation FROM nodes")).one()
        assert tuple(row) == ("power on", None)
    finally:
        engine.stop()
        relay.stop()


def _serve(database: Database, bus: NatsBus, site: str) -> Engine:
    def now() -> datetime:
        return datetime.now(UTC)

    catalogue = Catalogue(Workers(database, now))
    starter = Starter(site=site, holder="inventory-1", rules=Rules(), services=ServiceMap(), catalogue=catalogue)
    engine = Engine(database, starter, now).start()
    lifecycle = Lifecycle(database, starter, now, engine.wake)
    bus.serve("inventory", handlers.endpoints(site, lifecycle, Leases(database, "inventory-1", now, site=site)))
    handlers.consume(bus, site, engine, Observations(database, starter, now, engine.wake))
    return engine


def _provider(bus: NatsBus, site: str) -> Any:
    """Asks for a second slice, then is done."""

    def run(delivery: Delivery) -> None:
        message = StepMessage.from_dict(delivery.body)
        step = message.steps[0]
        result: StepResult = (
            Done(facts={"power_state": "power on"}) if step.memo else Again(after_s=0.05, memo={"n": 1})
        )
        answer = ResultMessage(
            workflow=message.workflow, node=message.node["uuid"], fence=message.fence, provider="p",
            outcomes=[Outcome(index=step.index, attempt=step.attempt, result=result)],
        )  # fmt: skip
        body = orjson.dumps(answer.to_dict())
        bus.publish(
            [
                Message(
                    subject=subjects.result(site, message.workflow),
                    body=body,
                    msg_id=delivery.headers["Nats-Msg-Id"] + "r",
                )
            ]
        )

    return run
