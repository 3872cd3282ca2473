"""network_data of a node: Nova's network metadata, or ``{}`` (lifecycle facts §10)."""

from __future__ import annotations

from typing import Any

from steelyard_common.errors import InvalidRequest

from .values import plain

LINK_TYPES = (
    "phy", "vif", "ovs", "bridge", "tap", "dvs", "hw_veb", "hyperv", "vhostuser", "bond", "vlan",
)  # fmt: skip
NETWORK_TYPES = ("ipv4", "ipv4_dhcp", "ipv6", "ipv6_dhcp", "ipv6_slaac")
# Part → (keys that each entry needs, what its type may be).
PARTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "links": (("id", "type"), LINK_TYPES),
    "networks": (("id", "type", "link"), NETWORK_TYPES),
    "services": (("type", "address"), ("dns",)),
}
# A link of this type also needs these keys.
LINK_NEEDS = {"bond": ("bond_mode", "bond_links"), "vlan": ("vlan_link", "vlan_id")}


def check(name: str, value: Any) -> dict[str, Any]:
    """Errors: InvalidRequest, naming the part and the entry by its place."""
    if not isinstance(value, dict):
        raise InvalidRequest(f"{name} must be an object")
    if not value:
        return value
    for part in value:
        if part not in PARTS:
            raise InvalidRequest(f"Invalid {name}: {plain(part)!r} is not one of {', '.join(PARTS)}; remove it")
    for part, (required, types) in PARTS.items():
        entries = value.get(part)
        if not isinstance(entries, list):
            raise InvalidRequest(f"Invalid {name}: '{part}' is a required property, and a list")
        for place, entry in enumerate(entries):
            _check_entry(f"Invalid {name}: {part}[{place}]", entry, required, types)
    return value


def _check_entry(where: str, entry: Any, required: tuple[str, ...], types: tuple[str, ...]) -> None:
    if not isinstance(entry, dict):
        raise InvalidRequest(f"{where} must be an object")
    for key in required + LINK_NEEDS.get(str(entry.get("type")), ()):
        if key not in entry:
            raise InvalidRequest(f"{where}: '{key}' is a required property")
    if entry["type"] not in types:
        raise InvalidRequest(f"{where}: type must be one of {', '.join(types)}")
