"""What records may hold: nodes, ports, interfaces, traits, network data."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_common.contracts.api import INTERFACES
from steelyard_common.contracts.hardware import HARDWARE_TYPES
from steelyard_common.errors import InvalidRequest, NotFound
from steelyard_inventory.domain import node_rules, port_rules
from steelyard_inventory.domain.interfaces import with_interfaces
from steelyard_inventory.domain.network_data import check_network_data
from steelyard_inventory.domain.traits import new_traits

UUID = "6f4a3a52-2f73-4b5a-9f0e-00000000000a"


def completed(minor: int = 115, **record: Any) -> dict[str, Any]:
    return node_rules.completed({"driver": "fake-hardware"} | record, minor=minor)


def test_every_writable_field_gets_its_kept_form() -> None:
    record = completed(
        maintenance="yes", retired="F", automated_clean=None, conductor_group="Rack-A", extra=None,
        instance_uuid=UUID.upper().replace("-", ""),
    )  # fmt: skip

    assert set(record) == set(node_rules.WRITABLE)
    assert (record["maintenance"], record["retired"], record["automated_clean"]) == (True, False, None)
    assert (record["conductor_group"], record["extra"], record["instance_uuid"]) == ("rack-a", {}, UUID)


@pytest.mark.parametrize(
    "record",
    [
        {"driver": None}, {"driver": ""}, {"driver": 5}, {"extra": "text"}, {"extra": []}, {"name": 5},
        {"instance_uuid": "x"}, {"chassis_uuid": "x"}, {"maintenance": "maybe"}, {"maintenance": 7},
        {"description": "x" * 4097}, {"resource_class": "x" * 81}, {"instance_name": ""}, {"owner": {}},
        {"name": "has space"}, {"name": ""}, {"name": UUID}, {"name": "x" * 256}, {"name": "validate"},
        {"network_data": {"links": []}},
    ],
)  # fmt: skip
def test_what_a_node_cannot_hold_is_refused(record: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        completed(**record)


@pytest.mark.parametrize(
    ("name", "minor", "fits"),
    [
        ("metal3~host-0", 10, True), ("Upper_Case.1", 10, True), ("Upper", 9, False), ("host-1.example", 9, True),
        ("-x", 9, False), ("a_b", 9, False), ("ä", 115, False), ("a/b", 115, False),
    ],
)  # fmt: skip
def test_names_are_free_from_1_10_on_and_host_names_before(name: str, minor: int, fits: bool) -> None:
    if fits:
        assert completed(minor, name=name)["name"] == name
    else:
        with pytest.raises(InvalidRequest, match="invalid name"):
            completed(minor, name=name)


@pytest.mark.parametrize("driver", HARDWARE_TYPES)
def test_each_hardware_type_has_a_default_for_each_interface(driver: str) -> None:
    record = with_interfaces({"driver": driver} | {f"{each}_interface": None for each in INTERFACES})

    for interface in INTERFACES:
        assert record[f"{interface}_interface"] == HARDWARE_TYPES[driver][interface][0]


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"driver": "nope"}, "Could not find the following driver"),
        ({"driver": "ipmi", "power_interface": "nope"}, "Could not find the following interface"),
        ({"driver": "ipmi", "power_interface": "redfish"}, "does not support power interface 'redfish'"),
    ],
)
def test_interfaces_that_do_not_fit_are_refused(record: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        with_interfaces(record)


def test_traits_are_replaced_added_removed_and_cleared() -> None:
    assert new_traits(UUID, ["CUSTOM_A"], "replace", ["CUSTOM_C", "CUSTOM_B"]) == ["CUSTOM_B", "CUSTOM_C"]
    assert new_traits(UUID, ["CUSTOM_A"], "add", ["HW_CPU_X86_VMX"]) == ["CUSTOM_A", "HW_CPU_X86_VMX"]
    assert new_traits(UUID, ["CUSTOM_A", "CUSTOM_B"], "remove", ["CUSTOM_A"]) == ["CUSTOM_B"]
    assert new_traits(UUID, ["CUSTOM_A"], "clear", []) == []
    with pytest.raises(NotFound, match="doesn't have a trait 'CUSTOM_Z'"):
        new_traits(UUID, [], "remove", ["CUSTOM_Z"])


@pytest.mark.parametrize("trait", ["foo", "CUSTOM_", "CUSTOM_a", "CUSTOM_A B", "", "CUSTOM_" + "A" * 249])
def test_what_is_no_trait_is_refused(trait: str) -> None:
    with pytest.raises(InvalidRequest, match="Invalid trait"):
        new_traits(UUID, [], "add", [trait])


def test_a_node_has_at_most_fifty_traits() -> None:
    fifty = [f"CUSTOM_{number}" for number in range(50)]
    assert len(new_traits(UUID, [], "replace", fifty)) == 50
    with pytest.raises(InvalidRequest, match="more than 50"):
        new_traits(UUID, fifty, "add", ["CUSTOM_X"])


# ---- ports


def port(**record: Any) -> dict[str, Any]:
    return port_rules.completed({"address": "aa:bb:cc:dd:ee:ff"} | record)


def test_a_port_gets_its_defaults_and_a_lower_case_address() -> None:
    record = port(address="AA:BB:CC:DD:EE:FF")

    assert record["address"] == "aa:bb:cc:dd:ee:ff"
    assert (record["pxe_enabled"], record["is_smartnic"], record["available_for_dynamic_portgroup"]) == (
        True, False, True,
    )  # fmt: skip
    assert (record["extra"], record["local_link_connection"]) == ({}, {})


@pytest.mark.parametrize(
    "link",
    [
        {},
        {"port_id": "1", "switch_id": "0a:00:00:00:00:01", "switch_info": "x"},
        {"port_id": "1", "switch_id": "00000a0000000001"},
        {"port_id": "1", "hostname": "nic"},
        {"network_type": "unmanaged"},
        {"network_type": "managed", "port_id": "1", "switch_id": "0a:00:00:00:00:01"},
    ],
)
def test_a_link_connection_says_where_the_port_is_plugged_in(link: dict[str, Any]) -> None:
    assert port(local_link_connection=link)["local_link_connection"] == link


@pytest.mark.parametrize(
    "record",
    [
        {"address": None}, {"address": "x"}, {"address": "aa:bb:cc:dd:ee"}, {"physical_network": ""},
        {"physical_network": "x" * 65}, {"name": UUID}, {"name": "detail"}, {"name": ""},
        {"portgroup_uuid": "x"}, {"vendor": "x" * 33}, {"pxe_enabled": "maybe"},
        {"local_link_connection": {"port_id": "1"}}, {"local_link_connection": {"switch_id": "0a:00:00:00:00:01"}},
        {"local_link_connection": {"port_id": "1", "switch_id": "zz"}}, {"local_link_connection": {"what": "x"}},
        {"local_link_connection": {"port_id": 1, "switch_id": "0a:00:00:00:00:01"}},
        {"local_link_connection": {"network_type": "other"}}, {"local_link_connection": {"network_type": "managed"}},
    ],
)  # fmt: skip
def test_what_a_port_cannot_hold_is_refused(record: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        port(**record)


# ---- network data

NETWORK_DATA: dict[str, Any] = {
    "links": [
        {"id": "l1", "type": "phy", "ethernet_mac_address": "aa:bb:cc:dd:ee:ff", "mtu": 1500},
        {"id": "b1", "type": "bond", "ethernet_mac_address": "aa:bb:cc:dd:ee:ff", "bond_mode": "802.3ad",
         "bond_links": ["l1"]},
        {"id": "v1", "type": "vlan", "vlan_mac_address": "aa:bb:cc:dd:ee:ff", "vlan_link": "b1", "vlan_id": 7},
    ],
    "networks": [
        {"id": "n1", "type": "ipv4", "link": "v1", "ip_address": "192.0.2.5", "netmask": "255.255.255.0",
         "routes": [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "192.0.2.1"}]},
        {"id": "n2", "type": "ipv6", "link": "v1", "ip_address": "2001:db8::5/64"},
        {"id": "n3", "type": "ipv4_dhcp", "link": "l1"},
    ],
    "services": [{"type": "dns", "address": "192.0.2.53"}],
}  # fmt: skip


def test_network_data_of_nova_is_taken() -> None:
    check_network_data(NETWORK_DATA)
    check_network_data({})


@pytest.mark.parametrize(
    "wrong",
    [
        {"links": None}, {"links": [5]}, {"links": [{"id": "l1"}]},
        {"links": [{"id": "l1", "type": "cable", "ethernet_mac_address": "aa:bb:cc:dd:ee:ff"}]},
        {"links": [{"id": "l1", "type": "phy"}]},
        {"links": [{"id": "b", "type": "bond", "ethernet_mac_address": "a", "bond_mode": "x", "bond_links": []}]},
        {"links": [{"id": "v", "type": "vlan", "vlan_link": "l1"}]},
        {"networks": [{"id": "n", "type": "ipv4", "link": "l"}]},
        {"networks": [{"id": "n", "type": "ipv4", "link": "l", "ip_address": "300.1.1.1"}]},
        {"networks": [{"id": "n", "type": "token-ring", "link": "l"}]},
        {"networks": [{"id": "n", "type": "ipv4_dhcp", "link": "l", "routes": [{"network": "0.0.0.0"}]}]},
        {"services": [{"type": "ntp", "address": "192.0.2.1"}]}, {"services": [{"type": "dns", "address": "x"}]},
    ],
)  # fmt: skip
def test_other_network_data_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="Invalid network_data"):
        check_network_data(NETWORK_DATA | wrong)
