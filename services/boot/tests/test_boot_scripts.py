"""What machines are told over HTTP: by UUID, MAC and address, in their loader's language, and nothing of others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from steelyard_boot.domain.boot_model import Drive, Purpose
from steelyard_boot.domain.composing import Site as SiteRules
from steelyard_boot.domain.node_for_boot import BootOf, NodeForBoot, Volumes
from steelyard_boot.domain.waterfall import STRANGE_MACS, Hop, Note
from steelyard_boot.drivers.loaders import Loaders
from steelyard_boot.handlers import boot_scripts, boot_traffic
from steelyard_boot.handlers.http import make_app
from steelyard_boot.service.boots import Boots
from steelyard_boot.service.scripts import Asked, Scripts
from steelyard_boot.service.traffic import Traffic
from steelyard_boot.store import attempts, boots
from steelyard_common.db import Database
from steelyard_common.errors import InvalidRequest, Unsupported
from steelyard_common.testing import SetClock

from services.boot.tests.boot_stage import (
    BASE,
    ISO,
    MAC,
    OTHER_MAC,
    SYSTEM,
    Answer,
    NoMedia,
    Site,
    agent,
    machine,
    serving,
)  # fmt: skip
from services.boot.tests.ipxe_reader import Machine

HEX = MAC.replace(":", "-")
LAN = "http://api.example:6385"


@dataclass
class Desk:
    """The parts behind the HTTP."""

    boots: Boots
    notes: list[Note]
    database: Database
    clock: SetClock
    loaders: Path


@pytest.fixture
def desk(database: Database, clock: SetClock, tmp_path: Path) -> Desk:
    rules = SiteRules(api_url=LAN, arguments="nofb vga=normal")
    return Desk(
        boots=Boots(database, rules, NoMedia(), clock), notes=[], database=database, clock=clock, loaders=tmp_path
    )


@pytest.fixture
def site(desk: Desk) -> Iterator[Site]:
    scripts = Scripts(
        desk.database, lambda: BASE, desk.notes.append, desk.clock, lambda sealed: sealed.removeprefix("sealed:")
    )
    app = make_app([boot_scripts.blueprint(scripts, Loaders(str(desk.loaders)))])
    boot_traffic.watch(app, Traffic(desk.database, desk.notes.append, desk.clock))
    with serving(app) as served:
        yield served


def kernel_line(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.text
    runs = Machine(settings={"mac": MAC})
    assert runs.run(answer.text) == "boot"
    return next(words for words in runs.log if words[0] == "kernel")


def test_a_machine_finds_its_script_by_system_uuid_in_either_byte_order_and_by_any_of_its_nics(
    desk: Desk, site: Site
) -> None:
    boot_id = desk.boots.prepare(machine(), agent()).boot_id

    swapped = "44454c4c-4200-1035-8052-b4c04f4d3132"
    asked = [
        f"uuid={SYSTEM}&mac=",
        f"uuid={swapped}",
        f"uuid=&mac={HEX}",
        f"mac={OTHER_MAC}",
        f"mac=00:00:00:00:00:09&mac={HEX}",
    ]
    lines = [kernel_line(site.get(f"/ipxe?{names}")) for names in asked]

    assert all(line == lines[0] for line in lines)
    assert lines[0] == [
        "kernel", "--name", "kernel", f"/artifacts/{'kernel' * 8}/kernel?boot={boot_id}&as=kernel",
        "initrd=ramdisk", "nofb", "vga=normal", "selinux=0", "troubleshoot=0", "text", f"ipa-api-url={LAN}",
        f"BOOTIF={MAC}",
    ]  # fmt: skip
    assert [note.hop for note in desk.notes] == [Hop.SCRIPT] * len(asked)


def test_a_machine_that_has_a_nic_of_another_node_gets_its_script_and_the_waterfall_knows(
    desk: Desk, site: Site
) -> None:
    desk.boots.prepare(machine(), agent())
    desk.boots.prepare(machine(properties={}, ports=[{"address": "52:54:00:00:00:03"}]), agent())

    for names in (f"uuid={SYSTEM}&mac=52-54-00-00-00-03", f"uuid={SYSTEM}&mac={HEX}", f"uuid={SYSTEM}&mac=x"):
        assert site.get(f"/ipxe?{names}").status == 200

    assert [note.detail.get(STRANGE_MACS) for note in desk.notes] == ["52:54:00:00:00:03", None, None]


def test_nobody_else_is_told_anything(desk: Desk, site: Site) -> None:
    desk.boots.prepare(machine(), agent())

    for names in (
        "",
        "mac=52-54-00-00-00-09",
        "uuid=00000000-0000-0000-0000-000000000000",
        "mac=x&uuid=y",
        "mac=%27%20OR%201=1",
    ):
        answer = site.get(f"/ipxe?{names}")
        assert answer.status == 404
        assert MAC not in answer.text
        assert "artifacts" not in answer.text


def test_a_machine_that_somebody_knows_and_nobody_wants_anything_of_boots_its_own_disk(desk: Desk) -> None:
    def is_known(asked: Asked) -> bool:
        return MAC in asked.macs

    scripts = Scripts(desk.database, lambda: BASE, desk.notes.append, desk.clock, str, is_known)
    with serving(make_app([boot_scripts.blueprint(scripts, Loaders())])) as site:
        assert Machine(settings={"platform": "efi"}).run(site.get(f"/ipxe?mac={HEX}").text) == "exit"
        assert "exit" in site.get(f"/grub.cfg-01-{HEX}").text
        assert "LOCALBOOT" in site.get(f"/pxelinux.cfg/01-{HEX}").text
        assert site.get("/ipxe?mac=52-54-00-00-00-09").status == 404


def test_two_nodes_with_the_same_name_get_neither_script(desk: Desk, site: Site) -> None:
    desk.boots.prepare(machine(), agent())
    desk.boots.prepare(machine(properties={}), agent())

    assert site.get(f"/ipxe?mac={HEX}").status == 404
    assert site.get(f"/ipxe?mac={HEX}&uuid={SYSTEM}").status == 200


def test_a_machine_is_found_by_the_address_that_dhcp_gave_to_one_of_its_nics(desk: Desk, site: Site) -> None:
    desk.boots.prepare(machine("pxe"), agent())
    assert site.get("/pxelinux.cfg/default").text.startswith("SAY No boot configuration")

    with desk.database.begin() as transaction:
        attempts.write_leases(transaction.connection, {"127.0.0.1": MAC}, desk.clock())

    assert "KERNEL http://" in site.get("/pxelinux.cfg/default").text
    assert "KERNEL http://" in site.get("/pxelinux.cfg/7F000001").text
    assert site.get("/pxelinux.cfg/7F000002").status == 404
    assert "linux '/artifacts/" in site.get("/grub/grub.cfg").text


@pytest.mark.parametrize("name", [f"01-{HEX}", SYSTEM])
@pytest.mark.parametrize(
    "where", ["/grub.cfg-", "/grub/grub.cfg-", "/EFI/debian/grub.cfg-", "/pxelinux.cfg/", "/boot/pxelinux.cfg/"]
)
def test_grub_and_pxelinux_find_theirs_under_the_names_they_make(desk: Desk, site: Site, where: str, name: str) -> None:
    boot_id = desk.boots.prepare(machine("http"), agent()).boot_id

    text = site.get(where + name).text

    assert ("linux '/artifacts/" in text) or (f"KERNEL {site.url}/artifacts/" in text)
    assert f"ipa-api-url={LAN}" in text
    assert boot_id in text


def test_grub_that_is_not_known_yet_gets_the_entry_that_asks_by_mac(site: Site) -> None:
    assert "${net_default_mac}" in site.get("/grub.cfg").text
    assert site.get("/grub.cfg-01-52-54-00-00-00-09").status == 404


def test_the_same_script_serves_ipv4_and_ipv6(desk: Desk, site: Site) -> None:
    desk.boots.prepare(machine("http"), agent())
    scripts = Scripts(desk.database, lambda: BASE, desk.notes.append, desk.clock, str)
    try:
        with serving(make_app([boot_scripts.blueprint(scripts, Loaders())]), "::1") as v6:
            grub6, ipxe6 = v6.get(f"/grub.cfg-01-{HEX}").text, v6.get(f"/ipxe?mac={HEX}").text
    except OSError:
        pytest.skip("no IPv6 on this machine")

    assert grub6 == site.get(f"/grub.cfg-01-{HEX}").text
    assert ipxe6 == site.get(f"/ipxe?mac={HEX}").text


def test_grub_needs_no_host_it_leaves_its_port_out_of_it(desk: Desk, site: Site) -> None:
    desk.boots.prepare(machine("http"), agent())

    assert "linux '/artifacts/" in site.get(f"/grub.cfg-01-{HEX}", Host="127.0.0.1").text


def test_a_host_that_is_none_is_refused(desk: Desk, site: Site) -> None:
    desk.boots.prepare(machine("pxe"), agent())

    answer = site.get(f"/pxelinux.cfg/01-{HEX}", Host="x') reboot #")

    assert answer.status == 400
    assert "reboot" not in answer.text


def test_after_the_work_the_machine_boots_its_own_disk_and_is_not_forgotten(desk: Desk, site: Site) -> None:
    node = machine()
    desk.boots.prepare(node, agent())
    desk.boots.clear(node)

    assert Machine(settings={"platform": "efi"}).run(site.get(f"/ipxe?mac={HEX}").text) == "exit"
    assert "LOCALBOOT" in site.get(f"/pxelinux.cfg/01-{HEX}").text
    assert "exit" in site.get(f"/grub.cfg-01-{HEX}").text

    desk.boots.forget(node.uuid)
    assert site.get(f"/ipxe?mac={HEX}").status == 404


def test_a_diskless_node_boots_an_iso_over_the_network_and_no_agent_is_told_of(desk: Desk, site: Site) -> None:
    desk.boots.prepare(machine(), BootOf(purpose=Purpose.RAMDISK, iso=ISO))

    runs = Machine()
    ended = runs.run(site.get(f"/ipxe?mac={HEX}").text)

    assert ended.startswith("sanboot --no-describe /artifacts/")
    assert "ipa-" not in ended


def test_several_nodes_boot_one_volume_and_only_ipxe_is_told_the_password(desk: Desk, site: Site) -> None:
    volumes = Volumes(
        drives=(Drive(urls=("iscsi:192.0.2.9::3260:1:iqn.x",)),),
        initiator="iqn.me",
        username="u",
        password="sealed:p4ss",
    )
    second = machine(ports=[{"address": "52:54:00:00:00:03"}], properties={})
    for node in (machine(), second):
        desk.boots.prepare(node, BootOf(purpose=Purpose.VOLUME, volumes=volumes))

    for mac in (HEX, "52-54-00-00-00-03"):
        runs = Machine()
        assert runs.run(site.get(f"/ipxe?mac={mac}").text).startswith("sanboot")
        assert runs.settings["password"] == "p4ss"
    with desk.database.read() as connection:
        assert "p4ss" not in str(connection.exec_driver_sql("SELECT model::text FROM boots").all()).replace(
            "sealed:p4ss", ""
        )
    with desk.database.begin() as transaction:
        attempts.write_leases(transaction.connection, {"127.0.0.1": "52:54:00:00:00:03"}, desk.clock())
    assert site.get(f"/ipxe?mac={HEX}").status == 404, "it is known to be another machine"


@pytest.mark.parametrize("interface", ["pxe", "http"])
def test_a_boot_interface_that_cannot_bring_it_says_which_can(desk: Desk, interface: str) -> None:
    volumes = Volumes(drives=(Drive(urls=("iscsi:a::3260:1:iqn.x",)),))
    for what in (BootOf(purpose=Purpose.VOLUME, volumes=volumes), BootOf(purpose=Purpose.RAMDISK, iso=ISO)):
        with pytest.raises(Unsupported, match="ipxe"):
            desk.boots.prepare(machine(interface), what)


def test_a_node_nobody_could_tell_apart_and_a_mode_without_a_loader_are_refused(desk: Desk) -> None:
    with pytest.raises(Unsupported, match="bios"):
        desk.boots.prepare(machine("http", properties={"capabilities": "boot_mode:bios"}), agent())
    with pytest.raises(InvalidRequest, match="boot_mode"):
        machine(properties={"capabilities": "boot_mode:cassette"})


def test_arguments_of_the_node_replace_the_sites_or_contain_them(desk: Desk, site: Site) -> None:
    desk.boots.prepare(
        machine(driver_info={"kernel_append_params": 'console=ttyS0 x="a b" %default%'}),
        agent(arguments=("ipa-debug=1",)),
    )

    line = kernel_line(site.get(f"/ipxe?mac={HEX}"))

    assert line[5:11] == ["console=ttyS0", 'x="a', 'b"', "nofb", "vga=normal", "selinux=0"]
    assert "ipa-debug=1" in line


def test_the_agent_is_told_the_api_of_both_families(desk: Desk, site: Site) -> None:
    urls = ("http://192.0.2.1:6385", "http://[2001:db8::1]:6385")
    boots_ = Boots(desk.database, SiteRules(api_url=",".join(urls)), NoMedia(), desk.clock)

    boots_.prepare(machine(), agent(purpose=Purpose.INSPECT))

    line = kernel_line(site.get(f"/ipxe?mac={HEX}"))
    assert f"ipa-api-url={urls[0]},{urls[1]}" in line
    callbacks = ",".join(f"{url}/v1/continue_inspection" for url in urls)
    assert f"ipa-inspection-callback-url={callbacks}" in line


def test_an_agent_cannot_be_prepared_where_nobody_said_where_the_api_is(desk: Desk) -> None:
    boots_ = Boots(desk.database, SiteRules(), NoMedia(), desk.clock)

    with pytest.raises(InvalidRequest, match="STEELYARD_AGENT_API_URL"):
        boots_.prepare(machine(), agent())


def test_what_begins_with_a_boot_is_written_with_it_or_not_at_all(desk: Desk) -> None:
    def refuse(*_args: object) -> None:
        raise InvalidRequest("no")

    boots_ = Boots(desk.database, SiteRules(api_url=LAN), NoMedia(), desk.clock, begun=[refuse])
    node = machine()
    with pytest.raises(InvalidRequest):
        boots_.prepare(node, agent())

    with desk.database.read() as connection:
        assert boots.of_node(connection, node.uuid) is None


def test_loaders_come_from_the_operators_folder_first_and_no_other_file_does(desk: Desk, site: Site) -> None:
    (desk.loaders / "snponly.efi").write_bytes(b"own loader")
    (desk.loaders / ".hidden").write_bytes(b"x")
    secret = desk.loaders.parent / "secret"
    secret.write_bytes(b"secret")

    assert site.get("/loaders/snponly.efi").text == "own loader"
    for name in ("..%2Fsecret", "%2e%2e/secret", ".hidden", "missing.efi", f"{os.pardir}%5csecret", "a%00b"):
        assert site.get(f"/loaders/{name}").status in (400, 404), name


def test_a_script_that_fails_at_the_machine_says_so(desk: Desk, site: Site) -> None:
    boot_id = desk.boots.prepare(machine(), agent()).boot_id

    assert site.get(f"/ipxe/trouble?boot={boot_id}&at=ramdisk&errno=2d:0c:61:3b").status == 200
    assert site.get(f"/ipxe/trouble?boot={NodeForBoot.__name__}&at=x").status == 200

    told = [(note.hop, note.outcome, note.detail["errno"]) for note in desk.notes]
    assert told == [(Hop.RAMDISK, "failed", "2d:0c:61:3b")]
