"""The bus in memory keeps the promises that tests of services lean on."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest
from steelyard_common.bus import Delivery, Endpoint, MemoryBus, Message, Request
from steelyard_common.contracts.events import cloud_event
from steelyard_common.errors import Conflict, InvalidRequest, Unavailable


def _step(number: int, msg_id: str = "") -> Message:
    body = orjson.dumps({"number": number})
    return Message(subject=f"local.step.power.n{number}", body=body, msg_id=msg_id or f"m{number}")


def test_a_request_makes_the_round_trip_through_json(memory_bus: MemoryBus) -> None:
    memory_bus.serve("demo", [Endpoint(subject="local.demo.qry.x", handler=lambda request: {"got": request.body})])

    assert memory_bus.request("local.demo.qry.x", {"when": datetime(2026, 1, 1, tzinfo=UTC)}, timeout_s=1) == (
        b'{"got":{"when":"2026-01-01T00:00:00+00:00"}}'
    )


def test_errors_lose_their_detail_on_the_way(memory_bus: MemoryBus) -> None:
    def refuse(_request: Request) -> None:
        raise Conflict("no", detail="inside")

    memory_bus.serve("demo", [Endpoint(subject="local.demo.cmd.x", handler=refuse)])

    with pytest.raises(Conflict) as caught:
        memory_bus.request("local.demo.cmd.x", {}, timeout_s=1)
    assert (caught.value.message, caught.value.detail) == ("no", "")


def test_a_bus_that_is_away_and_a_service_that_is_away_are_unavailable(memory_bus: MemoryBus) -> None:
    with pytest.raises(Unavailable, match="the demo service is away"):
        memory_bus.request("local.demo.cmd.x", {}, timeout_s=1)
    memory_bus.available = False
    with pytest.raises(Unavailable, match="the message bus is away"):
        memory_bus.publish([_step(1)])


def test_a_repeat_is_dropped_and_an_unknown_subject_refused(memory_bus: MemoryBus) -> None:
    memory_bus.publish([_step(1), _step(1)])

    assert len(memory_bus.published) == 1
    with pytest.raises(Unavailable, match="no stream"):
        memory_bus.publish([Message(subject="local.nobody", body=b"", msg_id="x")])


def test_a_request_too_large_is_refused_as_on_the_real_bus(memory_bus: MemoryBus) -> None:
    with pytest.raises(InvalidRequest, match="larger than"):
        memory_bus.request("local.demo.cmd.x", {"x": "x" * 1_000_001}, timeout_s=1)


def test_messages_reach_only_whom_they_concern_and_what_they_cause_follows(memory_bus: MemoryBus) -> None:
    power: list[int] = []
    results: list[int] = []

    def run(delivery: Delivery) -> None:
        power.append(delivery.body["number"])
        memory_bus.publish([Message(subject="local.result.w1", body=b'{"n":1}', msg_id="r1")])

    memory_bus.consume("STEPS", "p", ["local.step.power.*"], run, workers=1)
    memory_bus.consume("STEPS", "m", ["local.step.management.*"], run, workers=1)
    memory_bus.consume_batches("RESULTS", "e", ["local.result.*"], lambda batch: results.append(len(batch)))
    memory_bus.publish([_step(7)])

    assert memory_bus.deliver() == 2
    assert (power, results) == ([7], [1])


def test_a_poison_message_of_a_batch_fails_alone_and_is_given_again(memory_bus: MemoryBus) -> None:
    seen: list[tuple[int, int]] = []

    def apply(batch: list[Delivery]) -> None:
        if any(delivery.body["number"] == 2 for delivery in batch):
            raise ValueError("poison")
        seen.extend((delivery.body["number"], delivery.num_delivered) for delivery in batch)

    memory_bus.consume_batches("STEPS", "e", ["local.step.>"], apply, max_deliver=4)
    memory_bus.publish([_step(1), _step(2), _step(3)])

    memory_bus.deliver()
    assert seen == [(1, 2), (3, 2)]
    memory_bus.deliver()
    assert [message.msg_id for message in memory_bus.dead] == []
    memory_bus.deliver()
    assert [message.msg_id for message in memory_bus.dead] == ["m2"]
    assert memory_bus.deliver() == 0


def test_an_event_is_a_cloud_event_that_names_its_subject() -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    message = cloud_event("lab1", "power", "bmc-recovered", "n1", {"a": 1}, cause={"origin": "sync"}, now=now)

    body = orjson.loads(message.body)
    assert message.subject == "lab1.power.evt.bmc-recovered.n1"
    assert body.pop("id") == message.msg_id
    assert body == {
        "specversion": "1.0",
        "source": "/steelyard/lab1/power",
        "type": "org.steelyard.power.bmc-recovered",
        "subject": "n1",
        "time": "2026-01-02T03:04:05.000Z",
        "datacontenttype": "application/json",
        "data": {"a": 1},
        "cause": '{"origin":"sync"}',
    }
