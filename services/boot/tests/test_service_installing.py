"""An installer is brought to a node with a kickstart of its own, watched, and taken away; nobody else reads it."""

from __future__ import annotations

import base64
import gzip
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text as sql
from steelyard_boot.domain.ipxe import script
from steelyard_boot.domain.waterfall import FAILED, Expectation, Hop, Note, judge
from steelyard_boot.drivers.iso import files_image, files_of
from steelyard_boot.handlers import installers
from steelyard_boot.handlers.boot_traffic import watch
from steelyard_boot.handlers.http import make_app
from steelyard_boot.service.traffic import Traffic
from steelyard_boot.store import boots as boot_store
from steelyard_boot.store import kickstarts as kickstart_store
from steelyard_boot.working import make_kickstarts
from steelyard_common.bus import MemoryBus
from steelyard_common.contracts.steps import Again, Done, Failed, StepResult, Wait
from steelyard_common.db import Database
from steelyard_common.errors import InvalidRequest
from steelyard_common.testing import SetClock

from services.boot.tests.agent_stage import MAC, NODE, Stage, stage
from services.boot.tests.artifact_parts import settings

NOTES: list[Note] = []
HEADER = {"X-RHN-Provisioning-MAC-0": "lo 00:00:00:00:00:00", "X-RHN-Provisioning-MAC-1": f"eth0 {MAC}"}
OTHER = {"X-RHN-Provisioning-MAC-0": "eth0 52:54:00:00:00:99"}


@pytest.fixture
def ground(database: Database, memory_bus: MemoryBus, clock: SetClock, tmp_path: Path) -> Iterator[Stage]:
    with stage(
        database, memory_bus, clock, tmp_path, agent_api_url="http://api.example:6385,http://[2001:db8::5]:6385"
    ) as found:
        for name in ("stage2", "os.tar.gz"):
            (tmp_path / "files" / name).write_bytes(name.encode())
        files = f"file://{tmp_path}/files"
        found.node["interfaces"] = {**found.node["interfaces"], "deploy": "anaconda"}
        found.node["instance_info"] = {
            "kernel": f"{files}/kernel", "ramdisk": f"{files}/ramdisk", "stage2": f"{files}/stage2",
            "image_source": f"{files}/os.tar.gz",
        }  # fmt: skip
        yield found


def web(ground: Stage) -> FlaskClient:
    """Boot's HTTP, as far as installers ask."""
    kickstarts = make_kickstarts(settings(ground.folder / "artifacts"), ground.database, ground.clock)
    traffic = Traffic(ground.database, NOTES.append, ground.clock)
    app: Flask = make_app([installers.blueprint(kickstarts, traffic, lambda key: Flask.response_class(key))])
    watch(app, traffic)
    return app.test_client()


def booted(ground: Stage) -> dict[str, str]:
    """What the kernel of the machine is told, name → value."""
    with ground.database.read() as connection:
        row = boot_store.of_node(connection, NODE)
    assert row is not None
    return {name: value for name, _, value in (word.partition("=") for word in row.model.arguments)}


def folder_of(ground: Stage) -> str:
    return "/" + booted(ground)["inst.ks"].split("/", 3)[3].removesuffix("/ks.cfg")


def beat(ground: Stage, token: str, status: str, message: str | None = None) -> None:
    told: dict[str, Any] = {"url": "", "token": token, "version": None, "verify_ca": None}
    ground.agents.heartbeat(NODE, told | {"status": status, "status_message": message})


def read(ground: Stage) -> str:
    found = web(ground).get(f"{folder_of(ground)}/ks.cfg", headers=HEADER)
    assert (found.status_code, found.headers["Cache-Control"]) == (200, "no-store")
    return found.text


def token_of(kickstart: str) -> str:
    (token,) = set(re.findall(r'"agent_token": "([^"]+)"', kickstart))
    return str(token)


def message(result: StepResult) -> str:
    assert isinstance(result, Failed)
    return result.error.message


def test_an_installation_from_its_kickstart_to_its_end(ground: Stage) -> None:
    assert ground.fetched("deploy", "prepare") == Done()
    assert ground.run("deploy", "deploy") == Done()
    assert ground.boots() == "install"
    told = booted(ground)
    assert told["inst.stage2"] == told["inst.ks"].removesuffix("/ks.cfg")
    assert "inst.sendmac" not in told
    assert "inst.ks.sendmac" in told

    text = read(ground)
    token = token_of(text)
    assert re.search(r'liveimg --url="http://boot.example:8089/artifacts/[0-9a-f]{64}/os.tar.gz" --checksum=', text)
    urls = f"http://api.example:6385/v1/heartbeat/{NODE} 'http://[2001:db8::5]:6385/v1/heartbeat/{NODE}'"
    assert f"for url in {urls}; do" in text
    stage2 = web(ground).get(f"{folder_of(ground)}/LiveOS/squashfs.img")
    assert stage2.status_code == 200
    assert stage2.text == web(ground).get(f"{folder_of(ground)}/images/install.img").text

    assert isinstance(ground.run("deploy", "watch_installer"), Wait)
    beat(ground, token, "start")
    assert isinstance(ground.go_on("deploy", "watch_installer"), Wait)
    beat(ground, token, "end", "The installation is complete.")
    folder = folder_of(ground)
    rest = ground.slice("deploy", "watch_installer")
    assert isinstance(rest, Again)
    assert rest.after_s == 30
    assert ground.boots() == "local"
    assert ground.slice("deploy", "watch_installer", times=2) == Done()
    assert web(ground).get(f"{folder}/ks.cfg", headers=HEADER).status_code == 404
    assert ground.agents.session(NODE) is None


def test_a_kickstart_is_sealed_and_told_to_its_machine_alone_as_long_as_that_is_to_boot_it(ground: Stage) -> None:
    ground.fetched("deploy", "prepare")
    folder, token, asker = folder_of(ground), token_of(read(ground)), web(ground)
    with ground.database.read() as connection:
        kept = kickstart_store.find(connection, folder.rpartition("/")[2])
    assert kept is not None
    assert token not in kept.kickstart.text
    assert token not in repr(kept)

    NOTES.clear()
    assert asker.get(f"{folder}/ks.cfg").status_code == 403
    assert [(note.hop, note.outcome) for note in NOTES] == [(Hop.KICKSTART, FAILED)]
    expected = Expectation(interface="ipxe", purpose="install", last=Hop.HEARTBEAT)
    assert "no MAC address of the node's ports" in judge(NOTES, expected).reason
    assert asker.get(f"{folder}/ks.cfg", headers=OTHER).status_code == 403
    assert asker.get(f"{folder}x/ks.cfg", headers=HEADER).status_code == 404
    with ground.database.begin() as transaction:
        transaction.connection.execute(
            sql("INSERT INTO boot_leases (ip, mac, seen_at) VALUES ('127.0.0.1', '52:54:00:00:00:99', now())")
        )
    assert asker.get(f"{folder}/ks.cfg", headers=HEADER).status_code == 403

    assert ground.run("deploy", "clean_up") == Done()
    assert asker.get(f"{folder}/LiveOS/squashfs.img").status_code == 404
    with ground.database.read() as connection:
        assert connection.execute(sql("SELECT count(*) FROM boot_kickstarts")).scalar() == 0


def test_each_preparation_has_a_name_and_a_token_of_its_own(ground: Stage) -> None:
    ground.fetched("deploy", "prepare")
    before, token = folder_of(ground), token_of(read(ground))
    ground.fetched("deploy", "prepare")
    assert token_of(read(ground)) != token
    assert web(ground).get(f"{before}/ks.cfg", headers=HEADER).status_code == 404


def test_no_script_that_leads_to_a_kickstart_has_anything_to_quote(ground: Stage) -> None:
    ground.fetched("deploy", "prepare")
    with ground.database.read() as connection:
        row = boot_store.of_node(connection, NODE)
    assert row is not None
    assert row.model.tells_secret
    line = next(each for each in script(row.model, lambda file: file.url, "/t").split("\n") if "inst.ks=" in each)
    assert line.startswith("kernel ")
    assert "BOOTIF=${mac}" in line


def test_what_the_installer_says_of_its_failure_is_told(ground: Stage) -> None:
    ground.fetched("deploy", "prepare")
    beat(ground, token_of(read(ground)), "error", "The installation failed: no disk")
    assert "no disk" in message(ground.run("deploy", "watch_installer"))


DRIVE = {
    "openstack/latest/meta_data.json": b'{"uuid":"i","name":"n","hostname":"n"}',
    "openstack/latest/user_data": b"#!/bin/sh\n",
}
PACKED = gzip.compress(files_image("config-2", DRIVE))


@pytest.mark.parametrize("form", ["base64", "url", "object"])
def test_a_config_drive_in_any_form_is_written_file_by_file(ground: Stage, form: str) -> None:
    (ground.folder / "files" / "drive").write_bytes(PACKED)
    told: dict[str, Any] = {
        "base64": base64.b64encode(PACKED).decode(), "url": f"file://{ground.folder}/files/drive",
        "object": {"meta_data": {"uuid": "i", "name": "n", "hostname": "n"}, "user_data": "#!/bin/sh\n"},
    }  # fmt: skip
    ground.inventory.nodes[NODE]["configdrive"] = told[form]

    assert ground.fetched("deploy", "prepare") == Done()

    text = read(ground)
    for path in DRIVE:
        written = re.search(rf"config_drive/{path} << 'END-OF-FILE'\n(.*?)\nEND-OF-FILE", text, re.DOTALL)
        assert written is not None
        assert base64.b64decode(written[1]) == DRIVE[path]


def test_a_broken_config_drive_is_read_or_refused_and_trips_nobody() -> None:
    whole, dice = gzip.decompress(PACKED), random.Random(1)  # noqa: S311  # the same each time, no secret
    used = [at for at, byte in enumerate(whole) if byte]
    outcomes = set[type]()
    for _ in range(300):
        broken = bytearray(whole)
        for at in dice.choices(used, k=dice.choice([1, 5, 20])):
            broken[at] = dice.randrange(256)
        try:
            outcomes.add(type(files_of(bytes(broken[: dice.choice([None, 40_000])]), 1 << 20)))
        except InvalidRequest as error:
            outcomes.add(type(error))
    assert outcomes == {dict, InvalidRequest}
    with pytest.raises(InvalidRequest, match="more than 5 bytes"):
        files_of(whole, 5)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"ks_template": "file://{}/none"}, "instance_info ks_template"),
        ({"ks_template": "file://{}/bad"}, "'for' is not taken"),
        ({"ks_template": "file://{}/binary"}, "UTF-8"),
        ({"ks_template": "file://{}/long"}, "more than 128.0 KiB"),
        ({"ks_template": "file://{}/bad", "ks_template_checksum": "a" * 64}, "sha256"),
        ({"stage2": ""}, "no stage2"),
        ({"stage2": "file://{}/none"}, "instance_info stage2"),
        ({"stage2_checksum": "b" * 64}, "stage2"),
        ({"image_source": "http://images.example/os.tar.gz"}, "image_checksum"),
        ({"image_source": "file://{}/$(id)"}, "percent-encode"),
        ({"root_device": {"size": 3}}, "root_device"),
    ],
)
def test_what_cannot_be_installed_fails_with_what_to_change(
    ground: Stage, changed: dict[str, Any], says: str
) -> None:  # fmt: skip
    files = ground.folder / "files"
    for name, content in (("bad", b"{% for x in y %}{% endfor %}"), ("binary", b"\xff\xfe"), ("long", b"x" * 140_000)):
        (files / name).write_bytes(content)
    ground.node["instance_info"] |= {
        key: value.replace("{}", str(files)) if isinstance(value, str) else value for key, value in changed.items()
    }
    assert says in message(ground.fetched("deploy", "prepare"))
    assert ground.boots() == "nothing"


def test_a_projects_template_leads_to_no_internal_address(ground: Stage) -> None:
    ground.node["lessee"] = "p1"
    ground.node["instance_info"] |= {"ks_template": "http://127.0.0.1:9/ks.cfg"}
    assert "internal network" in message(ground.fetched("deploy", "prepare"))


def test_a_tree_brings_its_own_second_stage(ground: Stage) -> None:
    ground.node["instance_info"] |= {"stage2": None, "image_source": "http://mirror.example/os/"}
    assert ground.fetched("deploy", "prepare") == Done()
    told = booted(ground)
    assert (told["inst.repo"], "inst.stage2" in told) == ("http://mirror.example/os/", False)
    assert 'url --url="http://mirror.example/os/"' in read(ground)
    assert web(ground).get(f"{folder_of(ground)}/LiveOS/squashfs.img").status_code == 404


@pytest.mark.parametrize("boot", ["redfish-virtual-media", "fake"])
def test_an_installer_that_cannot_be_booted_is_refused_with_what_to_set(ground: Stage, boot: str) -> None:
    ground.node["interfaces"] = {**ground.node["interfaces"], "boot": boot}
    assert "'ipxe'" in message(ground.fetched("deploy", "prepare"))


def test_a_machine_that_is_adopted_has_nothing_installed(ground: Stage) -> None:
    ground.node["provision_state"] = "adopting"
    assert ground.run("deploy", "prepare") == Done()
    assert ground.boots() == "nothing"


@pytest.mark.parametrize(
    ("seen", "hop", "word"),
    [
        ((Hop.KERNEL, Hop.RAMDISK), Hop.KICKSTART, "panicked"),
        ((Hop.RAMDISK, Hop.KICKSTART), Hop.STAGE2, "no stage2"),
        ((Hop.KICKSTART, Hop.STAGE2), Hop.HEARTBEAT, "does not reach the API"),
    ],
)
def test_where_an_installer_stopped_is_told(seen: tuple[Hop, ...], hop: Hop, word: str) -> None:
    clock = SetClock()
    notes = [Note(node_uuid=NODE, hop=each, outcome="ok", at=clock()) for each in seen]
    found = judge(notes, Expectation(interface="ipxe", purpose="install", last=Hop.HEARTBEAT))
    assert found.hop is hop
    assert word in found.reason
