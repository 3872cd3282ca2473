"""Streams of a server that an older release left: they become those of this one, and lose nothing."""

from __future__ import annotations

import asyncio

import nats
import pytest
from nats.aio.msg import Msg
from nats.js import api
from steelyard_common.bus import Message, NatsBus, connect
from steelyard_common.bus.short_cuts import delivery_of
from steelyard_common.contracts import subjects
from steelyard_common.embedded import EmbeddedNats
from steelyard_common.errors import Unavailable
from steelyard_common.testing import eventually

OLD = {
    "STEPS": [f"{site}.step.{interface}.*" for site in ("local", "elsewhere") for interface in ("power", "deploy")],
    "RESULTS": ["local.result.*"],
    "EVENTS": ["local.*.evt.>", "elsewhere.*.evt.>"],
}


async def _begin_as_before(url: str) -> None:
    client = await nats.connect(url)
    for name, patterns in OLD.items():
        is_queue = name != "EVENTS"
        retention = api.RetentionPolicy.WORK_QUEUE if is_queue else api.RetentionPolicy.LIMITS
        discard = api.DiscardPolicy.NEW if is_queue else api.DiscardPolicy.OLD
        config = api.StreamConfig(name=name, subjects=patterns, retention=retention, max_bytes=1 << 30, discard=discard)
        await client.jetstream().add_stream(config)
    await client.jetstream().publish("local.step.power.n1", b'{"number":1}')
    await client.close()


async def _subjects_of(url: str, stream: str) -> list[str]:
    client = await nats.connect(url)
    found = (await client.jetstream().stream_info(stream)).config.subjects or []
    await client.close()
    return found


@pytest.fixture
def old_server(own_nats: EmbeddedNats) -> EmbeddedNats:
    asyncio.run(_begin_as_before(own_nats.url))
    return own_nats


def test_streams_of_an_older_release_take_new_interfaces_and_keep_what_is_in_them(old_server: EmbeddedNats) -> None:
    got: list[int] = []
    for site in ("elsewhere", "local"):
        connect(old_server.url, site, "first", wait_s=10).close()
    bus = connect(old_server.url, "local", "x", wait_s=10)
    bus.consume("STEPS", "step-power", ["local.step.power.*"], lambda d: got.append(d.body["number"]), workers=1)
    bus.consume("STEPS", "step-burn-in", ["local.step.burn-in.*"], lambda d: got.append(d.body["number"]), workers=1)

    bus.publish([Message(subject=subjects.step("local", "burn-in", "n1"), body=b'{"number":2}', msg_id="2")])

    assert eventually(lambda: sorted(got) if len(got) == 2 else None) == [1, 2]
    bus.close()
    assert set(asyncio.run(_subjects_of(old_server.url, "STEPS"))) == {"local.step.>", "elsewhere.step.>"}
    assert "local.*.evt.>" not in asyncio.run(_subjects_of(old_server.url, "EVENTS"))


def test_events_are_kept_for_the_services_that_there_are(nats_bus: NatsBus, site: str) -> None:
    got: list[str] = []
    nats_bus.consume("EVENTS", "all", [subjects.all_events(site)], lambda d: got.append(d.subject), workers=1)

    for source in subjects.EVENT_SOURCES:
        subject = subjects.event(site, source, "seen", "n1")
        nats_bus.publish([Message(subject=subject, body=b"{}", msg_id=f"{site}-{source}")])
    with pytest.raises(Unavailable, match="no stream takes this subject"):
        nats_bus.publish([Message(subject=subjects.event(site, "nobody", "seen", "n1"), body=b"{}", msg_id="n")])

    assert eventually(lambda: len(got) == len(subjects.EVENT_SOURCES))


@pytest.mark.parametrize(
    "reply",
    [
        "$JS.ACK.STEPS.step-power.3.1234.77.1700000000000000000.5",
        "$JS.ACK._.ACCOUNT.STEPS.step-power.3.1234.77.1700000000000000000.5",
        "$JS.ACK.hub.ACCOUNT.STEPS.step-power.3.1234.77.1700000000000000000.5.token",
    ],
)
def test_how_often_a_message_came_is_read_as_nats_py_reads_it(reply: str) -> None:
    told = Msg.Metadata._from_reply(reply)

    assert delivery_of(reply) == (told.num_delivered, told.sequence.stream) == (3, 1234)
