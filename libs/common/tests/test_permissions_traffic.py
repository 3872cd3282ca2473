"""What each user of the bus does, on a real nats-server that keeps the permissions table."""

from __future__ import annotations

import contextlib

import pytest
from nats.aio.client import Client
from nats.js.api import ConsumerConfig
from steelyard_common.bus import Delivery, Endpoint, Message, NatsBus
from steelyard_common.contracts import permissions, subjects
from steelyard_common.errors import Unavailable
from steelyard_common.testing import eventually
from steelyard_common.testing.guarded import GuardedNats

SITE, ACME = GuardedNats.site, GuardedNats.provider


@pytest.fixture
def inventory(guarded: GuardedNats) -> NatsBus:
    """It makes the streams."""
    return guarded.join("inventory")


def _echo(subject: str, reply: bytes = b'{"ok":true}') -> Endpoint:
    return Endpoint(subject=subject, handler=lambda _request: reply)


def _as_soon_as_it_serves(gateway: NatsBus, verb: str) -> bytes:
    """On a busy machine a service may take longer to register than a request waits for it."""

    def answer() -> bytes:
        with contextlib.suppress(Unavailable):
            return gateway.request(verb, {}, timeout_s=10)
        return b""

    return eventually(answer)


def test_the_gateway_asks_every_service_and_gets_long_answers(guarded: GuardedNats) -> None:
    gateway = guarded.join("api-gateway")
    for service in permissions.SERVICES[1:]:
        verb, text = subjects.query(SITE, service, "anything"), b'"%b"' % (b"x" * 1_200_000)
        guarded.join(service).serve(service, [_echo(verb, text)])

        assert len(_as_soon_as_it_serves(gateway, verb)) == 1_200_002


def test_a_step_goes_out_and_its_result_comes_back(inventory: NatsBus, guarded: GuardedNats) -> None:
    power, results = guarded.join("power"), []

    def run(delivery: Delivery) -> None:
        result = subjects.result(SITE, delivery.subject.rsplit(".", 1)[1])
        power.publish([Message(subject=result, body=delivery.data, msg_id=result)])

    inventory.consume(subjects.RESULTS_STREAM, subjects.RESULTS_DURABLE, [subjects.result(SITE, "*")],
                      lambda delivery: results.append(delivery.subject), workers=1)  # fmt: skip
    power.consume(subjects.STEPS_STREAM, subjects.step_durable("power"), [subjects.step(SITE, "power", "*")], run,
                  workers=1)  # fmt: skip
    inventory.publish([Message(subject=subjects.step(SITE, "power", "n1"), body=b"{}", msg_id="s1")])

    eventually(lambda: results == [subjects.result(SITE, "n1")])


def test_what_no_handler_takes_becomes_a_dead_letter(inventory: NatsBus, guarded: GuardedNats) -> None:
    firmware, operator, letters = guarded.join("firmware"), guarded.join(permissions.OPERATOR), []

    def fail(_delivery: Delivery) -> None:
        raise ValueError("never")

    firmware.consume(subjects.STEPS_STREAM, subjects.step_durable("raid"), [subjects.step(SITE, "raid", "*")], fail,
                     workers=1, max_deliver=1)  # fmt: skip
    operator.consume(subjects.EVENTS_STREAM, "letters", [f"{SITE}.bus.evt.dead-letter.*"],
                     lambda delivery: letters.append(delivery.body["reason"]), workers=1)  # fmt: skip
    inventory.publish([Message(subject=subjects.step(SITE, "raid", "n1"), body=b"{}", msg_id="s2")])

    eventually(lambda: bool(letters))


def test_inventory_hears_what_each_provider_has_seen(inventory: NatsBus, guarded: GuardedNats) -> None:
    heard: list[str] = []
    for service in permissions.PROVIDERS:
        inventory.consume(subjects.EVENTS_STREAM, subjects.observer_durable(service),
                          [subjects.event(SITE, service, "*", "*")],
                          lambda delivery: heard.append(delivery.subject.split(".")[1]), workers=1)  # fmt: skip
        told = subjects.event(SITE, service, "seen", "n1")
        guarded.join(service).publish([Message(subject=told, body=b"{}", msg_id=told)])

    eventually(lambda: sorted(heard) == sorted(permissions.PROVIDERS))


def test_inventory_keeps_the_timeline_of_all_events(inventory: NatsBus, guarded: GuardedNats) -> None:
    heard: list[str] = []
    told = subjects.event(SITE, "console", "opened", "n3")
    inventory.consume_batches(subjects.EVENTS_STREAM, subjects.TIMELINE_DURABLE,
                              [subjects.all_events(SITE)],
                              lambda batch: heard.extend(each.subject for each in batch))  # fmt: skip
    guarded.join("console").publish([Message(subject=told, body=b"{}", msg_id=told)])

    eventually(lambda: told in heard)


def test_an_integration_reads_events_live_and_from_the_beginning(inventory: NatsBus, guarded: GuardedNats) -> None:
    told = subjects.event(SITE, "inventory", "node-created", "n7")
    inventory.publish([Message(subject=told, body=b"{}", msg_id=told)])
    found = []

    async def read(client: Client) -> None:
        await client.subscribe(f"{SITE}.*.evt.>")
        js = client.jetstream(timeout=30)
        for durable in ("their-own", None):
            pull = await js.pull_subscribe(f"{SITE}.inventory.evt.>", durable=durable, stream=subjects.EVENTS_STREAM)
            [message] = await pull.fetch(1, timeout=30)
            await message.ack_sync(timeout=30)
            found.append(message.subject)
        push = await js.subscribe(f"{SITE}.inventory.evt.>", config=ConsumerConfig(name="pushed"))
        found.append((await push.next_msg(timeout=30)).subject)
        await js.delete_consumer(subjects.EVENTS_STREAM, "their-own")

    assert guarded.refusals(permissions.INTEGRATION, read) == []
    assert found == [told] * 3


def test_a_step_provider_of_ones_own_takes_its_steps_and_answers(inventory: NatsBus, guarded: GuardedNats) -> None:
    who = Endpoint(subject=subjects.command(SITE, "inventory", "announce-steps.*"),
                   handler=lambda request: {"heard": request.subject.rsplit(".", 1)[1]})  # fmt: skip
    inventory.serve("inventory", [who])
    inventory.publish([Message(subject=subjects.step(SITE, "burn-in", "n1"), body=b"{}", msg_id="v1")])

    async def provide(client: Client) -> None:
        heard = await client.request(subjects.command(SITE, "inventory", f"announce-steps.{ACME}"), b"{}", timeout=30)
        assert heard.data == b'{"heard":"acme"}'
        js = client.jetstream(timeout=30)
        steps = await js.pull_subscribe(subjects.step(SITE, "burn-in", "*"), durable=subjects.step_durable("burn-in"),
                                        stream=subjects.STEPS_STREAM)  # fmt: skip
        [step] = await steps.fetch(1, timeout=30)
        await js.publish(subjects.result(SITE, "w1"), b"{}")
        await step.ack_sync(timeout=30)

    inventory_of_acme = f"_INBOX_{ACME}.>"
    assert inventory_of_acme in permissions.rights(SITE, "inventory", guarded.folder.table).publish
    assert guarded.refusals(ACME, provide) == []
