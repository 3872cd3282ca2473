"""Reading along on a stream: in order, from anywhere, and without a gap whatever happens to the server."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime

import nats
import pytest
from steelyard_common.bus import Delivery, Following, MemoryBus, Message, NatsBus, connect
from steelyard_common.bus.following import PULL
from steelyard_common.contracts import permissions, subjects
from steelyard_common.contracts.events import cloud_event
from steelyard_common.embedded import EmbeddedNats
from steelyard_common.errors import Unavailable
from steelyard_common.testing import eventually
from steelyard_common.testing.guarded import GuardedNats

EVENTS = subjects.EVENTS_STREAM


def told(site: str, *numbers: int) -> list[Message]:
    return [
        cloud_event(site, "inventory", "node-updated", f"n{each}", {"number": each}, now=datetime.now(UTC))
        for each in numbers
    ]


def numbers(deliveries: list[Delivery]) -> list[int]:
    return [int(each.subject.rpartition(".n")[2]) for each in deliveries]


def read(following: Following, many: int, within_s: float = 30) -> list[Delivery]:
    found: list[Delivery] = []
    end = time.monotonic() + within_s
    while len(found) < many and time.monotonic() < end:
        found += following.read(0.2).deliveries
    return found


def test_what_is_told_is_read_in_order_from_any_message_on_and_acknowledged_by_nobody(
    nats_bus: NatsBus, site: str
) -> None:
    nats_bus.publish(told(site, *range(3 * PULL)), timeout_s=20)
    whole = nats_bus.follow(EVENTS, subjects.all_events(site), 1)
    found = read(whole, 3 * PULL)
    assert numbers(found) == list(range(3 * PULL))
    assert whole.read(0).is_at_end
    nats_bus.publish(told(site, 7777))
    assert numbers(read(whole, 1)) == [7777]
    whole.close()

    part = nats_bus.follow(EVENTS, subjects.all_events(site), found[-2].stream_sequence)
    assert numbers(read(part, 3)) == [3 * PULL - 2, 3 * PULL - 1, 7777]
    part.close()


def test_reading_begins_at_a_time_and_only_at_what_is_wanted(nats_bus: NatsBus, site: str) -> None:
    nats_bus.publish(told(site, 1))
    after = datetime.now(UTC)
    nats_bus.publish(told(site, 2, 3))
    for subject, expected in ((subjects.all_events(site), [2, 3]), (f"{site}.inventory.evt.*.n3", [3])):
        following = nats_bus.follow(EVENTS, subject, after)
        assert numbers(read(following, len(expected))) == expected
        following.close()
    nothing = nats_bus.follow(EVENTS, f"{site}.power.evt.>", 1)
    eventually(lambda: nothing.read(0.1).is_at_end)
    nothing.close()


def test_a_restart_of_the_server_leaves_no_gap(nats_bus: NatsBus, own_nats: EmbeddedNats, site: str) -> None:
    following = nats_bus.follow(EVENTS, subjects.all_events(site), 1)
    nats_bus.publish(told(site, 1, 2))
    found = read(following, 2)
    for number in (3, 4):
        own_nats.stop()
        own_nats.start()
        nats_bus.publish(told(site, number), timeout_s=30)
        found += read(following, 1)
    assert numbers(found) == [1, 2, 3, 4]
    following.close()


def test_a_consumer_that_somebody_removes_is_made_again(nats_bus: NatsBus, own_nats: EmbeddedNats, site: str) -> None:
    following = nats_bus.follow(EVENTS, subjects.all_events(site), 1)
    nats_bus.publish(told(site, 1))
    found = read(following, 1)

    async def remove() -> int:
        client = await nats.connect(own_nats.url)
        consumers = await client.jetstream().consumers_info(EVENTS)
        for each in consumers:
            await client.jetstream().delete_consumer(EVENTS, each.name)
        await client.close()
        return len(consumers)

    assert asyncio.run(remove()) == 1
    nats_bus.publish(told(site, 2))
    assert numbers(found + read(following, 1)) == [1, 2]
    following.close()


def test_a_stream_that_is_lost_begins_a_new_epoch(nats_bus: NatsBus, own_nats: EmbeddedNats, site: str) -> None:
    following = nats_bus.follow(EVENTS, subjects.all_events(site), 1)
    nats_bus.publish(told(site, 1, 2))
    read(following, 2)
    before = following.read(0).epoch
    assert before == nats_bus.stream_state(EVENTS).epoch

    async def lose() -> None:
        client = await nats.connect(own_nats.url)
        await client.jetstream().delete_stream(EVENTS)
        await client.close()

    asyncio.run(lose())
    connect(own_nats.url, site, "another", wait_s=10).close()  # whoever makes streams does so when it connects
    nats_bus.publish(told(site, 3), timeout_s=30)
    assert numbers(read(following, 1)) == [3]
    assert following.read(0).epoch != before
    following.close()


def test_the_state_of_a_stream_is_told_or_that_the_bus_is_away(
    nats_bus: NatsBus, own_nats: EmbeddedNats, site: str
) -> None:
    nats_bus.publish(told(site, 1, 2, 3))
    state = nats_bus.stream_state(EVENTS)
    assert (state.first, state.last) == (1, 3)
    with pytest.raises(Unavailable):
        nats_bus.stream_state("NONE")
    own_nats.stop()
    eventually(lambda: not nats_bus.is_connected)
    with pytest.raises(Unavailable):
        nats_bus.stream_state(EVENTS)


def test_the_gateway_may_read_along_and_leaves_nothing_behind(guarded: GuardedNats) -> None:
    inventory, gateway = guarded.join(permissions.INVENTORY), guarded.join(permissions.GATEWAY)
    inventory.publish(told(GuardedNats.site, 1, 2))
    following = gateway.follow(EVENTS, subjects.all_events(GuardedNats.site), 1)
    assert numbers(read(following, 2))[-2:] == [1, 2]
    assert gateway.stream_state(EVENTS).last >= 2
    following.close()


def test_the_twin_reads_along_as_well(memory_bus: MemoryBus) -> None:
    memory_bus.publish(told("here", 1, 2))
    after = datetime.now(UTC)
    following = memory_bus.follow(EVENTS, "here.*.evt.>", 2)
    assert numbers(following.read(0).deliveries) == [2]
    memory_bus.publish(told("here", 3))
    assert [each.stream_sequence for each in following.read(1).deliveries] == [3]
    assert following.read(0.01).deliveries == []
    assert memory_bus.stream_state(EVENTS).last == 3
    since = memory_bus.follow(EVENTS, "here.*.evt.>", after.replace(microsecond=0))
    assert numbers(since.read(0).deliveries)[-1] == 3
    following.close()


def test_how_far_a_durable_consumer_has_come_is_told_for_all_its_replicas_together(
    nats_bus: NatsBus, own_nats: EmbeddedNats, site: str
) -> None:
    held, go_on = threading.Event(), threading.Event()
    taken: list[int] = []

    def slow(batch: list[Delivery]) -> None:
        held.set()
        assert go_on.wait(120)
        taken.extend(each.stream_sequence for each in batch)

    nats_bus.consume_batches(EVENTS, "books", [subjects.all_events(site)], slow, max_batch=1)
    nats_bus.publish(told(site, 1))
    assert held.wait(60)
    other = connect(own_nats.url, site, "another", wait_s=10)
    other.consume_batches(
        EVENTS, "books", [subjects.all_events(site)], lambda batch: taken.extend(each.stream_sequence for each in batch)
    )
    other.publish(told(site, *range(2, 60)), timeout_s=20)
    eventually(lambda: 59 in taken or len(taken) > 20)
    assert other.taken_to(EVENTS, "books") == 0
    go_on.set()
    eventually(lambda: other.taken_to(EVENTS, "books") == 59)
    other.close()
    with pytest.raises(Unavailable):
        nats_bus.taken_to(EVENTS, "nobody")
