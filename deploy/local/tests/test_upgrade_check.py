"""`steelyard upgrade-check`: each reason, made for real on databases and a nats-server of the test's own."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import nats
import psycopg
import pytest
from nats.js import api
from steelyard_common.bus import Delivery, Message, NatsBus
from steelyard_common.contracts import permissions, subjects
from steelyard_common.db import migrate
from steelyard_common.embedded import EmbeddedNats
from steelyard_common.errors import Conflict, InvalidRequest, NotFound
from steelyard_common.releases import LAST_MINOR, MARK, are_neighbours, release_of
from steelyard_common.secrets import Sealer
from steelyard_common.testing import eventually
from steelyard_local.layout import Layout
from steelyard_local.main import main
from steelyard_local.upgrade import command, release
from steelyard_local.upgrade.findings import REASONS, Finding
from steelyard_local.upgrade.release import Release, Schema
from steelyard_local.upgrade.sources import Sources
from steelyard_local.upgrade.streams import Way

KEYS = Sealer.new_key()
NODE = (
    "INSERT INTO inventory.nodes (uuid, name, driver, provision_state, driver_info, sealed, created_at) "
    "VALUES (%(uuid)s, %(name)s, 'fake-hardware', %(state)s, '{}', %(sealed)s, now())"
)
WORKFLOW = (
    "INSERT INTO inventory.workflows (uuid, node_uuid, kind, status, fence, params, cause, parked, created_at) "
    "VALUES (%(uuid)s, %(node)s, %(kind)s, 'running', 1, '{}', '{}', %(parked)s, now())"
)
STEP = (
    "INSERT INTO inventory.steps (workflow_uuid, index, interface, name, args, status, timeout_s) "
    "VALUES (%(workflow)s, 0, %(interface)s, %(name)s, '{}', 'pending', 60)"
)
WORKER = (
    "INSERT INTO inventory.workers (instance, service, conductor_group, provides, hardware_types, steps, version, "
    "online, seen_at, created_at) VALUES (%(instance)s, 'power', '', '{}', '{}', %(steps)s, %(version)s, true, "
    "now() - %(ago)s * interval '1 second', now())"
)


def migrate_all(url: str) -> None:
    for service, scripts in release.SCHEMAS.items():
        migrate(service, url, service, scripts)


@pytest.fixture(scope="session")
def migrate_template() -> Callable[[str], None]:
    return migrate_all


class World:
    """A site that is well, and what can be done to it."""

    def __init__(self, database_url: str) -> None:
        self.url = database_url
        self.sources = Sources(site="local", database_url=database_url, nats=None, services={}, seal_keys=KEYS)
        self.ours = release.ours()

    def do(self, statement: str, **values: Any) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(statement, values)

    def node(self, name: str, state: str = "available", sealed: str = "{}") -> str:
        uuid = str(uuid4())
        self.do(NODE, uuid=uuid, name=name, state=state, sealed=sealed)
        return uuid

    def workflow(self, node: str, kind: str = "clean", *, parked: bool = False, step: str = "") -> None:
        uuid = str(uuid4())
        self.do(WORKFLOW, uuid=uuid, node=node, kind=kind, parked=parked)
        if step:
            interface, _, name = step.partition(".")
            self.do(STEP, workflow=uuid, interface=interface, name=name)

    def worker(self, version: str = "", ago: float = 0.0, steps: tuple[str, ...] = ()) -> None:
        said = json.dumps([dict(zip(("interface", "name"), step.split("."), strict=True)) for step in steps])
        self.do(WORKER, instance=f"power-{uuid4()}", steps=said, version=version or self.ours.version, ago=ago)

    def findings(self, to: Release | None = None, **more: Any) -> list[Finding]:
        """But for what was not looked at: NATS, mostly."""
        found = command.check(replace(self.sources, **more), to or self.ours)
        return [each for each in found if each.reason != "not-asked"]

    def reasons(self, to: Release | None = None, **more: Any) -> list[tuple[str, str]]:
        return [(each.reason, each.about) for each in self.findings(to, **more)]


@pytest.fixture
def world(database_url: str) -> World:
    return World(database_url)


# ---- releases


@pytest.mark.parametrize(
    ("one", "other", "are"),
    [
        ("0.1.0", "0.1.7", True), ("0.1.0", "0.2.0", True), ("0.3.0", "0.2.9", True), ("0.1.0", "0.3.0", False),
        ("0.9.0", "1.0.0", False), ("", "0.1.0", False), ("dev", "dev", False),
    ],
)  # fmt: skip
def test_neighbours_are_the_same_release_or_the_next(one: str, other: str, are: bool) -> None:
    assert are_neighbours(one, other) is are


def test_a_major_release_is_next_to_the_last_of_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LAST_MINOR, 0, 9)
    assert are_neighbours("0.9.3", "1.0.0")
    assert not are_neighbours("0.8.0", "1.0.0")
    assert not are_neighbours("0.9.0", "1.1.0")


def test_our_release_knows_every_schema_kind_and_step_and_can_be_handed_on(tmp_path: Path) -> None:
    ours = release.ours()
    assert release_of(ours.version)
    assert ours.schemas["inventory"].revisions[-1].startswith("0001")
    assert {"clean", "deploy", "power"} <= {*ours.kinds}
    assert {"power.set_power", "deploy.deploy"} <= {*ours.steps}
    file = tmp_path / "release.json"
    file.write_text(ours.to_json())
    assert release.find(str(file)) == ours
    assert release.find("0.7.0") == Release(version="0.7.0")
    for nonsense in ("nonsense", str(tmp_path)):
        with pytest.raises(InvalidRequest):
            release.find(nonsense)


# ---- the database


def test_a_site_that_is_well_may_be_upgraded(world: World) -> None:
    world.worker()
    node = world.node("n1", "cleaning", json.dumps({"driver_info": {"/password": Sealer.from_text(KEYS).seal("x")}}))
    world.workflow(node, step="power.set_power")
    assert world.reasons() == []


def test_a_schema_that_is_behind_or_ahead_by_more_than_a_release_is_refused(world: World) -> None:
    revisions = world.ours.schemas["inventory"].revisions
    next_one = replace(world.ours, version="0.2.0", schemas={"inventory": Schema(revisions=["0099", *revisions])})
    assert world.reasons(next_one) == [], "migrations will run"
    later = replace(next_one, schemas={"inventory": Schema(revisions=["0099", "0098", *revisions], oldest="0098")})
    assert world.reasons(later) == [("schema-behind", "inventory")]

    before = replace(world.ours, schemas={"inventory": Schema(revisions=revisions[1:])})
    assert world.reasons(before) == [], "the next release's schema: its predecessor works with it"
    world.do(f"COMMENT ON TABLE inventory.alembic_version IS '{MARK}0.4.0'")
    assert world.reasons(before) == [("schema-ahead", "inventory")]
    world.do("COMMENT ON TABLE inventory.alembic_version IS NULL")
    assert world.reasons(before) == [("schema-unknown", "inventory")]


def test_a_service_leaves_the_next_releases_schema_alone_and_refuses_one_from_further_ahead(world: World) -> None:
    world.do("UPDATE inventory.alembic_version SET version_num = '0099'")
    major, minor = release_of(world.ours.version) or (0, 0)
    world.do(f"COMMENT ON TABLE inventory.alembic_version IS '{MARK}{major}.{minor + 1}.0'")
    migrate("inventory", world.url, "inventory", release.SCHEMAS["inventory"])
    world.do(f"COMMENT ON TABLE inventory.alembic_version IS '{MARK}{major}.{minor + 2}.0'")
    with pytest.raises(Conflict, match="cannot use"):
        migrate("inventory", world.url, "inventory", release.SCHEMAS["inventory"])


def test_workers_that_are_too_far_apart_or_gone_are_named(world: World) -> None:
    world.worker()
    world.worker(version="0.3.0")
    world.worker(ago=300.0)
    reasons = [reason for reason, _ in world.reasons()]
    assert sorted(reasons) == ["replica-failing", "version-apart", "version-apart"]
    assert [reason for reason, _ in world.reasons(replace(world.ours, version="0.2.0"))].count("version-apart") == 1


def test_workflows_that_the_other_release_does_not_know_or_that_are_parked_are_named(world: World) -> None:
    world.worker(steps=("power.set_power", "bios.melt"))
    world.workflow(world.node("kind"), "deploy")
    world.workflow(world.node("step"), "clean", step="bios.melt")
    world.workflow(world.node("agents"), "clean", step="deploy.erase_devices")
    world.workflow(world.node("parked"), "clean", parked=True)
    other = replace(world.ours, kinds=["clean", "power"])
    found = [(each.reason, each.about.split(" ")[0]) for each in world.findings(other)]
    assert sorted(found) == [("workflow-parked", "parked"), ("workflow-unknown", "kind"), ("workflow-unknown", "step")]


def test_nodes_that_nothing_moves_any_more_are_named(world: World) -> None:
    world.workflow(world.node("moves", "deploying"))
    for name, state in (
        ("stuck", "deploying"),
        ("waits", "wait call-back"),
        ("held", "clean hold"),
        ("well", "active"),
    ):
        world.node(name, state)
    assert {about for _, about in world.reasons()} == {"stuck", "waits", "held"}
    assert {reason for reason, _ in world.reasons()} == {"node-without-workflow"}


def test_secrets_whose_key_is_missing_changed_or_not_given_are_named_and_not_shown(world: World) -> None:
    token = Sealer.from_text(KEYS).seal("hunter2")
    world.node("n1", sealed=json.dumps({"driver_info": {"/redfish_password": token}}))
    where = ("secret-unreadable", "inventory.nodes.sealed")
    for keys in (Sealer.new_key("k2"), Sealer.new_key(), None, "nonsense"):
        assert world.reasons(seal_keys=keys) == [where]
    said = json.dumps([each.says for each in world.findings(seal_keys=None)])
    assert token not in said
    assert world.reasons() == []


def test_a_database_that_is_away_is_no_reason_to_go_on(world: World) -> None:
    found = list(command.check(replace(world.sources, database_url="postgresql://127.0.0.1:1/x"), world.ours))
    assert [(each.reason, each.about) for each in found] == [("not-asked", "database"), ("not-asked", "NATS")]


# ---- replicas


@pytest.fixture
def replica() -> Iterator[dict[str, Any]]:
    """What a replica's HTTP says; ``url`` is where."""
    said: dict[str, Any] = {"status": 200, "body": {"version": release.ours().version, "parts": {}}}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(said["status"])
            self.end_headers()
            self.wfile.write(json.dumps(said["body"]).encode())

        def log_message(self, *_: Any) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    said["url"] = f"http://127.0.0.1:{server.server_port}"
    yield said
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_replicas_that_fail_or_are_of_another_time_are_named(world: World, replica: dict[str, Any]) -> None:
    services = {"power": replica["url"], "boot": None}
    assert world.reasons(services=services) == [("replica-failing", "boot")]
    replica |= {"status": 503, "body": {"version": "0.9.0", "parts": {"bus": False, "database": True}}}
    found = world.findings(services=services)
    assert [(each.reason, each.about) for each in found] == [
        ("replica-failing", "power"), ("replica-failing", "boot"), ("version-apart", "power"),
    ]  # fmt: skip
    assert found[0].says == "bus"
    assert ("replica-failing", "power") in world.reasons(services={"power": "http://127.0.0.1:1"})


# ---- NATS


def take(_deliveries: Delivery | list[Delivery]) -> None:
    """Of a service that does nothing."""


def begin_all(bus: NatsBus, site: str) -> None:
    """Consumers as the services make them."""
    for service in permissions.SERVICES:
        for stream, durable, only in permissions.consumers(site, permissions.ROWS[service]):
            bus.consume(stream, durable, [only], take, workers=1)


@pytest.fixture
def streams_world(world: World, nats_bus: NatsBus, own_nats: EmbeddedNats, site: str) -> World:
    begin_all(nats_bus, site)
    world.sources = replace(world.sources, site=site, nats=Way(url=own_nats.url))
    eventually(lambda: world.reasons() == [])
    return world


def with_client(url: str, do: Callable[[Any], Any]) -> None:
    async def run() -> None:
        client = await nats.connect(url)
        await do(client.jetstream())
        await client.close()

    asyncio.run(run())


def test_streams_and_consumers_that_are_not_as_the_services_make_them_are_named(
    streams_world: World, nats_bus: NatsBus, own_nats: EmbeddedNats, site: str
) -> None:
    async def spoil(js: Any) -> None:
        config = (await js.stream_info(subjects.EVENTS_STREAM)).config
        await js.update_stream(config.evolve(max_bytes=10_000_000))
        await js.delete_consumer(subjects.EVENTS_STREAM, subjects.TIMELINE_DURABLE)
        await js.add_consumer(
            subjects.STEPS_STREAM,
            api.ConsumerConfig(
                durable_name="thief", filter_subject=subjects.step(site, "burn-in", "*"),
                ack_policy=api.AckPolicy.EXPLICIT,
            ),
        )  # fmt: skip
        name = subjects.step_durable("power")
        await js.delete_consumer(subjects.STEPS_STREAM, name)
        await js.add_consumer(
            subjects.STEPS_STREAM,
            api.ConsumerConfig(
                durable_name=name, filter_subject=subjects.step(site, "power", "*"), max_deliver=3,
                ack_policy=api.AckPolicy.EXPLICIT,
            ),
        )  # fmt: skip

    nats_bus.close()  # it would set them right
    with_client(own_nats.url, spoil)
    said = {(each.reason, each.about): each.says for each in streams_world.findings()}
    assert said == {
        ("stream-differs", "EVENTS"): "max_bytes is 10000000",
        ("consumer-differs", "EVENTS timeline"): "it is not there",
        ("consumer-differs", "STEPS thief"): "nobody knows it, and what it takes is lost to the services",
        ("consumer-differs", "STEPS step-power"): "gives up after 3 deliveries",
    }


def test_dead_letters_are_counted(streams_world: World, nats_bus: NatsBus, site: str) -> None:
    letter = subjects.dead_letter(site, "step-power", 7)
    nats_bus.publish([Message(subject=letter, body=b"{}", msg_id="dead-7")])
    [found] = streams_world.findings()
    assert (found.reason, found.says) == ("dead-letters", "1 messages could not be handled (by step-power)")


def test_streams_that_are_not_there_are_named(world: World, own_nats: EmbeddedNats) -> None:
    reasons = world.reasons(nats=Way(url=own_nats.url))
    assert {("stream-differs", stream) for stream in subjects.STREAM_SUBJECTS} <= {*reasons}
    own_nats.stop()
    found = list(command.check(replace(world.sources, nats=Way(url=own_nats.url)), world.ours))
    assert [(each.reason, each.about) for each in found] == [("not-asked", "NATS")]


# ---- the command


def asked(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add(parser)
    return parser.parse_args(words)


def test_the_command_says_what_stands_in_the_way_and_what_helps(
    world: World, own_nats: EmbeddedNats, nats_bus: NatsBus, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, site: str,
) -> None:  # fmt: skip
    begin_all(nats_bus, site)
    monkeypatch.setenv("STEELYARD_SITE", site)
    world.node("stuck", "deploying")
    urls = ("--database-url", world.url, "--nats-url", own_nats.url)
    eventually(lambda: command.run(asked(*urls, "--allow", "node-without-workflow"), Layout(tmp_path)) == 0)
    assert "(node-without-workflow)" in capsys.readouterr().out

    assert command.run(asked(*urls), Layout(tmp_path)) == 1
    out = capsys.readouterr().out
    assert "stuck" in out
    assert "Not now: 1 things" in out
    assert command.run(asked(*urls, "--json"), Layout(tmp_path)) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["may_upgrade"], told["findings"][0]["reason"]) == (False, "node-without-workflow")
    assert told["findings"][0]["remedy"] == REASONS["node-without-workflow"]
    assert command.run(asked(*urls, "--to", "0.9.0", "--json"), Layout(tmp_path)) == 1
    assert "version-unknown" in {each["reason"] for each in json.loads(capsys.readouterr().out)["findings"]}


def test_the_command_refuses_what_makes_no_sense(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NotFound, match="nothing runs"):
        command.run(asked(), Layout(tmp_path))
    for words in (("--allow", "everything"), ("--to", "nonsense"), ("--service", "power")):
        with pytest.raises(InvalidRequest):
            command.run(asked(*words), Layout(tmp_path))
    assert main(["upgrade-check", "--data", str(tmp_path), "--allow", "x"]) == 2
    assert main(["upgrade-check", "--data", str(tmp_path)]) == 1
    assert main(["upgrade-check", "--print-release"]) == 0
    assert '"version"' in capsys.readouterr().out
