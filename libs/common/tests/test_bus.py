"""The bus on a real nats-server: answers, streams, and what happens when the server or a handler goes away."""

from __future__ import annotations

import shutil
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from marshmallow import Schema, fields
from nats.micro.request import ERROR_CODE_HEADER
from steelyard_common.bus import Delivery, Endpoint, Message, NatsBus, Request, connect
from steelyard_common.bus import consuming as consuming_room
from steelyard_common.contracts import subjects
from steelyard_common.embedded import EmbeddedNats
from steelyard_common.errors import Busy, InternalError, InvalidRequest, OutcomeUnknown, Unavailable
from steelyard_common.testing import eventually
from steelyard_common.testing.guarded import refusal


@pytest.fixture
def other_bus(own_nats: EmbeddedNats, site: str) -> Iterator[NatsBus]:
    bus = connect(own_nats.url, site, "other", wait_s=10)
    yield bus
    bus.close()


def _step(site: str, number: int = 0, interface: str = "power") -> Message:
    body = orjson.dumps({"number": number})
    return Message(subject=subjects.step(site, interface, str(uuid.uuid4())), body=body, msg_id=str(uuid.uuid4()))


def _serve(bus: NatsBus, subject: str, handler: object, **more: object) -> None:
    bus.serve("inventory", [Endpoint(subject=subject, handler=handler, **more)])  # type: ignore[arg-type]


def _ask(bus: NatsBus, subject: str, body: dict[str, object] | None = None, timeout_s: float = 30) -> bytes:
    return bus.request(subject, body or {}, timeout_s=timeout_s)


def test_a_request_is_answered_with_what_the_handler_returns(nats_bus: NatsBus, other_bus: NatsBus, site: str) -> None:
    subject = subjects.query(site, "inventory", "echo")
    _serve(nats_bus, subject, lambda request: {"got": request.body, "caller": request.headers["Steelyard-Caller"]})

    answer = other_bus.request(subject, {"a": 1}, timeout_s=5, headers={"Steelyard-Caller": "me"})

    assert orjson.loads(answer) == {"got": {"a": 1}, "caller": "me"}


def test_a_handler_learns_until_when_its_caller_waits(nats_bus: NatsBus, other_bus: NatsBus, site: str) -> None:
    subject = subjects.query(site, "inventory", "deadline")
    _serve(nats_bus, subject, lambda request: {"left": request.deadline - time.monotonic()})

    assert 30 < orjson.loads(_ask(other_bus, subject, timeout_s=60))["left"] <= 60


def test_the_error_of_a_handler_is_raised_by_its_caller(nats_bus: NatsBus, other_bus: NatsBus, site: str) -> None:
    def refuse(_request: Request) -> None:
        raise Busy("Node é is locked\r\nInjected: yes", detail="not for the caller")

    subject = subjects.command(site, "inventory", "refuse")
    _serve(nats_bus, subject, refuse)

    with pytest.raises(Busy) as caught:
        _ask(other_bus, subject)
    assert caught.value.message == "Node é is locked\r\nInjected: yes"
    assert caught.value.detail == ""
    assert ERROR_CODE_HEADER == "Nats-Service-Error-Code"


def test_a_bug_is_told_without_its_text(nats_bus: NatsBus, other_bus: NatsBus, site: str) -> None:
    subject = subjects.query(site, "inventory", "bug")
    _serve(nats_bus, subject, lambda request: {"x": request.body["nothing"]})

    with pytest.raises(InternalError, match="the log says more"):
        _ask(other_bus, subject)


class _Sized(Schema):
    size = fields.Integer(required=True, strict=True)


def test_a_body_that_does_not_fit_its_schema_never_reaches_the_handler(
    nats_bus: NatsBus, other_bus: NatsBus, site: str
) -> None:
    subject = subjects.query(site, "inventory", "sized")
    _serve(nats_bus, subject, lambda request: request.body, schema=_Sized)

    with pytest.raises(InvalidRequest, match="size"):
        _ask(other_bus, subject, {"size": "big"})
    assert orjson.loads(_ask(other_bus, subject, {"size": 1, "newer": True})) == {"size": 1}


@pytest.mark.parametrize("size", [0, 512 * 1024, 512 * 1024 + 1, 5_000_001])
def test_a_reply_of_any_size_arrives_whole(nats_bus: NatsBus, other_bus: NatsBus, site: str, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    subject = subjects.query(site, "inventory", "bytes")
    _serve(nats_bus, subject, lambda _request: content[:size])

    assert _ask(other_bus, subject) == content[:size]


def test_a_request_too_large_for_a_message_is_refused_before_it_is_sent(nats_bus: NatsBus, site: str) -> None:
    with pytest.raises(InvalidRequest, match="larger than"):
        _ask(nats_bus, subjects.query(site, "inventory", "any"), {"x": "x" * 1_100_000})


def test_slow_requests_of_one_endpoint_run_side_by_side(nats_bus: NatsBus, other_bus: NatsBus, site: str) -> None:
    together = threading.Barrier(4)
    subject = subjects.query(site, "inventory", "slow")
    _serve(nats_bus, subject, lambda _request: {"met": together.wait(20) >= 0})

    answers: list[bytes] = []
    threads = [threading.Thread(target=lambda: answers.append(_ask(other_bus, subject))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [b'{"met":true}'] * 4


def test_nobody_there_is_unavailable_at_once(nats_bus: NatsBus, site: str) -> None:
    began = time.monotonic()

    with pytest.raises(Unavailable, match="the inventory service is away"):
        _ask(nats_bus, subjects.command(site, "inventory", "nobody"))

    assert time.monotonic() - began < 20


@pytest.mark.parametrize(("kind", "error"), [("query", Unavailable), ("command", OutcomeUnknown)])
def test_no_answer_in_time_is_worse_for_a_command(
    nats_bus: NatsBus, other_bus: NatsBus, site: str, kind: str, error: type[Exception]
) -> None:
    done = threading.Event()
    subject = getattr(subjects, kind)(site, "inventory", "stuck")
    _serve(nats_bus, subject, lambda _request: {"late": done.wait(60)})

    with pytest.raises(error):
        _ask(other_bus, subject, timeout_s=0.2)
    done.set()


def test_a_service_that_leaves_finishes_what_it_took(nats_bus: NatsBus, own_nats: EmbeddedNats, site: str) -> None:
    leaving = connect(own_nats.url, site, "leaving", wait_s=10)
    began, go_on = threading.Event(), threading.Event()

    def slow(_request: Request) -> dict[str, bool]:
        began.set()
        return {"done": go_on.wait(60)}

    subject = subjects.query(site, "inventory", "slow")
    _serve(leaving, subject, slow)
    answers: list[bytes] = []
    caller = threading.Thread(target=lambda: answers.append(_ask(nats_bus, subject, timeout_s=90)))
    caller.start()
    assert began.wait(30)

    closer = threading.Thread(target=leaving.close)
    closer.start()
    eventually(lambda: _is_gone(nats_bus, subject))
    go_on.set()
    caller.join(90)
    closer.join(30)

    assert answers == [b'{"done":true}']
    assert not closer.is_alive()


def _is_gone(bus: NatsBus, subject: str) -> bool:
    try:
        _ask(bus, subject, timeout_s=0.2)
    except Unavailable as error:
        return "is away" in error.message
    return False


def test_requests_meet_the_bus_again_after_the_server_was_away(
    nats_bus: NatsBus, other_bus: NatsBus, own_nats: EmbeddedNats, site: str
) -> None:
    subject = subjects.query(site, "inventory", "echo")
    _serve(nats_bus, subject, lambda request: request.body)

    own_nats.stop()
    eventually(lambda: not other_bus.is_connected)
    with pytest.raises(Unavailable, match="bus is away"):
        _ask(other_bus, subject, timeout_s=0.2)
    own_nats.start()
    eventually(lambda: nats_bus.is_connected and other_bus.is_connected)

    assert eventually(lambda: not _is_gone(other_bus, subject))
    assert _ask(other_bus, subject, {"back": 1}) == b'{"back":1}'


def test_a_bus_may_be_made_before_its_server_is_there(own_nats: EmbeddedNats, site: str) -> None:
    own_nats.stop()
    bus = connect(own_nats.url, site, "early", wait_s=0)
    got: list[dict[str, object]] = []
    bus.consume(
        "STEPS", "early", [subjects.step(site, "power", "*")], lambda delivery: got.append(delivery.body), workers=1
    )
    assert not bus.is_connected

    own_nats.start()
    eventually(lambda: bus.is_connected)
    bus.publish([_step(site, 7)])

    assert eventually(lambda: got) == [{"number": 7}]
    bus.close()


def test_published_messages_wait_for_the_server_and_arrive_once(
    nats_bus: NatsBus, own_nats: EmbeddedNats, site: str
) -> None:
    message = _step(site, 1)
    nats_bus.publish([message])
    own_nats.stop()
    again = threading.Thread(target=lambda: nats_bus.publish([message, _step(site, 2)], timeout_s=60))
    again.start()
    own_nats.start()
    again.join(60)
    got: list[object] = []

    nats_bus.consume(
        "STEPS", "p", [subjects.step(site, "power", "*")], lambda d: got.append(d.body["number"]), workers=1
    )

    eventually(lambda: len(got) >= 2)
    assert sorted(map(str, got)) == ["1", "2"]


def test_publishing_to_no_stream_is_unavailable(nats_bus: NatsBus, site: str) -> None:
    lost = Message(subject=f"{site}.nobody.listens", body=b"{}", msg_id="x")

    with pytest.raises(Unavailable, match="no stream takes this subject"):
        nats_bus.publish([lost], timeout_s=2)


def test_a_step_is_handled_by_one_of_several_replicas(nats_bus: NatsBus, other_bus: NatsBus, site: str) -> None:
    got: list[int] = []
    for bus in (nats_bus, other_bus):
        bus.consume(
            "STEPS", "shared", [subjects.step(site, "power", "*")], lambda d: got.append(d.body["number"]), workers=4
        )

    nats_bus.publish([_step(site, number) for number in range(300)])

    eventually(lambda: len(got) >= 300)
    assert sorted(got) == list(range(300))


def test_a_handler_that_outlives_the_ack_wait_is_not_given_its_message_twice(nats_bus: NatsBus, site: str) -> None:
    deliveries: list[int] = []
    second_is_there = threading.Event()

    def slow(delivery: Delivery) -> None:
        deliveries.append(delivery.num_delivered)
        second_is_there.wait(1.5)  # nobody sets it: three times the ack wait

    nats_bus.consume("STEPS", "slow", [subjects.step(site, "power", "*")], slow, workers=2, ack_wait_s=0.5)
    nats_bus.publish([_step(site)])

    eventually(lambda: deliveries)
    assert not second_is_there.wait(2)
    assert deliveries == [1]


def test_a_message_of_a_dead_process_is_given_to_another(own_nats: EmbeddedNats, nats_bus: NatsBus, site: str) -> None:
    dying = connect(own_nats.url, site, "dying", wait_s=10)
    took, never = threading.Event(), threading.Event()

    def take(_delivery: Delivery) -> None:
        took.set()
        never.wait(120)

    filters = [subjects.step(site, "power", "*")]
    dying.consume("STEPS", "d", filters, take, workers=1, ack_wait_s=0.5)
    nats_bus.publish([_step(site)])
    assert took.wait(30)
    dying._link.loop.call_soon_threadsafe(dying._link.loop.stop)  # as if killed: no beat, no farewell
    got: list[int] = []

    nats_bus.consume(
        "STEPS", "d", filters, lambda delivery: got.append(delivery.num_delivered), workers=1, ack_wait_s=0.5
    )

    assert eventually(lambda: got)[0] > 1
    never.set()


def test_a_message_that_cannot_be_handled_ends_as_a_dead_letter(
    nats_bus: NatsBus, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming_room, "BACK_OFF_S", (0.01,))
    tries: list[int] = []
    letters: list[Delivery] = []

    def fail(delivery: Delivery) -> None:
        tries.append(delivery.num_delivered)
        raise ValueError("poison")

    nats_bus.consume("STEPS", "bad", [subjects.step(site, "power", "*")], fail, workers=2, max_deliver=3)
    nats_bus.consume(
        "EVENTS", "letters", [subjects.dead_letter(site, ">", 0).split(">")[0] + ">"], letters.append, workers=1
    )
    poison = _step(site, 13)
    nats_bus.publish([poison])

    letter = eventually(lambda: letters)[0]
    assert tries == [1, 2, 3]
    assert letter.body["subject"] == poison.subject
    assert letter.body["num_delivered"] == 3


def test_an_outage_of_our_own_never_makes_dead_letters(
    nats_bus: NatsBus, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming_room, "BACK_OFF_S", (0.01,))
    seen: list[int] = []

    def wait_for_database(delivery: Delivery) -> None:
        seen.append(delivery.num_delivered)
        if len(seen) < 10:
            raise Unavailable("the database is away")

    nats_bus.consume("STEPS", "out", [subjects.step(site, "power", "*")], wait_for_database, workers=1, max_deliver=3)
    nats_bus.publish([_step(site)])

    eventually(lambda: len(seen) >= 10)
    assert seen == list(range(1, 11))


def test_messages_come_in_batches_and_a_poison_one_fails_alone(
    nats_bus: NatsBus, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming_room, "BACK_OFF_S", (0.01,))
    sizes: list[int] = []
    good: set[int] = set()
    bad: list[int] = []

    def apply(batch: list[Delivery]) -> None:
        sizes.append(len(batch))
        if any(delivery.body["number"] == 13 for delivery in batch):
            bad.append(len(batch))
            raise ValueError("poison")
        good.update(delivery.body["number"] for delivery in batch)

    nats_bus.publish([_step(site, number) for number in range(50)])
    nats_bus.consume_batches("STEPS", "b", [subjects.step(site, "power", "*")], apply, max_batch=20, max_deliver=3)

    eventually(lambda: len(good) == 49 and bad.count(1) >= 3)
    assert good == set(range(50)) - {13}
    assert max(sizes) == 20


def test_a_consumer_comes_back_when_the_server_lost_everything(
    nats_bus: NatsBus, own_nats: EmbeddedNats, site: str
) -> None:
    got: list[int] = []
    nats_bus.consume(
        "STEPS", "c", [subjects.step(site, "power", "*")], lambda d: got.append(d.body["number"]), workers=2
    )
    nats_bus.publish([_step(site, 1)])
    eventually(lambda: got == [1])

    own_nats.stop()
    shutil.rmtree(own_nats.log.parent / "jetstream")
    own_nats.start()
    nats_bus.publish([_step(site, 2)], timeout_s=60)

    assert eventually(lambda: got[1:]) == [2]


def test_two_sites_share_a_server_without_meeting(own_nats: EmbeddedNats, nats_bus: NatsBus, site: str) -> None:
    elsewhere = connect(own_nats.url, "elsewhere", "x", wait_s=10)
    got: list[int] = []
    nats_bus.consume(
        "STEPS", "here", [subjects.step(site, "power", "*")], lambda d: got.append(d.body["number"]), workers=1
    )

    elsewhere.publish([_step("elsewhere", 1)])
    nats_bus.publish([_step(site, 2)])

    assert eventually(lambda: got) == [2]
    elsewhere.close()


def test_a_server_that_cannot_carry_our_messages_is_refused(tmp_path: Path) -> None:
    server = EmbeddedNats(tmp_path / "small", durable=False)
    server.start()
    config = tmp_path / "small" / "nats.conf"
    config.write_text(config.read_text().replace("1048576", "65536"))
    assert server.process is not None
    server.process.send_signal(signal.SIGHUP)

    eventually(lambda: "max_payload is 65536 bytes" in refusal(server.url, "t"))
    server.stop()
