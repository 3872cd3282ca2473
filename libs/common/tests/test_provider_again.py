"""Messages that NATS gives again though their step was answered."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from steelyard_common.bus import Endpoint, MemoryBus, Message, Request
from steelyard_common.contracts import subjects
from steelyard_common.contracts.catalogue import Offer, StepSpec
from steelyard_common.contracts.steps import Done, Step, StepMessage
from steelyard_common.errors import Unavailable
from steelyard_common.health import Parts
from steelyard_common.provider import ProviderSettings, Slice, StepProvider, provide
from steelyard_common.provider.standing import Standing
from steelyard_common.provider.stepping import ASK_TRIES, IsOut
from steelyard_common.provider.testing import StepEngine, node
from steelyard_common.testing import SetClock

OFFER = Offer(
    service="boot",
    provides={"deploy": ("fake",)},
    steps=(StepSpec(interface="deploy", name="deploy", description="Deploy.", implementations=("fake",)),),
)


def _provider(bus: MemoryBus, ran: list[str], is_out: IsOut) -> StepProvider:
    def run(piece: Slice) -> Done:
        ran.append(piece.step.name)
        return Done()

    return StepProvider(
        bus, {("deploy", "deploy"): run}, site="local", service="boot", instance="boot-1.test", is_out=is_out
    )


@pytest.mark.parametrize(("is_out", "runs"), [(True, ["deploy"] * 2), (False, ["deploy"])])
def test_a_message_that_comes_again_is_run_only_if_its_answer_is_waited_for_still(
    memory_bus: MemoryBus, clock: SetClock, is_out: bool, runs: list[str]
) -> None:
    ran: list[str] = []
    asked: list[Any] = []

    def tell(request: Request) -> dict[str, Any]:
        asked.append(request.body)
        return {"out": is_out}

    memory_bus.serve(
        "inventory", [Endpoint(subject=subjects.query("local", "inventory", subjects.STEP_IS_OUT), handler=tell)]
    )
    provider = _provider(memory_bus, ran, Standing(memory_bus, "local"))
    engine = StepEngine(provider=provider, bus=memory_bus, clock=clock)
    message = engine.dispatch(node(interfaces={"deploy": "fake"}), "deploy", "deploy")

    engine.deliver(message)
    assert asked == []
    engine.deliver(message, times=2)

    assert ran == runs
    assert asked == [{"workflow": engine.workflow, "index": 0, "attempt": 1}]


def test_a_service_drops_a_message_that_comes_again_after_its_answer(memory_bus: MemoryBus) -> None:
    ran: list[str] = []

    def answer(piece: Slice) -> Done:
        ran.append(piece.step.name)
        raise Unavailable("its answer was taken, then it died")

    outs = [
        Endpoint(subject=subjects.query("local", "inventory", subjects.STEP_IS_OUT), handler=lambda _: {"out": False}),
        Endpoint(subject=subjects.command("local", "inventory", "announce"), handler=lambda _: None),
    ]
    memory_bus.serve("inventory", outs)
    parts = Parts()
    provide(parts, memory_bus, ProviderSettings(site="local"), OFFER, {("deploy", "deploy"): answer})
    message = StepMessage(
        workflow="w",
        fence=1,
        node=node(interfaces={"deploy": "fake"}),
        steps=[Step(index=0, interface="deploy", name="deploy")],
    )
    subject = subjects.step("local", "deploy", message.node["uuid"])

    memory_bus.publish([Message(subject=subject, body=orjson.dumps(message.to_dict()), msg_id="w.0.1")])
    memory_bus.deliver()
    parts.stop()

    assert ran == ["deploy"]


def test_a_message_that_comes_again_waits_a_moment_for_somebody_who_knows_and_is_run_then(
    memory_bus: MemoryBus, clock: SetClock
) -> None:
    ran: list[str] = []
    provider = _provider(memory_bus, ran, Standing(memory_bus, "local"))
    engine = StepEngine(provider=provider, bus=memory_bus, clock=clock)
    message = engine.dispatch(node(interfaces={"deploy": "fake"}), "deploy", "deploy")

    for times in range(2, ASK_TRIES):
        with pytest.raises(Unavailable):
            engine.deliver(message, times=times)
    assert ran == []

    assert engine.deliver(message, times=ASK_TRIES) == Done()
    assert ran == ["deploy"]
