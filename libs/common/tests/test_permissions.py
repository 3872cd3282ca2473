"""Who may do what on the bus: the table, and a real nats-server that keeps it."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import ssl
import stat
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import nats
import nats.errors
import pytest
from nats.aio.client import Client
from nats.js.api import ConsumerConfig
from steelyard_common.bus import Access, Delivery, Endpoint, Message, NatsBus, connect
from steelyard_common.contracts import permissions, subjects
from steelyard_common.embedded import EmbeddedNats, NatsFolder
from steelyard_common.errors import InvalidRequest, Unavailable
from steelyard_common.testing import eventually

SITE = "here"
ACME = "acme"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> NatsFolder:
    return NatsFolder(tmp_path_factory.mktemp("bus") / "bus", SITE, step_providers={ACME: ("vendor",)})


@pytest.fixture(scope="module")
def server(folder: NatsFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedNats]:
    server = EmbeddedNats(tmp_path_factory.mktemp("nats"), users=folder, durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def join(folder: NatsFolder, server: EmbeddedNats) -> Iterator[Callable[[str], NatsBus]]:
    """A service on the bus, as its settings make it."""
    buses = []

    def join(user: str) -> NatsBus:
        bus = connect(_access(folder, server, user), SITE, user, wait_s=10)
        buses.append(bus)
        return bus

    yield join
    for bus in buses:
        bus.close()


@pytest.fixture
def inventory(join: Callable[[str], NatsBus]) -> NatsBus:
    """It makes the streams."""
    return join("inventory")


def _access(folder: NatsFolder, server: EmbeddedNats, user: str, **changed: Any) -> Access:
    whole: dict[str, Any] = {
        "url": folder.url(user, server.port), "password_file": str(folder.password_file(user)),
        "ca_file": str(folder.ca_file), "makes_streams": user == "inventory",
    }  # fmt: skip
    return Access(**(whole | changed))


async def _refusals(
    folder: NatsFolder, server: EmbeddedNats, user: str, act: Callable[[Client], Awaitable[Any]]
) -> list[str]:
    """What the server says to a bare client of this user that acts, until all it said has come."""
    return await _heard(_access(folder, server, user).options(), act)


async def _heard(options: dict[str, Any], act: Callable[[Client], Awaitable[Any]]) -> list[str]:
    said: list[str] = []

    async def hear(error: Exception) -> None:
        if isinstance(error, nats.errors.Error):  # and no news of the connection's end
            said.append(str(error))

    client = await nats.connect(**options, error_cb=hear, allow_reconnect=False)
    await act(client)
    await client.flush()  # what was refused stands before the answer to this
    await client.flush()  # and is told by a task of its own, which has run by now
    await client.close()
    return said


def _publishing(folder: NatsFolder, server: EmbeddedNats, user: str, subject: str, reply: str = "") -> list[str]:
    async def publish(client: Client) -> None:
        await client.publish(subject, b"{}", reply)

    return asyncio.run(_refusals(folder, server, user, publish))


def _listening(folder: NatsFolder, server: EmbeddedNats, user: str, subject: str) -> list[str]:
    async def subscribe(client: Client) -> None:
        await client.subscribe(subject)

    return asyncio.run(_refusals(folder, server, user, subscribe))


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
    [("power", ["vendor"], "of Steelyard's own"), ("a.b", ["vendor"], "letters, digits"), ("x", ["nic"], "no such")],
)
def test_a_step_provider_that_cannot_be_is_refused(
    tmp_path: Path, name: str, interfaces: list[str], reason: str
) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        NatsFolder(tmp_path, SITE, step_providers={name: interfaces})


# ---- a real server: what is allowed


def _echo(subject: str, reply: bytes = b'{"ok":true}') -> Endpoint:
    return Endpoint(subject=subject, handler=lambda _request: reply)


def test_the_gateway_asks_every_service_and_gets_long_answers(join: Callable[[str], NatsBus]) -> None:
    gateway = join("api-gateway")
    for service in permissions.SERVICES[1:]:
        verb, text = subjects.query(SITE, service, "anything"), b'"%b"' % (b"x" * 1_200_000)
        join(service).serve(service, [_echo(verb, text)])

        assert len(gateway.request(verb, {}, timeout_s=10)) == 1_200_002


def test_a_step_goes_out_and_its_result_comes_back(inventory: NatsBus, join: Callable[[str], NatsBus]) -> None:
    power, results = join("power"), []

    def run(delivery: Delivery) -> None:
        result = subjects.result(SITE, delivery.subject.rsplit(".", 1)[1])
        power.publish([Message(subject=result, body=delivery.data, msg_id=result)])

    inventory.consume(subjects.RESULTS_STREAM, subjects.RESULTS_DURABLE, [subjects.result(SITE, "*")],
                      lambda delivery: results.append(delivery.subject), workers=1)  # fmt: skip
    power.consume(subjects.STEPS_STREAM, subjects.step_durable("power"), [subjects.step(SITE, "power", "*")], run,
                  workers=1)  # fmt: skip
    inventory.publish([Message(subject=subjects.step(SITE, "power", "n1"), body=b"{}", msg_id="s1")])

    eventually(lambda: results == [subjects.result(SITE, "n1")])


def test_what_no_handler_takes_becomes_a_dead_letter(inventory: NatsBus, join: Callable[[str], NatsBus]) -> None:
    firmware, operator, letters = join("firmware"), join(permissions.OPERATOR), []

    def fail(_delivery: Delivery) -> None:
        raise ValueError("never")

    firmware.consume(subjects.STEPS_STREAM, subjects.step_durable("raid"), [subjects.step(SITE, "raid", "*")], fail,
                     workers=1, max_deliver=1)  # fmt: skip
    operator.consume(subjects.EVENTS_STREAM, "letters", [f"{SITE}.bus.evt.dead-letter.*"],
                     lambda delivery: letters.append(delivery.body["reason"]), workers=1)  # fmt: skip
    inventory.publish([Message(subject=subjects.step(SITE, "raid", "n1"), body=b"{}", msg_id="s2")])

    eventually(lambda: bool(letters))


def test_inventory_hears_what_each_provider_has_seen(inventory: NatsBus, join: Callable[[str], NatsBus]) -> None:
    heard: list[str] = []
    for service in permissions.PROVIDERS:
        inventory.consume(subjects.EVENTS_STREAM, subjects.observer_durable(service),
                          [subjects.event(SITE, service, "*", "*")],
                          lambda delivery: heard.append(delivery.subject.split(".")[1]), workers=1)  # fmt: skip
        told = subjects.event(SITE, service, "seen", "n1")
        join(service).publish([Message(subject=told, body=b"{}", msg_id=told)])

    eventually(lambda: sorted(heard) == sorted(permissions.PROVIDERS))


def test_an_integration_reads_events_live_and_from_the_beginning(
    inventory: NatsBus, folder: NatsFolder, server: EmbeddedNats
) -> None:
    told = subjects.event(SITE, "inventory", "node-created", "n7")
    inventory.publish([Message(subject=told, body=b"{}", msg_id=told)])
    found = []

    async def read(client: Client) -> None:
        await client.subscribe(f"{SITE}.*.evt.>")
        js = client.jetstream(timeout=5)
        for durable in ("their-own", None):
            pull = await js.pull_subscribe(f"{SITE}.inventory.evt.>", durable=durable, stream=subjects.EVENTS_STREAM)
            [message] = await pull.fetch(1, timeout=5)
            await message.ack_sync(timeout=5)
            found.append(message.subject)
        push = await js.subscribe(f"{SITE}.inventory.evt.>", config=ConsumerConfig(name="pushed"))
        found.append((await push.next_msg(timeout=5)).subject)
        await js.delete_consumer(subjects.EVENTS_STREAM, "their-own")

    assert asyncio.run(_refusals(folder, server, permissions.INTEGRATION, read)) == []
    assert found == [told] * 3


def test_a_step_provider_of_ones_own_takes_its_steps_and_answers(
    inventory: NatsBus, folder: NatsFolder, server: EmbeddedNats
) -> None:
    inventory.serve("inventory", [_echo(subjects.command(SITE, "inventory", "announce"))])
    inventory.publish([Message(subject=subjects.step(SITE, "vendor", "n1"), body=b"{}", msg_id="v1")])

    async def provide(client: Client) -> None:
        await client.request(subjects.command(SITE, "inventory", "announce"), b"{}", timeout=5)
        js = client.jetstream(timeout=5)
        steps = await js.pull_subscribe(subjects.step(SITE, "vendor", "*"), durable=subjects.step_durable("vendor"),
                                        stream=subjects.STEPS_STREAM)  # fmt: skip
        [step] = await steps.fetch(1, timeout=5)
        await js.publish(subjects.result(SITE, "w1"), b"{}")
        await step.ack_sync(timeout=5)

    inventory_of_acme = f"_INBOX_{ACME}.>"
    assert inventory_of_acme in permissions.rights(SITE, "inventory", folder.table).publish
    assert asyncio.run(_refusals_as(folder, server, provide)) == []


async def _refusals_as(folder: NatsFolder, server: EmbeddedNats, act: Callable[[Client], Awaitable[Any]]) -> list[str]:
    """As somebody does who has only the context file that is written for a step provider."""
    folder.write_contexts(server.port, [ACME])
    context = json.loads((folder.root / f"{ACME}.json").read_text())
    options = {name: context[name] for name in ("user", "password", "inbox_prefix")}
    options |= {"servers": [context["url"]], "tls": ssl.create_default_context(cafile=context["ca"])}
    return await _heard(options, act)


# ---- a real server: what is refused


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
        (ACME, f"$JS.API.CONSUMER.CREATE.STEPS.step-power.{SITE}.step.power.*"),
        (ACME, f"{SITE}.inventory.cmd.take-lease"),
        (ACME, f"{SITE}.inventory.qry.node-for-provider"),
        (ACME, f"{SITE}.acme.evt.lied.n1"),
    ],
)  # fmt: skip
def test_what_a_user_may_not_say_is_refused(folder: NatsFolder, server: EmbeddedNats, user: str, subject: str) -> None:
    [said] = _publishing(folder, server, user, subject)

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
        (ACME, f"{SITE}.step.vendor.*"),
    ],
)
def test_what_a_user_may_not_hear_is_refused(folder: NatsFolder, server: EmbeddedNats, user: str, subject: str) -> None:
    [said] = _listening(folder, server, user, subject)

    assert "permissions violation for subscription" in said.lower()


def test_an_answer_goes_to_an_inbox_and_not_where_somebody_says(
    inventory: NatsBus, folder: NatsFolder, server: EmbeddedNats, join: Callable[[str], NatsBus],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """The asker names the subject of the answer: it must not make inventory speak where only others may."""
    heard: list[dict[str, Any]] = []
    ask, victim = subjects.query(SITE, "inventory", "node-for-provider"), subjects.command(SITE, "power", "inject-nmi")
    inventory.serve("inventory", [_echo(ask)])
    join("power").serve("power", [Endpoint(subject=victim, handler=lambda request: heard.append(request.body))])

    assert _publishing(folder, server, "boot", ask, reply=victim) == []

    eventually(lambda: any("may not do" in record.getMessage() for record in caplog.records))
    assert heard == []


def test_a_message_of_a_stream_is_no_request(
    inventory: NatsBus, folder: NatsFolder, server: EmbeddedNats, join: Callable[[str], NatsBus],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """JetStream delivers where a consumer's maker says, and asks nobody whether he may publish there."""
    heard: list[dict[str, Any]] = []
    victim = subjects.command(SITE, "inventory", "delete-node")
    told = subjects.event(SITE, "power", "power-observed", "n2")
    inventory.serve("inventory", [Endpoint(subject=victim, handler=lambda request: heard.append(request.body))])
    join("power").publish([Message(subject=told, body=b'{"ident":"n1"}', msg_id=told)])

    async def divert(client: Client) -> None:
        config = ConsumerConfig(name="divert", deliver_subject=victim, deliver_group="inventory", filter_subject=told)
        await client.jetstream(timeout=5).add_consumer(subjects.EVENTS_STREAM, config)

    assert asyncio.run(_refusals(folder, server, permissions.INTEGRATION, divert)) == []

    eventually(lambda: any("own subject" in record.getMessage() for record in caplog.records))
    assert heard == []


def test_a_service_logs_what_it_is_refused(join: Callable[[str], NatsBus], caplog: pytest.LogCaptureFixture) -> None:
    power = join("power")

    with pytest.raises(Unavailable):
        power.request(subjects.query(SITE, "inventory", "nodes"), {}, timeout_s=1)

    [record] = [each for each in caplog.records if "may not do" in each.getMessage()]
    assert record.levelno == logging.ERROR
    assert "here.inventory.qry.nodes" in str(record.__dict__)


# ---- the door


def test_a_wrong_password_is_said(folder: NatsFolder, server: EmbeddedNats, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong")

    with pytest.raises(Unavailable, match="does not take this user and password"):
        connect(_access(folder, server, "power", password_file=str(wrong)), SITE, "power", wait_s=1)


def test_a_certificate_of_another_authority_is_not_trusted(
    folder: NatsFolder, server: EmbeddedNats, tmp_path: Path
) -> None:
    other = NatsFolder(tmp_path / "other", SITE)
    other.prepare()

    with pytest.raises(Unavailable, match="certificate of NATS is not trusted"):
        connect(_access(folder, server, "power", ca_file=str(other.ca_file)), SITE, "power", wait_s=1)


def test_a_certificate_for_another_name_is_not_trusted(tmp_path: Path) -> None:
    elsewhere = NatsFolder(tmp_path / "bus", SITE, hosts=["bus.example"])
    server = EmbeddedNats(tmp_path / "nats", users=elsewhere, durable=False)
    server.start()
    try:
        with pytest.raises(Unavailable, match="certificate of NATS is not trusted"):
            connect(_access(elsewhere, server, "power"), SITE, "power", wait_s=1)
    finally:
        server.stop()


def test_without_tls_nobody_gets_in(folder: NatsFolder, server: EmbeddedNats) -> None:
    async def plain() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await reader.readline()
        word = {"user": "power", "pass": folder.password("power"), "verbose": True}
        writer.write(b"CONNECT %b\r\nPING\r\n" % json.dumps(word).encode())
        answer = await reader.read(200)
        writer.close()
        return answer

    assert b"PONG" not in asyncio.run(plain())


def test_a_server_without_tls_never_sees_the_password(folder: NatsFolder, server: EmbeddedNats) -> None:
    """Somebody in between could say that no TLS is needed."""
    seen = b""

    async def pretend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        writer.write(b'INFO {"version":"2.12.0","auth_required":true,"max_payload":1048576,"headers":true}\r\n')
        seen += await reader.read(1000)
        writer.close()

    async def serve() -> None:
        pretender = await asyncio.start_server(pretend, "127.0.0.1", 0)
        port = pretender.sockets[0].getsockname()[1]
        access = _access(folder, server, "power", url=folder.url("power", port))
        with pytest.raises(Unavailable, match="offers no TLS"):
            await asyncio.to_thread(connect, access, SITE, "power", wait_s=1)
        pretender.close()

    asyncio.run(serve())
    assert folder.password("power").encode() not in seen


def test_secrets_are_for_their_owner_only(folder: NatsFolder, server: EmbeddedNats) -> None:
    folder.write_contexts(server.port, [permissions.INTEGRATION])
    public = {"ca.pem", "server.pem"}

    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.root.iterdir() if file.name not in public}

    assert set(modes.values()) == {0o600}
    assert {"ca.key", "server.key", "power.password", "integration.json"} <= set(modes)


def test_passwords_and_authority_are_kept_over_a_restart(tmp_path: Path) -> None:
    first, again = NatsFolder(tmp_path, SITE), NatsFolder(tmp_path, SITE)
    first.prepare()
    before = (first.password("power"), first.ca_file.read_bytes())

    again.prepare()

    assert (again.password("power"), again.ca_file.read_bytes()) == before


def test_a_configuration_that_leaves_the_folder_holds_no_password(folder: NatsFolder, server: EmbeddedNats) -> None:
    text = json.dumps(folder.server_config(hashed=True))

    assert "$2b$" in text
    assert all(folder.password(user) not in text for user in folder.table)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"ca_file": "/nowhere"}, "STEELYARD_NATS_CA_FILE cannot be used"),
        ({"password_file": "/nowhere"}, "STEELYARD_NATS_PASSWORD_FILE cannot be read"),
        ({"cert_file": "/nowhere"}, "STEELYARD_NATS_CERT_FILE or STEELYARD_NATS_KEY_FILE"),
        ({"url": "tls://127.0.0.1"}, "names no user"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    folder: NatsFolder, server: EmbeddedNats, files: dict[str, str], reason: str
) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        connect(_access(folder, server, "power", **files), SITE, "power")
