"""What dnsmasq's log and leases tell of machines that boot. The lines of DHCPv6 are those of a real one (2.90)."""

from __future__ import annotations

from pathlib import Path

import pytest
from steelyard_boot.domain.composing import Site
from steelyard_boot.domain.dnsmasq_log import Dhcp, Reader, Tftp, leases
from steelyard_boot.domain.waterfall import Hop, Note
from steelyard_boot.drivers.log_file import LogFile
from steelyard_boot.service.boots import Boots
from steelyard_boot.service.dhcp import LogReader
from steelyard_common.db import Database
from steelyard_common.testing import SetClock

from services.boot.tests.boot_stage import MAC, OTHER_MAC, NoMedia, agent, machine
from services.boot.tests.test_boot_scripts import LAN

SYSTEM = "f58c6dfb-5b81-45ec-b203-357352a60129"
DUID = "00:04:f5:8c:6d:fb:5b:81:45:ec:b2:03:35:73:52:a6:01:29"
GOT = "2001:db8:1::1b1"
ENTERPRISE = "00:02:00:00:01:37:01:02:03:04:05"

LINES = [
    ("Nov 21 17:00:00 dnsmasq-dhcp[5]: 77 DHCPACK(br0) 192.0.2.9 52:54:00:00:00:01 name",
     Dhcp(mac=MAC, got="192.0.2.9")),
    ("dnsmasq-dhcp[5]: DHCPDISCOVER(br0) 52:54:00:00:00:01 no address available",
     Dhcp(mac=MAC, error="the DHCP server says: no address available")),
    ("dnsmasq-dhcp[5]: DHCPNAK(br0) 192.0.2.9 52:54:00:00:00:01 wrong network",
     Dhcp(mac=MAC, error="DHCPNAK wrong network")),
    ("dnsmasq-dhcp[5]: DHCPOFFER(br0) 192.0.2.9 52:54:00:00:00:01", None),
    ("dnsmasq-tftp[5]: sent /srv/tftp/snponly.efi to 192.0.2.9", Tftp(ip="192.0.2.9", file="/srv/tftp/snponly.efi")),
    (f"dnsmasq-tftp[5]: sent /srv/tftp/snponly.efi to {GOT}", Tftp(ip=GOT, file="/srv/tftp/snponly.efi")),
    ("dnsmasq-tftp[5]: failed sending /srv/tftp/a b to 192.0.2.9",
     Tftp(ip="192.0.2.9", file="/srv/tftp/a b", error="it stopped half-way: no acknowledgement came")),
    ("dnsmasq-tftp[5]: file /srv/tftp/x not found for 192.0.2.9",
     Tftp(ip="192.0.2.9", file="/srv/tftp/x", error="there is no such file in the TFTP root")),
    ("dnsmasq[5]: started, version 2.90", None),
    ("dnsmasq-dhcp[5]: DHCPACK(br0) not an address", None),
    (f"dnsmasq-dhcp[5]: DHCPSOLICIT(lab) {DUID} ", None),
    (f"dnsmasq-dhcp[5]: DHCPADVERTISE(lab) {GOT} {DUID} ", None),
    (f"dnsmasq-dhcp[5]: DHCPREQUEST(lab) {DUID} ", None),
    (f"dnsmasq-dhcp[5]: DHCPREPLY(lab) {GOT} {DUID} ", Dhcp(mac=None, system_uuid=SYSTEM, got=GOT)),
    (f"dnsmasq-dhcp[5]: DHCPREPLY(lab) {GOT} {DUID} a-name", Dhcp(mac=None, system_uuid=SYSTEM, got=GOT)),
    (f"dnsmasq-dhcp[5]: DHCPREPLY(lab) {GOT} 00:03:00:01:{MAC} ", Dhcp(mac=MAC, got=GOT)),
    (f"dnsmasq-dhcp[5]: DHCPREPLY(lab) {GOT} 00:01:00:01:2a:2b:2c:2d:{MAC} ", Dhcp(mac=MAC, got=GOT)),
    (f"dnsmasq-dhcp[5]: DHCPREPLY(lab) {GOT} {ENTERPRISE} ", None),
    (f"dnsmasq-dhcp[5]: DHCPREPLY(lab) 2001:db8:1::77 00:03:00:01:{MAC} lease not found",
     Dhcp(mac=MAC, error="the DHCP server says: lease not found")),
    (f"dnsmasq-dhcp[5]: DHCPADVERTISE(lab) 00:03:00:01:{MAC} no addresses available",
     Dhcp(mac=MAC, error="the DHCP server says: no addresses available")),
    (f"dnsmasq-dhcp[5]: 257 DHCPSOLICIT(lab) 00:03:00:01:{MAC} ignored",
     Dhcp(mac=MAC, error="the DHCP server says: ignored")),
    (f"dnsmasq-dhcp[5]: DHCPDECLINE(lab) 00:03:00:01:{MAC} ", Dhcp(mac=MAC, error="DHCPDECLINE")),
    (f"dnsmasq-dhcp[5]: DHCPRELEASE(lab) 00:03:00:01:{MAC} ", None),
]  # fmt: skip


@pytest.mark.parametrize(("line", "meaning"), LINES)
def test_a_line_of_the_log_is_understood_or_left_alone(line: str, meaning: Dhcp | Tftp | None) -> None:
    assert Reader().read(line) == meaning


def test_the_nic_of_a_client_by_dhcpv6_is_that_of_its_own_exchange() -> None:
    reader = Reader()
    assert reader.read(f"dnsmasq-dhcp[5]: 256 client MAC address: {MAC}") is None

    assert reader.read(f"dnsmasq-dhcp[5]: 256 DHCPREPLY(lab) {GOT} {ENTERPRISE} ") == Dhcp(mac=MAC, got=GOT)
    assert reader.read(f"dnsmasq-dhcp[5]: 257 DHCPREPLY(lab) {GOT} {ENTERPRISE} ") is None
    assert reader.read(f"dnsmasq-dhcp[5]: DHCPREPLY(lab) {GOT} {ENTERPRISE} ") is None


def test_leases_are_read_and_odd_lines_left_out() -> None:
    text = (
        f"1700000000 {MAC} 192.0.2.9 host 01:52\nduid 00:01\n1700000000 {OTHER_MAC} 192.0.2.10 * *\n"
        "duid 00:01:00:01:32:95:16:e4:42:bc:be:3c:89:10\n"
        f"1700000000 7 {GOT} * 00:01:00:01:2a:2b:2c:2d:{MAC}\n1700000000 3113117292 2001:db8:1::2 * {DUID}\n"
    )

    assert leases(text) == {"192.0.2.9": MAC, "192.0.2.10": OTHER_MAC, GOT: MAC}


RECORDED = f"""\
Nov 22 02:07:41 dnsmasq-dhcp[216]: RTR-SOLICIT(lab) {MAC}
Nov 22 02:07:41 dnsmasq-dhcp[216]: RTR-ADVERT(lab) 2001:db8:1::
Nov 22 02:07:41 dnsmasq-dhcp[216]: 12862114 available DHCP range: 2001:db8:1::100 -- 2001:db8:1::200
Nov 22 02:07:41 dnsmasq-dhcp[216]: 12862114 vendor class: 343
Nov 22 02:07:41 dnsmasq-dhcp[216]: 12862114 client MAC address: {MAC}
Nov 22 02:07:41 dnsmasq-dhcp[216]: 12862114 DHCPREQUEST(lab) {DUID} 
Nov 22 02:07:41 dnsmasq-dhcp[216]: 12862114 DHCPREPLY(lab) {GOT} {DUID} 
Nov 22 02:07:41 dnsmasq-dhcp[216]: 12862114 requested options: 23:dns-server, 24:domain-search, 59:bootfile-url, 
Nov 22 02:07:41 dnsmasq-dhcp[216]: 12862114 tags: steelyard-as-ipxe, known, steelyard-is-ipxe, dhcpv6, lab
Nov 22 02:07:41 dnsmasq-dhcp[216]: 12862114 sent size: 18 option:  1 client-id  00:04:f5:8c:6d:fb:5b:81:45:ec...
Nov 22 02:07:41 dnsmasq-dhcp[216]: 12862114 nest size: 24 option:  5 iaaddr  {GOT} PL=3600 VL=3600
Nov 22 02:07:41 dnsmasq-tftp[216]: sent /srv/tftp/snponly.efi to {GOT}
"""  # noqa: W291 - as dnsmasq writes it


@pytest.mark.parametrize("names_its_nic", [True, False], ids=["log-dhcp", "plain"])
def test_a_boot_over_ipv6_shows_its_address_and_its_loader(
    database: Database, tmp_path: Path, clock: SetClock, *, names_its_nic: bool
) -> None:
    """Without ``log-dhcp`` nobody says which NIC asks: the machine is known by its system UUID, as firmware has it."""
    boots = Boots(database, Site(api_url=LAN), NoMedia(), clock)
    node = machine(properties={"system_uuid": "fb6d8cf5-815b-ec45-b203-357352a60129", "cpu_arch": "x86_64"})
    boots.prepare(node, agent())
    log, notes = tmp_path / "dnsmasq.log", list[Note]()
    log.write_text("")
    reader = LogReader(database, LogFile(log), None, notes.append, clock)
    reader.begin()

    log.write_text(RECORDED if names_its_nic else RECORDED.replace(" 12862114", "").replace("client MAC", "no MAC"))
    reader.look()

    assert [(note.node_uuid, note.hop, note.outcome, note.detail["address"]) for note in notes] == [
        (node.uuid, Hop.DHCP, "ok", GOT), (node.uuid, Hop.LOADER, "ok", GOT),
    ]  # fmt: skip
