"""A node's volumes as iPXE attaches them (api facts §17, lifecycle facts §11). Pure.

Properties of a target, each in the singular or, with several ways to it, in the plural: target_portal, target_iqn,
target_lun. Several nodes may name one volume: that is theirs to be careful with.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from steelyard_common.errors import InvalidRequest, Unsupported

from .boot_model import Drive, check_url
from .naming import as_mac
from .node_for_boot import Volumes

ISCSI, PORT = "iscsi", 3260
PASSWORD = "/auth_password"  # noqa: S105  a JSON pointer
Record = Mapping[str, Any]


def of(connectors: Sequence[Record], targets: Sequence[Record]) -> Volumes | None:
    """None for a node that has no volume to boot from (boot_index 0). Errors: InvalidRequest, Unsupported."""
    ordered = sorted(targets, key=lambda target: int(target["boot_index"]))
    if not ordered or int(ordered[0]["boot_index"]) != 0:
        return None
    for target in ordered:
        if target["volume_type"] != ISCSI:
            raise Unsupported(
                f"a volume of the type '{target['volume_type']}' is attached by the machine's own adapter: set its boot"
                " order by the BMC; only iscsi is attached here"
            )
    first = ordered[0].get("properties") or {}
    user = first.get("auth_username") or None
    return Volumes(
        drives=tuple(Drive(urls=_urls(target.get("properties") or {})) for target in ordered),
        initiator=next((str(each["connector_id"]) for each in connectors if each["type"] == "iqn"), None),
        username=str(user) if user else None,
        password=_password(ordered[0]) if user else None,
        storage_macs=tuple(_mac(each) for each in connectors if each["type"] == "mac"),
    )


def _password(target: Record) -> str:
    sealed = (target.get("sealed") or {}).get("properties") or {}
    if PASSWORD not in sealed:
        raise InvalidRequest("the volume target has an auth_username but no auth_password")
    return str(sealed[PASSWORD])


def _mac(connector: Record) -> str:
    mac = as_mac(str(connector["connector_id"]))
    if mac is None:
        raise InvalidRequest(f"the volume connector {connector['connector_id']!r} is no MAC address")
    return mac


def _urls(properties: Record) -> tuple[str, ...]:
    portals, names, luns = (_all(properties, name) for name in ("target_portal", "target_iqn", "target_lun"))
    if not portals or not names:
        raise InvalidRequest("a volume target needs target_portal and target_iqn among its properties")
    ways = max(len(portals), len(names), len(luns))
    if any(len(each) not in (1, ways) for each in (portals, names, luns or ["0"])):
        raise InvalidRequest("target_portals, target_iqns and target_luns must be as many")
    rows = [(_nth(portals, at), _nth(names, at), _nth(luns or ["0"], at)) for at in range(ways)]
    return tuple(_url(*row) for row in rows)


def _all(properties: Record, name: str) -> list[str]:
    several = properties.get(f"{name}s")
    if isinstance(several, list) and several:
        return [str(each) for each in several]
    return [str(properties[name])] if properties.get(name) not in (None, "") else []


def _nth(values: Sequence[str], at: int) -> str:
    return values[at] if len(values) > 1 else values[0]


def _url(portal: str, name: str, lun: str) -> str:
    """``iscsi:<host>::<port>:<lun, hexadecimal>:<name>`` (RFC 4173 §5). Errors: InvalidRequest."""
    host, port = _host(portal)
    if not lun.isdecimal():
        raise InvalidRequest(f"target_lun {lun!r} is no number")
    if not name.isascii() or any(char in name for char in " /@"):
        raise InvalidRequest(f"target_iqn {name!r} is no iSCSI name")
    url = f"{ISCSI}:{host}::{port}:{int(lun):x}:{name}"
    check_url(url)
    return url


def _host(portal: str) -> tuple[str, int]:
    """``host``, ``host:port``, ``[v6]:port`` or a bare IPv6 address."""
    host, port = portal, str(PORT)
    if portal.startswith("["):
        host, _, rest = portal[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif portal.count(":") == 1:
        host, _, port = portal.partition(":")
    if not port.isdecimal() or not 0 < int(port) < 65_536 or not host:
        raise InvalidRequest(f"target_portal {portal!r} is no host and port")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host, int(port)
    return (f"[{address}]" if address.version == 6 else str(address)), int(port)
