"""Who may do what on the bus: the table, and a real nats-server that refuses the rest."""

from __future__ import annotations

import itertools
import logging
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from nats.js.api import ConsumerConfig
from steelyard_common.bus import Endpoint, Message, NatsBus
from steelyard_common.contracts import permissions, subjects
from steelyard_common.embedded import NatsFolder
from steelyard_common.errors import InvalidRequest, Unavailable
from steelyard_common.testing import eventually
from steelyard_common.testing.guarded import GuardedNats

SITE, ACME = GuardedNats.site, GuardedNats.provider


@pytest.fixture
def inventory(guarded: GuardedNats) -> NatsBus:
    """It makes the streams."""
    return guarded.join("inventory")


# ---- the table

_COMMANDS_OF_OTHERS = [
    (user, f"{SITE}.{service}.cmd.anything")
    for user, service in itertools.product(permissions.SERVICES, permissions.SERVICES)
    if user not in (service, permissions.GATEWAY)
]


@pytest.mark.parametrize("user", [*permissions.SERVICES, permissions.INTEGRATION])
def test_a_user_hears_no_inbox_but_its_own(user: str) -> None:
    inboxes = [each for each in permissions.rights(SITE, user).subscribe if each.startswith("_INBOX")]

    assert inboxes == [f"_INBOX_{user}.>"]


@pytest.mark.parametrize("user", [*permissions.SERVICES, permissions.INTEGRATION])
def test_no_user_but_the_operator_has_a_right_outside_its_site(user: str) -> None:
    rights = permissions.rights(SITE, user)

    assert all(
        each.startswith((f"{SITE}.", "_INBOX_", "$JS.API.", "$JS.ACK.", "$JS.FC.", "$SRV.*"))
        for each in (*rights.publish, *rights.subscribe)
    )


def test_only_inventory_dispatches_steps_and_makes_streams() -> None:
    able = {
        user
        for user in permissions.rows()
        if any((".step." in each and not each.startswith("$JS")) or ".STREAM.CREATE" in each or ".STREAM.UPDATE" in each
               for each in permissions.rights(SITE, user).publish)
    }  # fmt: skip

    assert able == {"inventory"}


def test_every_interface_with_steps_has_one_provider() -> None:
    provided = [interface for interfaces in permissions.PROVIDERS.values() for interface in interfaces]

    assert sorted(provided) == sorted(subjects.STEP_INTERFACES)


@pytest.mark.parametrize(
    ("name", "interfaces", "reason"),
    [
        ("power", ["vendor"], "of Steelyard's own"),
        ("a.b", ["own"], "letters, digits"),
        ("x", ["a.b"], "lower case"),
        ("x", ["own", "vendor"], "none of Ironic's"),
    ],
)
def test_a_step_provider_that_cannot_be_is_refused(
    tmp_path: Path, name: str, interfaces: list[str], reason: str
) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        NatsFolder(tmp_path, SITE, step_providers={name: interfaces})


# ---- a real server


def _echo(subject: str) -> Endpoint:
    return Endpoint(subject=subject, handler=lambda _request: b"{}")


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        *_COMMANDS_OF_OTHERS,
        ("power", f"{SITE}.inventory.cmd.delete-node"),
        ("power", f"{SITE}.inventory.qry.nodes"),
        ("power", f"{SITE}.inventory.evt.node-deleted.n1"),
        ("power", f"{SITE}.step.power.n1"),
        ("boot", f"{SITE}.inventory.qry.power-targets"),
        ("api-gateway", f"{SITE}.step.power.n1"),
        ("api-gateway", f"{SITE}.result.w1"),
        ("api-gateway", f"{SITE}.inventory.cmd.take-lease"),
        ("api-gateway", f"{SITE}.inventory.cmd.announce"),
        ("api-gateway", f"{SITE}.inventory.evt.node-deleted.n1"),
        ("inventory", f"{SITE}.result.w1"),
        ("inventory", "elsewhere.step.power.n1"),
        ("inventory", "$JS.API.STREAM.DELETE.STEPS"),
        ("power", "$JS.API.STREAM.UPDATE.EVENTS"),
        ("power", "$JS.API.STREAM.MSG.GET.STEPS"),
        ("power", f"$JS.API.CONSUMER.CREATE.STEPS.step-boot.{SITE}.step.boot.*"),
        ("power", f"$JS.API.CONSUMER.CREATE.STEPS.step-power.{SITE}.step.boot.*"),
        ("power", "$JS.API.CONSUMER.CREATE.STEPS.step-power"),
        ("power", "$JS.API.CONSUMER.DURABLE.CREATE.STEPS.step-power"),
        ("power", "$JS.API.CONSUMER.MSG.NEXT.RESULTS.engine"),
        ("power", "_INBOX_console.x"),
        ("console", "_INBOX_power.x"),
        ("integration", f"{SITE}.inventory.evt.node-deleted.n1"),
        ("integration", f"{SITE}.inventory.cmd.delete-node"),
        ("integration", f"{SITE}.inventory.qry.nodes"),
        ("integration", f"{SITE}.step.power.n1"),
        ("integration", "anything"),
        ("integration", f"$JS.API.CONSUMER.CREATE.STEPS.spy.{SITE}.step.power.*"),
        ("integration", "$JS.API.CONSUMER.CREATE.EVENTS.spy.elsewhere.*.evt.>"),
        ("integration", "$JS.API.CONSUMER.CREATE.EVENTS.spy"),
        ("integration", f"$JS.API.CONSUMER.CREATE.EVENTS.inventory-power.{SITE}.power.evt.*.*"),
        ("integration", "$JS.API.CONSUMER.DELETE.EVENTS.inventory-power"),
        ("integration", "$JS.API.CONSUMER.MSG.NEXT.EVENTS.inventory-power"),
        ("integration", "$JS.ACK.EVENTS.inventory-power.1.1.1.1.1"),
        ("integration", f"$JS.API.CONSUMER.CREATE.EVENTS.timeline.{SITE}.*.evt.>"),
        (ACME, f"$JS.API.CONSUMER.CREATE.STEPS.step-power.{SITE}.step.power.*"),
        (ACME, f"{SITE}.inventory.cmd.take-lease"),
        (ACME, f"{SITE}.inventory.cmd.announce"),
        (ACME, f"{SITE}.inventory.cmd.announce-steps.emca"),
        ("power", f"{SITE}.inventory.cmd.announce-steps.{ACME}"),
        ("api-gateway", f"{SITE}.inventory.cmd.announce-steps.{ACME}"),
        (ACME, f"{SITE}.inventory.qry.node-for-provider"),
        (ACME, f"{SITE}.acme.evt.lied.n1"),
    ],
)  # fmt: skip
def test_what_a_user_may_not_say_is_refused(guarded: GuardedNats, user: str, subject: str) -> None:
    [said] = guarded.publish(user, subject)

    assert "permissions violation for publish" in said.lower()


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("power", "_INBOX_api-gateway.>"),
        ("power", "_INBOX.>"),
        ("power", ">"),
        ("power", f"{SITE}.>"),
        ("power", f"{SITE}.inventory.cmd.*"),
        ("power", f"{SITE}.step.power.*"),
        ("api-gateway", "_INBOX_inventory.>"),
        ("api-gateway", f"{SITE}.step.>"),
        ("integration", "_INBOX_api-gateway.>"),
        ("integration", f"{SITE}.inventory.cmd.*"),
        ("integration", "*.*.evt.>"),
        (ACME, f"{SITE}.*.evt.>"),
        (ACME, f"{SITE}.step.burn-in.*"),
    ],
)
def test_what_a_user_may_not_hear_is_refused(guarded: GuardedNats, user: str, subject: str) -> None:
    [said] = guarded.subscribe(user, subject)

    assert "permissions violation for subscription" in said.lower()


def test_an_answer_goes_to_an_inbox_and_not_where_somebody_says(
    inventory: NatsBus, guarded: GuardedNats,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """The asker names the subject of the answer: it must not make inventory speak where only others may."""
    heard: list[dict[str, Any]] = []
    ask, victim = subjects.query(SITE, "inventory", "node-for-provider"), subjects.command(SITE, "power", "inject-nmi")
    inventory.serve("inventory", [_echo(ask)])
    guarded.join("power").serve("power", [Endpoint(subject=victim, handler=lambda request: heard.append(request.body))])

    assert guarded.publish("boot", ask, reply=victim) == []

    eventually(lambda: any("may not do" in record.getMessage() for record in caplog.records))
    assert heard == []


def test_a_message_of_a_stream_is_no_request(
    inventory: NatsBus, guarded: GuardedNats,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """JetStream delivers where a consumer's maker says, and asks nobody whether he may publish there."""
    heard: list[dict[str, Any]] = []
    victim = subjects.command(SITE, "inventory", "delete-node")
    told = subjects.event(SITE, "power", "power-observed", "n2")
    inventory.serve("inventory", [Endpoint(subject=victim, handler=lambda request: heard.append(request.body))])
    guarded.join("power").publish([Message(subject=told, body=b'{"ident":"n1"}', msg_id=told)])

    async def divert(client: Client) -> None:
        config = ConsumerConfig(name="divert", deliver_subject=victim, deliver_group="inventory", filter_subject=told)
        await client.jetstream(timeout=30).add_consumer(subjects.EVENTS_STREAM, config)

    assert guarded.refusals(permissions.INTEGRATION, divert) == []

    eventually(lambda: any("own subject" in record.getMessage() for record in caplog.records))
    assert heard == []


def test_a_service_logs_what_it_is_refused(guarded: GuardedNats, caplog: pytest.LogCaptureFixture) -> None:
    power = guarded.join("power")

    with pytest.raises(Unavailable):
        power.request(subjects.query(SITE, "inventory", "nodes"), {}, timeout_s=1)

    [record] = eventually(lambda: [each for each in caplog.records if "may not do" in each.getMessage()])
    assert record.levelno == logging.ERROR
    assert "here.inventory.qry.nodes" in str(record.__dict__)
