"""DHCP servers that are driven: a real dnsmasq answers machines of all kinds, Kea takes what is written for it."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from steelyard_boot.domain.boot_model import Purpose
from steelyard_boot.domain.composing import Site
from steelyard_boot.domain.dhcp import Host, SiteRules
from steelyard_boot.domain.node_for_boot import NodeForBoot
from steelyard_boot.domain.waterfall import Hop, Note
from steelyard_boot.drivers.dhcp import Dnsmasq, Kea
from steelyard_boot.drivers.folder import Folder
from steelyard_boot.drivers.loaders import Loaders
from steelyard_boot.drivers.log_file import LogFile
from steelyard_boot.drivers.tftp_tree import TftpTree
from steelyard_boot.service.boots import Boots
from steelyard_boot.service.dhcp import Followers, LogReader
from steelyard_boot.service.media import artifact_key
from steelyard_common.db import Database
from steelyard_common.errors import Unavailable
from steelyard_common.testing import SetClock, eventually

from services.boot.tests import real_dnsmasq
from services.boot.tests.artifact_parts import now, running
from services.boot.tests.boot_stage import MAC, OTHER_MAC, NoMedia, agent, machine
from services.boot.tests.test_boot_scripts import LAN

URL = "http://192.0.2.1:8089"
RULES = SiteRules(url=URL, tftp_server="192.0.2.2", loaders=("vendor.efi", "own.efi"))
UUID, UUID2 = "8ac951e5-0800-43ec-be85-0af36c7d306c", "1111e5e5-0800-43ec-be85-0af36c7d306c"
BIOS, UEFI, ARM, HTTP = 0, 7, 11, 16
STRANGER = "52:54:00:00:00:09"
HOST = Host(node_uuid=UUID, interface="ipxe", macs=(MAC,))


def nobody() -> list[Host]:
    return []


CASES = [
    ("ipxe", BIOS, False, "undionly.kpxe"), ("ipxe", UEFI, False, "snponly.efi"), ("ipxe", 9, False, "snponly.efi"),
    ("ipxe", ARM, False, "snponly-arm64.efi"), ("ipxe", HTTP, False, f"{URL}/loaders/snponly.efi"),
    ("ipxe", BIOS, True, f"{URL}/boot.ipxe"), ("ipxe", UEFI, True, f"{URL}/boot.ipxe"),
    ("pxe", BIOS, False, "pxelinux.0"), ("pxe", UEFI, False, "bootx64.efi"), ("pxe", BIOS, True, "pxelinux.0"),
    ("pxe", ARM, False, "bootaa64.efi"), ("http", HTTP, False, f"{URL}/loaders/bootx64.efi"),
    ("http", UEFI, False, "bootx64.efi"), ("http-ipxe", HTTP, False, f"{URL}/loaders/snponly.efi"),
    ("http-ipxe", UEFI, True, f"{URL}/boot.ipxe"),
]  # fmt: skip


def test_every_machine_is_told_its_loader_by_a_real_dnsmasq(tmp_path: Path) -> None:
    dhcp = Dnsmasq(tmp_path / "dhcp")
    dhcp.write_site(RULES)
    macs = {}
    for number, interface in enumerate(("ipxe", "pxe", "http", "http-ipxe")):
        macs[interface] = f"52:54:00:00:01:{number:02x}"
        dhcp.write(Host(node_uuid=f"{number}", interface=interface, macs=(macs[interface],)), nobody)
    with real_dnsmasq.running(tmp_path, tmp_path / "dhcp" / "steelyard.conf") as server:
        told = [(server.ask(macs[interface], arch, is_ipxe=is_ipxe), file) for interface, arch, is_ipxe, file in CASES]
        stranger = server.ask(STRANGER, UEFI)
        http = server.ask(macs["http"], HTTP)

    assert [offer.file if offer else None for offer, _ in told] == [file for _, file in told]
    assert stranger is not None
    assert stranger.file == "snponly.efi"
    assert http is not None
    assert http.options[real_dnsmasq.VENDOR] == b"HTTPClient"


def test_a_strangers_machine_gets_no_answer_where_only_known_ones_do(tmp_path: Path) -> None:
    dhcp = Dnsmasq(tmp_path / "dhcp")
    dhcp.write_site(SiteRules(url=URL, only_known=True))
    dhcp.write(Host(node_uuid=UUID, interface="ipxe", macs=(MAC,)), nobody)

    with real_dnsmasq.running(tmp_path, tmp_path / "dhcp" / "steelyard.conf") as server:
        assert server.ask(MAC, UEFI) is not None
        assert server.ask(STRANGER, UEFI, wait_s=1) is None


def test_a_node_that_comes_or_goes_is_known_after_the_hang_up_signal_again_and_again(tmp_path: Path) -> None:
    dhcp = Dnsmasq(tmp_path / "dhcp", tmp_path / "dnsmasq.pid")
    dhcp.write_site(SiteRules(url=URL, only_known=True))
    host = Host(node_uuid=UUID, interface="ipxe", macs=(MAC,))
    with real_dnsmasq.running(tmp_path, tmp_path / "dhcp" / "steelyard.conf") as server:
        for _ in range(2):
            dhcp.write(host, nobody)
            eventually(lambda: server.ask(MAC, UEFI, wait_s=0.5), timeout_s=30)
            dhcp.remove(UUID, nobody)
            eventually(lambda: server.ask(MAC, UEFI, wait_s=0.5) is None, timeout_s=30)


def test_a_node_may_want_its_own_loader_and_is_known_when_dnsmasq_was_started_again(tmp_path: Path) -> None:
    dhcp = Dnsmasq(tmp_path / "dhcp", tmp_path / "dnsmasq.pid", restarts=True)
    dhcp.write_site(RULES)
    with real_dnsmasq.running(tmp_path, tmp_path / "dhcp" / "steelyard.conf") as server:
        dhcp.write(Host(node_uuid=UUID, interface="ipxe", macs=(MAC,), loader="vendor.efi"), nobody)
        eventually(lambda: "exiting on receipt of SIGTERM" in server.log.read_text(), timeout_s=30)
    with real_dnsmasq.running(tmp_path, tmp_path / "dhcp" / "steelyard.conf") as server:
        by_firmware, by_http, by_ipxe = (
            server.ask(MAC, UEFI),
            server.ask(MAC, HTTP),
            server.ask(MAC, UEFI, is_ipxe=True),
        )

    assert [offer.file if offer else None for offer in (by_firmware, by_http, by_ipxe)] == [
        "vendor.efi", f"{URL}/loaders/vendor.efi", f"{URL}/boot.ipxe",
    ]  # fmt: skip


def test_a_signal_that_cannot_be_sent_is_no_reason_to_fail(tmp_path: Path) -> None:
    dhcp = Dnsmasq(tmp_path, tmp_path / "none.pid", restarts=True)
    dhcp.write_site(RULES)

    dhcp.write(Host(node_uuid=UUID, interface="pxe", macs=(MAC, OTHER_MAC)), nobody)
    dhcp.write(Host(node_uuid=UUID2, interface="ipxe", macs=(STRANGER,)), nobody)

    assert (tmp_path / "tagged" / f"{UUID}.conf").read_text() == (
        f"dhcp-host={MAC},set:steelyard-pxe\ndhcp-host={OTHER_MAC},set:steelyard-pxe\n"
    )
    assert (tmp_path / "hosts" / UUID2).read_text() == f"{STRANGER}\n"


def test_addresses_of_both_families_are_given_out_with_an_advertisement_for_the_newer(tmp_path: Path) -> None:
    rules = SiteRules(url="http://[fd00::1]:8089", ranges=("192.0.2.10,192.0.2.20", "fd00::10,fd00::20"))
    Dnsmasq(tmp_path).write_site(rules)
    text = (tmp_path / "steelyard.conf").read_text()

    assert "enable-ra" in text.splitlines()
    assert "option6:59,http://[fd00::1]:8089/loaders/snponly.efi" in text
    assert "option6:59,tftp://[fd00::1]/snponly.efi" in text
    if real_dnsmasq.DNSMASQ:
        words = [real_dnsmasq.DNSMASQ, "--test", f"--conf-file={tmp_path / 'steelyard.conf'}"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_who_asks_by_dhcpv6_is_sent_to_addresses_that_it_can_reach(tmp_path: Path) -> None:
    Dnsmasq(tmp_path).write_site(SiteRules(url=URL, url_v6="http://[fd00::1]:8089", loaders=("own.efi",)))
    lines = (tmp_path / "steelyard.conf").read_text().splitlines()

    told = [line.rpartition("option6:59,")[2] for line in lines if "option6:59," in line]
    assert told
    assert all(url.startswith(("http://[fd00::1]:8089/", "tftp://[fd00::1]/")) for url in told)
    assert not any("undionly" in url or "pxelinux" in url for url in told)


def test_kea_takes_the_classes_and_reservations(tmp_path: Path) -> None:
    program = shutil.which("kea-dhcp4") or shutil.which("kea-dhcp4", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("kea-dhcp4 is not installed")
    hosts = [
        Host(node_uuid=UUID, interface="ipxe", macs=(MAC, OTHER_MAC)),
        Host(node_uuid=UUID2, interface="pxe", macs=(STRANGER,), loader="own.efi"),
    ]
    kea = Kea(tmp_path)
    kea.write_site(RULES)
    kea.write(hosts[0], lambda: hosts)
    config = tmp_path / "kea.conf"
    config.write_text(
        '{"Dhcp4": {"interfaces-config": {"interfaces": []},'
        ' "lease-database": {"type": "memfile", "persist": false},'
        ' "reservations-global": true,'
        ' "subnet4": [{"subnet": "192.0.2.0/24", "pools": [{"pool": "192.0.2.9-192.0.2.99"}]}],'
        f' "client-classes": <?include "{tmp_path / "steelyard-classes.json"}"?>,'
        f' "reservations": <?include "{tmp_path / "steelyard-reservations.json"}"?>}}}}'
    )

    done = subprocess.run([program, "-t", str(config)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    kept = json.loads((tmp_path / "steelyard-reservations.json").read_text())
    assert [each["hw-address"] for each in kept] == [STRANGER, MAC, OTHER_MAC]
    assert kept[0]["client-classes"] == ["steelyard-pxe", "steelyard-own", "steelyard-file-own-efi"]


@dataclass
class Control:
    """Kea's control socket, answering as told."""

    path: Path
    answer: dict[str, Any]
    asked: list[Any]


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Control]:
    made = Control(path=tmp_path / "kea.sock", answer={"result": 0}, asked=[])
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(made.path))
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    line, _ = listener.accept()
                except OSError:
                    return
                with line:
                    body = b"".join(iter(partial(line.recv, 4096), b""))
                    if body:
                        made.asked.append(json.loads(body))
                        line.sendall(json.dumps(made.answer).encode())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield made
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_kea_is_told_to_read_again_when_something_changed_and_only_then(tmp_path: Path, control: Control) -> None:
    kea = Kea(tmp_path, f"unix:{control.path}")
    kea.write_site(RULES)
    before = len(control.asked)
    assert before == 1

    for _ in range(2):
        kea.write(HOST, lambda: [HOST])
    kea.remove(UUID, nobody)

    assert control.asked[before:] == [{"command": "config-reload"}] * 2


def test_a_kea_that_refuses_or_is_away_is_told_of(tmp_path: Path, control: Control) -> None:
    control.answer = {"result": 1, "text": "syntax error"}
    with pytest.raises(Unavailable, match="syntax error"):
        Kea(tmp_path / "a", f"unix:{control.path}").write_site(RULES)
    with pytest.raises(Unavailable, match="not told"):
        Kea(tmp_path / "b", "unix:/nowhere/at/all").write(HOST, lambda: [HOST])


@pytest.mark.parametrize("hosts", [(), (HOST,)])
def test_a_kea_that_is_started_after_boot_finds_all_that_it_reads(tmp_path: Path, hosts: tuple[Host, ...]) -> None:
    kea = Kea(tmp_path, "unix:/nowhere/at/all")
    kea.write_site(RULES)
    kea.write_all(hosts)

    assert json.loads((tmp_path / "steelyard-classes.json").read_text())
    assert len(json.loads((tmp_path / "steelyard-reservations.json").read_text())) == len(hosts)


def test_what_kea_could_not_be_told_of_is_told_when_it_answers_again(tmp_path: Path, control: Control) -> None:
    kea = Kea(tmp_path, f"unix:{control.path}")
    control.answer = {"result": 1, "text": "busy"}
    with pytest.raises(Unavailable):
        kea.write(HOST, lambda: [HOST])
    control.answer = {"result": 0}

    for _ in range(2):
        kea.write(HOST, lambda: [HOST])

    assert len(control.asked) == 2


@dataclass
class Net:
    """A DHCP folder, a TFTP root and the followers that keep them."""

    boots: Boots
    followers: Followers
    folder: Path
    tftp: Path


def _net(database: Database, folder: Path, clock: Any) -> Net:
    (folder / "loaders").mkdir()
    (folder / "loaders" / "pxelinux.0").write_bytes(b"loader")
    tree = TftpTree(folder / "tftp", Folder(folder / "artifacts"), Loaders(str(folder / "loaders")), artifact_key)
    followers = Followers(database, Dnsmasq(folder / "dhcp"), tree, lambda: RULES)
    followers.begin()
    boots = Boots(database, Site(api_url=LAN), NoMedia(), clock, followers=[followers])
    return Net(boots=boots, followers=followers, folder=folder, tftp=folder / "tftp")


def test_a_node_that_boots_by_pxe_finds_all_it_needs_in_the_tftp_root_and_nothing_stays(
    database: Database, tmp_path: Path
) -> None:
    with running(database, tmp_path / "artifacts") as parts:
        kernel, ramdisk = (
            parts.artifacts.add(_file(tmp_path, name), name, name, now()) for name in ("kernel", "ramdisk")
        )
        net = _net(database, tmp_path, now)
        node = machine("pxe")
        boot = net.boots.prepare(node, agent(kernel=kernel, ramdisk=ramdisk)).boot_id
        grub = (net.tftp / "grub" / f"grub.cfg-01-{MAC.replace(':', '-')}").read_text()
        pxelinux = (net.tftp / "pxelinux.cfg" / f"01-{OTHER_MAC.replace(':', '-')}").read_text()

        assert f"linux '/boots/{boot}/kernel'" in grub
        assert f"KERNEL boots/{boot}/kernel" in pxelinux
        assert (net.tftp / "boots" / boot / "kernel").read_text() == "a kernel"
        assert (net.tftp / "pxelinux.0").read_text() == "loader"

        net.boots.clear(node)
        assert "LOCALBOOT" in (net.tftp / "pxelinux.cfg" / f"01-{MAC.replace(':', '-')}").read_text()
        net.boots.forget(node.uuid)

    left = [str(each.relative_to(net.tftp)) for each in net.tftp.rglob("*") if each.is_file()]
    assert sorted(set(left) - set(Loaders(str(tmp_path / "loaders")).all())) == [
        "grub.cfg", "grub/grub.cfg", "pxelinux.cfg/default",
    ]  # fmt: skip
    assert list((tmp_path / "dhcp" / "hosts").iterdir()) == []


def _file(folder: Path, name: str) -> Path:
    place = folder / f"{name}.bin"
    place.write_text(f"a {name}")
    return place


def test_what_changed_while_no_replica_ran_is_written_at_the_next_start(
    database: Database, tmp_path: Path, clock: SetClock
) -> None:
    Boots(database, Site(api_url=LAN), NoMedia(), clock).prepare(machine("ipxe", uuid=UUID), agent())

    _net(database, tmp_path, clock)

    assert MAC in (tmp_path / "dhcp" / "hosts" / UUID).read_text()


def test_the_log_of_a_real_dnsmasq_tells_of_addresses_and_the_machine_is_then_known_by_them(
    database: Database, tmp_path: Path, clock: SetClock
) -> None:
    net = _net(database, tmp_path, clock)
    node: NodeForBoot = machine("ipxe")
    net.boots.prepare(node, agent(Purpose.CLEAN))
    notes: list[Note] = []
    with real_dnsmasq.running(tmp_path, tmp_path / "dhcp" / "steelyard.conf") as server:
        reader = LogReader(database, LogFile(server.log), server.leases, notes.append, clock)
        reader.begin()
        offer = server.ask(MAC, UEFI, kind=1)
        assert offer is not None
        with server.log.open("a") as log:
            log.write(f"dnsmasq-dhcp[1]: 5 DHCPACK(lo) {offer.address} {MAC}\n")
            log.write(f"dnsmasq-tftp[1]: sent {net.tftp}/snponly.efi to {offer.address}\n")
            log.write(f"dnsmasq-tftp[1]: failed sending {net.tftp}/boots/{UUID}/kernel to {offer.address}\nhalf a li")
        reader.look()
        server.log.rename(tmp_path / "old.log")
        server.log.write_text(f"dnsmasq-dhcp[1]: DHCPDISCOVER(lo) {OTHER_MAC} no address available\n")
        reader.look()

    assert [(note.node_uuid, note.hop, note.outcome) for note in notes] == [
        (node.uuid, Hop.DHCP, "ok"), (node.uuid, Hop.LOADER, "ok"), (node.uuid, Hop.KERNEL, "failed"),
        (node.uuid, Hop.DHCP, "failed"),
    ]  # fmt: skip
    assert notes[2].detail["transport"] == "tftp"


def test_a_log_that_cannot_be_read_is_said_once_and_followed_when_it_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = LogFile(tmp_path / "dnsmasq.log")
    file.skip()
    assert (file.lines(), file.is_read) == ([], False)
    assert caplog.text.count("a log cannot be read") == 1

    (tmp_path / "dnsmasq.log").write_text("one\ntw")
    assert (file.lines(), file.is_read) == (["one"], True)


def test_many_nodes_that_are_prepared_at_once_by_two_replicas_are_all_in_keas_file(
    tmp_path: Path, control: Control
) -> None:
    replicas = [Kea(tmp_path / "dhcp", f"unix:{control.path}") for _ in range(2)]
    known: dict[str, Host] = {}

    def prepare(number: int) -> None:
        host = Host(node_uuid=f"node-{number:03}", interface="ipxe", macs=(f"52:54:00:00:01:{number:02x}",))
        known[host.node_uuid] = host
        replicas[number % 2].write(host, lambda: list(known.values()))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(prepare, range(64)))

    written = json.loads((tmp_path / "dhcp" / "steelyard-reservations.json").read_text())
    assert len(written) == 64
    assert 1 <= len(control.asked) < 64, "calls that came together were told of together"


def test_a_start_writes_all_nodes_at_once_and_tells_the_server_once(
    database: Database, tmp_path: Path, clock: SetClock, control: Control
) -> None:
    boots = Boots(database, Site(api_url=LAN), NoMedia(), clock)
    for _ in range(5):
        boots.prepare(machine("ipxe", uuid=str(uuid4())), agent())
    kea = Kea(tmp_path / "dhcp", f"unix:{control.path}")

    Followers(database, kea, None, lambda: RULES).begin()

    assert len(json.loads((tmp_path / "dhcp" / "steelyard-reservations.json").read_text())) == 10
    assert len(control.asked) == 2  # the site's rules, and the nodes
