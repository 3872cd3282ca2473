"""Messages on a real nats-server: once to one of them, and what happens when the server or a handler goes away."""

from __future__ import annotations

import shutil
import signal
import threading
import uuid
from pathlib import Path

import orjson
import pytest
from steelyard_common.bus import Delivery, Message, NatsBus, connect
from steelyard_common.bus import consuming as consuming_room
from steelyard_common.contracts import subjects
from steelyard_common.embedded import EmbeddedNats
from steelyard_common.errors import Unavailable
from steelyard_common.testing import eventually
from steelyard_common.testing.guarded import refusal


def _step(site: str, number: int = 0, interface: str = "power") -> Message:
    body = orjson.dumps({"number": number})
    return Message(subject=subjects.step(site, interface, str(uuid.uuid4())), body=body, msg_id=str(uuid.uuid4()))


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
