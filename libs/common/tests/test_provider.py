"""The kit for step providers: one message → one answer, the switches of fakes, announcements."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
import pytest
from steelyard_common.bus import Delivery, Endpoint, MemoryBus, Message, Request
from steelyard_common.contracts import subjects
from steelyard_common.contracts.catalogue import Offer, StepSpec
from steelyard_common.contracts.steps import Again, Done, Failed, Step, StepMessage, Wait
from steelyard_common.errors import CommitUnknown, DeviceRefused, InvalidRequest, Unavailable, Unsupported
from steelyard_common.provider import Announcer, Slice, StepProvider, consume
from steelyard_common.provider.fakes import only_fakes_switched, switched
from steelyard_common.provider.slices import by_implementation, nothing_to_do, refusing
from steelyard_common.provider.stepping import BUG_TRIES
from steelyard_common.provider.testing import StepEngine, node
from steelyard_common.testing import SetClock, eventually

OFFER = Offer(
    service="boot",
    provides={"deploy": ("fake",)},
    steps=(StepSpec(interface="deploy", name="deploy", description="Deploy.", implementations=("fake",)),),
)


def _raises(error: Exception) -> Any:
    def run(_piece: Slice) -> Any:
        raise error

    return run


@pytest.fixture
def functions(clock: SetClock) -> dict[tuple[str, str], Any]:
    return {
        ("deploy", "deploy"): by_implementation({"fake": switched(clock), "noop": nothing_to_do}),
        ("deploy", "prepare"): switched(clock, lambda piece: Done(facts={"memo": piece.step.memo})),
        ("deploy", "away"): _raises(Unavailable("the database is away")),
        ("deploy", "unsaved"): _raises(CommitUnknown("perhaps it was saved")),
        ("deploy", "wrong"): _raises(InvalidRequest("no kernel")),
        ("deploy", "bug"): _raises(KeyError("secret-word")),
        ("deploy", "agent"): refusing("'{name}' needs an agent; use another"),
    }


@pytest.fixture
def engine(memory_bus: MemoryBus, clock: SetClock, functions: dict[tuple[str, str], Any]) -> StepEngine:
    provider = StepProvider(memory_bus, functions, site="local", service="boot", instance="boot-1.test")
    return StepEngine(provider=provider, bus=memory_bus, clock=clock)


def _node(**driver_info: Any) -> dict[str, Any]:
    return node(interfaces={"deploy": "fake"}, driver_info=driver_info)


# --- messages and answers --------------------------------------------------------------------------------------------


def test_steps_of_a_message_run_in_order_until_one_is_not_done(engine: StepEngine) -> None:
    steps = [Step(index=n, interface="deploy", name=name) for n, name in enumerate(["prepare", "wrong", "deploy"])]

    engine.deliver(StepMessage(workflow="w", fence=7, node=_node(), steps=steps))

    assert [type(outcome.result) for outcome in engine.answers()] == [Done, Failed]
    answer = orjson.loads(engine.bus.published[-1].body)
    assert (answer["workflow"], answer["fence"], answer["provider"]) == ("w", 7, "boot-1.test")
    assert engine.bus.published[-1].subject == subjects.result("local", "w")


def test_a_message_that_comes_twice_is_answered_once(engine: StepEngine) -> None:
    message = engine.dispatch(_node(), "deploy", "deploy")

    first, second = engine.deliver(message), engine.deliver(message, times=2)

    assert (first, second, len(engine.bus.published)) == (Done(), Done(), 1)


def test_a_step_that_nobody_wrote_fails_for_good(engine: StepEngine) -> None:
    result = engine.run(_node(), "deploy", "dance")

    assert isinstance(result, Failed)
    assert (type(result.error), result.error.message) == (Unsupported, "the boot service has no step deploy.dance")


def test_an_implementation_without_the_step_is_named(engine: StepEngine) -> None:
    result = engine.run(node(interfaces={"deploy": "direct"}), "deploy", "deploy")
    refused = engine.run(node(interfaces={"deploy": "direct"}), "deploy", "agent")

    assert isinstance(result, Failed)
    assert result.error.message == "the deploy interface 'direct' has no step 'deploy'"
    assert isinstance(refused, Failed)
    assert refused.error.message == "'direct' needs an agent; use another"


def test_what_a_step_raises_is_its_failure_but_an_outage_gives_the_message_back(engine: StepEngine) -> None:
    result = engine.run(_node(), "deploy", "wrong")

    assert isinstance(result, Failed)
    assert isinstance(result.error, InvalidRequest)
    for outage in ("away", "unsaved"):
        with pytest.raises(Unavailable):
            engine.run(_node(), "deploy", outage)


def test_a_bug_gives_the_message_back_a_few_times_and_then_ends_the_step_with_words(engine: StepEngine) -> None:
    message = engine.dispatch(_node(), "deploy", "bug")
    for times in range(1, BUG_TRIES):
        with pytest.raises(KeyError):
            engine.deliver(message, times)

    result = engine.deliver(message, BUG_TRIES)

    assert isinstance(result, Failed)
    assert result.error.code == "internal"
    assert "the boot service met a fault of its own in deploy.bug" in result.error.message
    assert b"secret-word" not in engine.bus.published[-1].body
    with pytest.raises(Unavailable):
        engine.deliver(engine.dispatch(_node(), "deploy", "away"), BUG_TRIES + 1)


def test_each_interface_is_consumed_by_a_durable_of_its_own(engine: StepEngine) -> None:
    consume(engine.bus, engine.provider, site="local", interfaces=("deploy", "rescue"), workers=1)
    message = engine.dispatch(_node(), "deploy", "deploy")
    body = orjson.dumps(message.to_dict())

    engine.bus.publish([Message(subject=subjects.step("local", "deploy", "n1"), body=body, msg_id="1")])

    assert engine.bus.deliver() == 1
    assert isinstance(engine.answers()[0].result, Done)


# --- fakes -----------------------------------------------------------------------------------------------------------


def test_a_fake_is_done_at_once_and_keeps_nothing(engine: StepEngine) -> None:
    assert engine.run(_node(), "deploy", "deploy") == Done()


def test_a_fake_takes_the_seconds_it_was_told(engine: StepEngine, clock: SetClock) -> None:
    begun: datetime = clock.now
    on = _node(fake_deploy_seconds="90")

    first = engine.deliver(engine.dispatch(on, "deploy", "deploy"))
    assert isinstance(first, Again)
    engine.rest(first)
    result = engine.run(on, "deploy", "deploy")

    assert result == Done()
    assert (clock.now - begun).total_seconds() == pytest.approx(90)


def test_a_slow_fake_that_is_asked_too_early_rests_again(engine: StepEngine, clock: SetClock) -> None:
    on = _node(fake_deploy_seconds=10)
    first = engine.deliver(engine.dispatch(on, "deploy", "deploy"))
    assert isinstance(first, Again)
    engine.memo = first.memo
    clock.advance(4)

    second = engine.deliver(engine.dispatch(on, "deploy", "deploy"))

    assert isinstance(second, Again)
    assert second.after_s == pytest.approx(6)


def test_a_fake_waits_for_its_signal_and_then_fails_as_told(engine: StepEngine) -> None:
    on = _node(fake_deploy_wait="heartbeat", fake_deploy_fail="the disk is full")

    waiting = engine.run(on, "deploy", "deploy")
    ended = engine.run(on, "deploy", "deploy")

    assert isinstance(waiting, Wait)
    assert waiting.signal == "heartbeat"
    assert isinstance(ended, Failed)
    assert (type(ended.error), ended.error.message, ended.error.retryable) == (DeviceRefused, "the disk is full", False)


def test_a_repeated_slice_waits_again_because_its_memo_says_nothing_of_a_signal(engine: StepEngine) -> None:
    message = engine.dispatch(_node(fake_deploy_wait="heartbeat"), "deploy", "deploy")

    assert engine.deliver(message) == engine.deliver(message, times=2)


def test_a_switch_with_the_interface_goes_before_one_without(engine: StepEngine) -> None:
    on = _node(fake_deploy_fail="no", fake_deploy_deploy_fail="not this one")

    result = engine.run(on, "deploy", "deploy")

    assert isinstance(result, Failed)
    assert result.error.message == "not this one"


@pytest.mark.parametrize("value", ["soon", -1, "inf", [1]])
def test_seconds_that_are_none_are_refused(engine: StepEngine, value: Any) -> None:
    result = engine.run(_node(fake_deploy_seconds=value), "deploy", "deploy")

    assert isinstance(result, Failed)
    assert isinstance(result.error, InvalidRequest)


def test_the_memo_of_the_function_behind_the_switches_is_left_alone(engine: StepEngine) -> None:
    engine.memo = {"mine": 1}

    result = engine.run(_node(fake_prepare_seconds=1), "deploy", "prepare")

    assert isinstance(result, Done)
    assert result.facts["memo"]["mine"] == 1


def test_switches_of_a_mixed_step_work_for_fakes_only(clock: SetClock) -> None:
    function = only_fakes_switched(clock, nothing_to_do)
    told = {"fake_deploy_fail": "no"}

    def run(kind: str) -> Any:
        step = Step(index=0, interface="deploy", name="deploy")
        return function(Slice(workflow="w", node=node(interfaces={"deploy": kind}, driver_info=told), step=step))

    assert (type(run("fake")), type(run("direct"))) == (Failed, Done)


# --- announcements ---------------------------------------------------------------------------------------------------


@pytest.fixture
def heard(memory_bus: MemoryBus) -> list[dict[str, Any]]:
    heard: list[dict[str, Any]] = []

    def keep(request: Request) -> None:
        heard.append(request.body)

    memory_bus.serve("inventory", [Endpoint(subject=subjects.command("local", "inventory", "announce"), handler=keep)])
    return heard


@pytest.fixture
def announcer(memory_bus: MemoryBus) -> Announcer:
    return Announcer(memory_bus, OFFER, site="local", instance="boot-1.test", conductor_group="g", version="1.0")


def test_a_worker_announces_what_it_can_and_says_goodbye(announcer: Announcer, heard: list[dict[str, Any]]) -> None:
    announcer.start()
    eventually(lambda: heard)
    announcer.stop()

    assert [word["online"] for word in heard] == [True, False]
    first = heard[0]
    assert (first["service"], first["instance"], first["conductor_group"], first["version"]) == (
        "boot", "boot-1.test", "g", "1.0",
    )  # fmt: skip
    assert first["provides"] == {"deploy": ["fake"]}
    assert [StepSpec.from_dict(row) for row in first["steps"]] == list(OFFER.steps)


def test_an_announcement_that_nobody_hears_ends_nothing(
    announcer: Announcer, memory_bus: MemoryBus, heard: list[dict[str, Any]]
) -> None:
    memory_bus.available = False

    assert not announcer.say(online=True)
    memory_bus.available = True
    assert announcer.say(online=True)
    assert len(heard) == 1


def test_a_delivery_that_is_no_step_message_is_a_bug_and_not_an_answer(engine: StepEngine) -> None:
    with pytest.raises(KeyError):
        engine.provider.handle(
            Delivery(subject="local.step.deploy.x", data=b"{}", headers={}, num_delivered=1, stream_sequence=1)
        )
    assert engine.bus.published == []
