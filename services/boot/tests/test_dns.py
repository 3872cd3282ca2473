"""DNS records of nodes: which they are, and what becomes of them on a real BIND."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from steelyard_boot.domain.dns_records import DnsKey, Record, Zones, addresses_of, marker, name_of, records
from steelyard_boot.drivers.dns import DnsServer
from steelyard_boot.service.dns import DnsRecords
from steelyard_boot.settings_dns import DnsSettings
from steelyard_boot.store import attempts
from steelyard_boot.store import dns as store
from steelyard_common.contracts.steps import Done, Failed, Step, StepResult
from steelyard_common.db import Database
from steelyard_common.errors import Conflict, DeviceRefused, DeviceUnreachable, InvalidRequest
from steelyard_common.provider import Slice
from steelyard_common.settings import read
from steelyard_common.testing import SetClock

from services.boot.tests.real_named import FORWARD, KEY, REVERSE, REVERSE6, Named, needs_named

NODE, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
ZONES = Zones(forward=FORWARD, reverse=(REVERSE, REVERSE6))
STATIC = {"networks": [{"type": "ipv4", "ip_address": "192.0.2.7", "netmask": "255.255.255.0"},
                       {"type": "ipv6", "ip_address": "2001:db8::7/64"}, {"type": "ipv4_dhcp"}]}  # fmt: skip
NAME = f"web-1.{FORWARD}"


# ---- which


@pytest.mark.parametrize(
    ("node", "name"),
    [
        ({"name": "rack1-u2", "instance_name": "web-1"}, "web-1"),
        ({"name": "rack1-u2", "instance_info": {"display_name": "Web One!"}}, "web-one"),
        ({"name": "rack1-u2", "instance_info": {"hostname": "db", "display_name": "x"}}, "db"),
        ({"name": "rack1_u2"}, "rack1-u2"),
        ({"name": "web-1.other.example.org"}, "web-1"),
        ({"name": "web-1.dmz.nodes.example.org"}, "web-1.dmz"),
        ({"name": "x" * 80}, "x" * 63),
    ],
)
def test_a_name_is_made_of_what_people_call_the_instance(node: dict[str, Any], name: str) -> None:
    assert name_of(node, ZONES) == f"{name}.{FORWARD}"


@pytest.mark.parametrize("node", [{}, {"name": None}, {"name": "***"}])
def test_without_a_name_there_is_none(node: dict[str, Any]) -> None:
    assert name_of(node, ZONES) is None


PORT = {"address": "52:54:00:00:00:01", "extra": {"ip_address": "192.0.2.9"}}


@pytest.mark.parametrize(
    ("drive", "node", "leased", "found"),
    [
        ({"network_data": STATIC}, {"network_data": {"networks": [{"ip_address": "192.0.2.8"}]}}, [],
         ["192.0.2.7", "2001:db8::7"]),
        (None, {"network_data": STATIC, "ports": [PORT]}, [], ["192.0.2.7", "2001:db8::7"]),
        ("http://drive", {"ports": [PORT, {"extra": {"ip_address": ["192.0.2.10", "nonsense"]}}]}, ["192.0.2.11"],
         ["192.0.2.9", "192.0.2.10"]),
        ({}, {"ports": [{"extra": {}}]}, ["192.0.2.11"], ["192.0.2.11"]),
        ({}, {"network_data": {"networks": [{"ip_address": "127.0.0.1"}, {"ip_address": "fe80::1"}]}}, [], []),
    ],
)  # fmt: skip
def test_addresses_are_those_that_are_told_first(drive: Any, node: Any, leased: list[str], found: list[str]) -> None:
    assert [str(each) for each in addresses_of(drive, node, leased)] == found


def test_a_pointer_goes_to_the_nearest_zone_and_elsewhere_there_is_none() -> None:
    zones = Zones(forward=FORWARD, reverse=("192.in-addr.arpa.", REVERSE))
    made = records(NAME, addresses_of(None, {"network_data": STATIC}, []), zones)
    assert [(each.zone, each.type, each.value) for each in made] == [
        (FORWARD, "A", "192.0.2.7"), (REVERSE, "PTR", NAME), (FORWARD, "AAAA", "2001:db8::7"),
    ]  # fmt: skip


# ---- settings

TOLD = {
    "STEELYARD_DNS_SERVER": "[2001:db8::53]:5353", "STEELYARD_DNS_ZONE": "Nodes.example.org",
    "STEELYARD_DNS_REVERSE_ZONES": "2.0.192.in-addr.arpa, 8.b.d.0.1.0.0.2.ip6.arpa.", "STEELYARD_DNS_KEY_NAME": "k",
    "STEELYARD_DNS_KEY_SECRET": "c2VjcmV0LXNlY3JldA==",
}  # fmt: skip


def test_settings_are_read_and_the_secret_is_shown_nowhere() -> None:
    made = read(DnsSettings, TOLD)
    assert made.dns_server == ("2001:db8::53", 5353)
    assert made.dns_zones() == ZONES
    assert "c2Vjc" not in f"{made!r} {made.dns_key()!r}"


@pytest.mark.parametrize("missing", ["STEELYARD_DNS_ZONE", "STEELYARD_DNS_KEY_NAME", "STEELYARD_DNS_KEY_SECRET"])
def test_a_server_that_is_told_in_part_is_refused(missing: str) -> None:
    told = {name: value for name, value in TOLD.items() if name != missing}
    with pytest.raises(InvalidRequest, match=missing):
        read(DnsSettings, told).dns_key()


def test_a_secret_that_is_none_is_refused_and_not_told() -> None:
    with pytest.raises(InvalidRequest, match="no TSIG key") as caught:
        read(DnsSettings, TOLD | {"STEELYARD_DNS_KEY_SECRET": "?not-base64?"}).dns_key()
    assert "not-base64" not in str(caught.value)


# ---- a real server


@pytest.fixture
def named(tmp_path: Path) -> Named:
    return Named(tmp_path)


def server(named: Named, key: DnsKey = KEY, port: int | None = None) -> DnsServer:
    return DnsServer("127.0.0.1", port or named.port, key, ttl_s=60, timeout_s=30)


@pytest.fixture
def desk(named: Named, database: Database, clock: SetClock) -> DnsRecords:
    return DnsRecords(database, server(named), ZONES, lambda _uuid: None, clock)


def piece(uuid: str = NODE, **node: Any) -> Slice:
    view = {"uuid": uuid, "interfaces": {"boot": "ipxe"}, "instance_name": "web-1", "network_data": STATIC, **node}
    return Slice(workflow="w", node=view, step=Step(index=0, interface="deploy", name="write_dns_records"))


def why(result: StepResult) -> str:
    assert isinstance(result, Failed), result
    return result.error.message


def all_of(named: Named) -> dict[str, list[str]]:
    asked = {"A": (NAME, "A"), "AAAA": (NAME, "AAAA"), "TXT": (NAME, "TXT"), "PTR": (f"7.{REVERSE}", "PTR")}
    return {key: found for key, (name, kind) in asked.items() if (found := named.ask(name, kind))}


@needs_named
def test_records_come_with_an_instance_and_go_with_it_however_often_it_is_said(
    named: Named, desk: DnsRecords
) -> None:  # fmt: skip
    with named.running():
        for _ in range(2):
            assert desk.write(piece()) == Done()
        assert all_of(named) == {
            "A": ["192.0.2.7"], "AAAA": ["2001:db8::7"], "TXT": [marker(NODE)], "PTR": [NAME],
        }  # fmt: skip
        for _ in range(2):
            assert desk.remove(piece()) == Done()
        assert all_of(named) == {}


@needs_named
def test_an_instance_that_is_called_and_addressed_otherwise_leaves_nothing_behind(
    named: Named, desk: DnsRecords
) -> None:  # fmt: skip
    with named.running():
        desk.write(piece())
        moved = {"networks": [{"ip_address": "192.0.2.8"}]}
        assert desk.write(piece(instance_name="web-2", network_data=moved)) == Done()
        assert all_of(named) == {}
        assert named.ask(f"web-2.{FORWARD}", "A") == ["192.0.2.8"]
        assert named.ask(f"8.{REVERSE}", "PTR") == [f"web-2.{FORWARD}"]


@needs_named
def test_a_name_of_somebody_else_is_left_alone(named: Named, desk: DnsRecords) -> None:
    with named.running():
        assert desk.write(piece(OTHER, network_data={"networks": [{"ip_address": "192.0.2.99"}]})) == Done()
        failed = why(desk.write(piece()))
        assert NAME in failed
        assert "another name" in failed
        desk.remove(piece())
        assert named.ask(NAME, "A") == ["192.0.2.99"]
        assert named.ask(NAME, "TXT") == [marker(OTHER)]


@needs_named
@pytest.mark.parametrize(
    ("key", "word"),
    [
        (replace(KEY, secret="b3RoZXItb3RoZXItb3RoZXI="), "STEELYARD_DNS_KEY_NAME"),
        (replace(KEY, name="stranger"), "STEELYARD_DNS_KEY_NAME"),
        (DnsKey(name="reader", secret="cmVhZGVyLXJlYWRlci1yZWFkZXI="), "update-policy"),
    ],
)
def test_a_key_that_may_not_is_told_of_without_its_secret(named: Named, key: DnsKey, word: str) -> None:
    wanted = [Record(zone=FORWARD, name=NAME, type="A", value="192.0.2.7")]
    with named.running(), pytest.raises(DeviceRefused, match=word) as caught:
        server(named, key).change(wanted, [], marker(NODE))
    assert key.secret not in str(caught.value)


@needs_named
def test_a_zone_that_the_server_has_not_is_told_of(named: Named) -> None:
    wanted = [Record(zone="example.com.", name="x.example.com.", type="A", value="192.0.2.7")]
    with named.running(), pytest.raises(DeviceRefused, match=r"example\.com\..*in charge"):
        server(named).change(wanted, [], marker(NODE))


@needs_named
def test_what_a_server_missed_is_made_good_when_it_is_back(
    named: Named, desk: DnsRecords, database: Database, clock: SetClock
) -> None:
    failed = why(desk.write(piece()))
    assert "cannot be reached" in failed
    assert "nothing else waits for it" in failed
    assert desk.look() == 0
    with named.running():
        clock.advance(11)
        assert desk.look() == 1
        assert named.ask(NAME, "A") == ["192.0.2.7"]
        clock.advance(3600)
        assert desk.look() == 0
    assert isinstance(desk.remove(piece()), Failed)
    with named.running():
        clock.advance(11)
        assert desk.look() == 1
        assert all_of(named) == {}
    with database.read() as connection:
        assert store.known(connection, NODE) is None


@needs_named
def test_a_node_that_is_deleted_loses_its_records(named: Named, desk: DnsRecords) -> None:
    with named.running():
        desk.write(piece())
        desk.forget(NODE)
        desk.forget(OTHER)
        assert desk.look() == 1
        assert all_of(named) == {}


@needs_named
def test_a_machine_that_got_its_address_by_dhcp_is_found_by_its_nics(
    named: Named, desk: DnsRecords, database: Database, clock: SetClock
) -> None:
    with database.begin() as transaction:
        attempts.write_leases(transaction.connection, {"192.0.2.7": "52:54:00:00:00:01"}, clock())
    with named.running():
        node: dict[str, Any] = {"network_data": {}, "ports": [{"address": "52:54:00:00:00:01", "extra": {}}]}
        assert desk.write(piece(**node)) == Done()
        assert named.ask(NAME, "A") == ["192.0.2.7"]


def test_a_node_without_name_or_address_gets_none_and_is_told_why(desk: DnsRecords) -> None:
    result = desk.write(piece(network_data={}))
    assert isinstance(result, Failed)
    assert isinstance(result.error, Conflict)
    assert "no address" in why(result)
    assert "no name" in why(desk.write(piece(instance_name=None)))


def test_a_server_that_is_silent_meets_the_deadline(named: Named) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(DeviceUnreachable, match="did not answer"):
        DnsServer("127.0.0.1", silent.getsockname()[1], KEY, ttl_s=60, timeout_s=0.3).change(
            [Record(zone=FORWARD, name=NAME, type="A", value="192.0.2.7")], [], marker(NODE)
        )
