"""The network_data of a node: Nova's metadata schema, or {} (lifecycle facts §10)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from steelyard_common.errors import InvalidRequest

LINK_TYPES = frozenset({
    "phy", "vif", "ovs", "bridge", "tap", "dvs", "hw_veb", "hyperv", "vhostuser", "bond", "vlan",
})  # fmt: skip
BOND_MODES = frozenset({
    "802.3ad", "balance-rr", "active-backup", "balance-xor", "broadcast", "balance-tlb", "balance-alb",
})  # fmt: skip
NETWORK_TYPES = frozenset({"ipv4", "ipv4_dhcp", "ipv6", "ipv6_dhcp", "ipv6_slaac"})
_NEEDS: dict[str, tuple[str, ...]] = {
    "link": ("id", "type"),
    "network": ("id", "type", "link"),
    "service": ("type", "address"),
    "route": ("network", "netmask", "gateway"),
}
_BOND = ("bond_mode", "bond_links")
_VLAN = ("vlan_mac_address", "vlan_link", "vlan_id")


def check_network_data(value: dict[str, Any]) -> None:
    """Errors: InvalidRequest."""
    if not value:
        return
    for name in ("links", "networks", "services"):
        if name not in value:
            raise _wrong(f"'{name}' is a required property")
    _each("link", value["links"], _check_link)
    _each("network", value["networks"], _check_network)
    _each("service", value["services"], _check_service)


def _each(what: str, items: Any, check: Callable[[dict[str, Any]], None]) -> None:
    if not isinstance(items, list):
        raise _wrong(f"{what}s must be a list")
    for item in items:
        if not isinstance(item, dict):
            raise _wrong(f"each {what} must be an object")
        _need(what, item, _NEEDS[what])
        check(item)


def _need(what: str, item: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        if item.get(name) in (None, ""):
            raise _wrong(f"a {what} lacks '{name}'")


def _check_link(link: dict[str, Any]) -> None:
    if link["type"] not in LINK_TYPES:
        raise _wrong("a link has an unknown type")
    if link["type"] == "vlan":
        _need("vlan link", link, _VLAN)
        return
    _need("link", link, ("ethernet_mac_address",))
    if link["type"] == "bond":
        _need("bond link", link, _BOND)
        if link["bond_mode"] not in BOND_MODES or not isinstance(link["bond_links"], list):
            raise _wrong("a bond link has an unknown bond_mode or no list of bond_links")


def _check_network(network: dict[str, Any]) -> None:
    kind = network["type"]
    if kind not in NETWORK_TYPES:
        raise _wrong("a network has an unknown type")
    if kind in ("ipv4", "ipv6"):
        _need(f"network of type {kind}", network, ("ip_address",))
        _check_address(network["ip_address"])
    _each("route", network.get("routes", []), lambda route: _check_address(route["gateway"]))
    _each("service", network.get("services", []), _check_service)


def _check_service(service: dict[str, Any]) -> None:
    if service["type"] != "dns":
        raise _wrong("a service has an unknown type")
    _check_address(service["address"])


def _check_address(text: Any) -> None:
    try:
        ipaddress.ip_interface(text if isinstance(text, str) else "")
    except ValueError as error:
        raise _wrong("an address is not an IP address") from error


def _wrong(reason: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid network_data: {reason}")
