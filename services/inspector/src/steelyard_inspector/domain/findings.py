"""What a ramdisk found on its machine, and what is made of it: the default hooks (lifecycle facts §13). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from steelyard_common.errors import DeviceRefused, InvalidRequest

ALL, ACTIVE, PXE, DISABLED = "all", "active", "pxe", "disabled"
ADD_PORTS = (ALL, ACTIVE, PXE, DISABLED)
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
NOT_KEPT = ("logs",)  # in the plugin data: a megabyte of packed text that nobody reads there


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """``ports``: {address, pxe_enabled} of NICs that are to be ports."""

    inventory: dict[str, Any]
    plugin_data: dict[str, Any]
    properties: dict[str, Any] = field(default_factory=dict)
    ports: tuple[dict[str, Any], ...] = ()

    def facts(self) -> dict[str, Any]:
        return {
            "inventory": self.inventory, "plugin_data": self.plugin_data, "properties": self.properties,
            "ports": list(self.ports),
        }  # fmt: skip


def learn(findings: Mapping[str, Any], add_ports: str = PXE) -> Learnt:
    """``findings``: as the ramdisk sent them.

    Errors: DeviceRefused when it failed, InvalidRequest when it found no usable NIC.
    """
    if findings.get("error"):
        raise DeviceRefused(f"the ramdisk could not inspect its machine: {findings['error']}"[:2000])
    inventory = dict(findings.get("inventory") or {})
    pxe = pxe_mac(inventory, findings)
    every = interfaces(inventory, pxe)
    valid = chosen(every, pxe, add_ports)
    plugin_data = {name: value for name, value in findings.items() if name not in ("inventory", *NOT_KEPT)}
    macs = [each["mac_address"] for each in valid.values()]
    plugin_data |= {"all_interfaces": every, "valid_interfaces": valid, "macs": macs}
    architecture = (inventory.get("cpu") or {}).get("architecture") if isinstance(inventory.get("cpu"), dict) else None
    return Learnt(
        inventory=inventory,
        plugin_data=plugin_data,
        properties={"cpu_arch": str(architecture)} if architecture else {},
        ports=() if add_ports == DISABLED else tuple(
            {"address": each["mac_address"], "pxe_enabled": bool(each["pxe_enabled"]) or not pxe}
            for each in valid.values()
        ),
    )  # fmt: skip


def pxe_mac(inventory: Mapping[str, Any], findings: Mapping[str, Any]) -> str | None:
    """The NIC that the machine booted from; ``01-aa-bb-…`` as PXELINUX writes it, too."""
    boot = inventory.get("boot")
    told = (boot.get("pxe_interface") if isinstance(boot, Mapping) else None) or findings.get("boot_interface")
    if not isinstance(told, str):
        return None
    text = told.lower().replace("-", ":")
    return mac(text[3:] if len(text) == 20 else text)


def mac(value: Any) -> str | None:
    text = str(value).lower().replace("-", ":")
    return text if _MAC.fullmatch(text) else None


def interfaces(inventory: Mapping[str, Any], pxe: str | None) -> dict[str, dict[str, Any]]:
    """Name → NIC, of those that have a name and a MAC address. Errors: InvalidRequest when there is none."""
    found: dict[str, dict[str, Any]] = {}
    listed = inventory.get("interfaces")
    for each in listed if isinstance(listed, list) else ():
        address = mac(each.get("mac_address")) if isinstance(each, Mapping) else None
        if address is None or not each.get("name"):
            continue
        six = each.get("ipv6_address")
        found[str(each["name"])] = {
            **each, "mac_address": address, "pxe_enabled": address == pxe,
            "ipv6_address": six.partition("%")[0] if isinstance(six, str) else six,
        }  # fmt: skip
    if not found:
        raise InvalidRequest("the ramdisk found no network interface with a name and a MAC address")
    return found


def chosen(every: Mapping[str, dict[str, Any]], pxe: str | None, add_ports: str) -> dict[str, dict[str, Any]]:
    """Those that count. Errors: InvalidRequest when none does."""
    valid = {}
    for name, each in every.items():
        ip = each.get("ipv4_address") or each.get("ipv6_address")
        if name == "lo" or (ip and _is_loopback(ip)):
            continue
        if add_ports == PXE and pxe and not each["pxe_enabled"]:  # not told which NIC booted: any may have
            continue
        if add_ports == ACTIVE and not ip:
            continue
        valid[name] = each
    if not valid:
        raise InvalidRequest("none of the network interfaces that the ramdisk found can be used")
    return valid


def _is_loopback(ip: Any) -> bool:
    try:
        return ip_address(str(ip)).is_loopback
    except ValueError:
        return False
