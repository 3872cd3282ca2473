"""local_link_connection of a port: which switch port it is plugged into (facts §8)."""

from __future__ import annotations

import re
from typing import Any

from steelyard_common.errors import InvalidRequest

from .values import plain
from .versions import too_new

KEYS = frozenset({"port_id", "switch_id", "switch_info", "hostname", "network_type"})
NETWORK_TYPES = ("managed", "unmanaged")
NETWORK_TYPE_SINCE = 64
# Any of these sets of keys is enough.
ENOUGH = (frozenset({"port_id", "switch_id"}), frozenset({"port_id", "hostname"}))
_SWITCH_ID = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}|[0-9a-fA-F]{16}|0x[0-9a-fA-F]{16}")


def check(name: str, value: Any) -> dict[str, Any]:
    """``{}``, or a complete description. Errors: InvalidRequest."""
    if not isinstance(value, dict):
        raise InvalidRequest(f"{name} must be an object")
    for key, item in value.items():
        if key not in KEYS:
            raise InvalidRequest(f"{name} has the unknown key {plain(key)}; remove it")
        if not isinstance(item, str):
            raise InvalidRequest(f"{name}: {key} must be a string")
    if value:
        _check_complete(name, value)
    return value


def _check_complete(name: str, value: dict[str, Any]) -> None:
    network_type = value.get("network_type")
    if network_type is not None and network_type not in NETWORK_TYPES:
        raise InvalidRequest(f"{name}: network_type must be one of {', '.join(NETWORK_TYPES)}")
    if network_type != "unmanaged" and not any(keys <= value.keys() for keys in ENOUGH):
        raise InvalidRequest(
            f"{name} needs port_id and switch_id, or port_id and hostname (smart NIC), or network_type=unmanaged"
        )
    switch_id = value.get("switch_id")
    if switch_id is not None and not _SWITCH_ID.fullmatch(switch_id):
        raise InvalidRequest(f"Expected a MAC address or OpenFlow datapath ID but received {plain(switch_id)}.")


def check_version(value: Any, minor: int) -> None:
    """Errors: NotAcceptable when a key is newer than the request's version."""
    if minor < NETWORK_TYPE_SINCE and isinstance(value, dict) and value.get("network_type") is not None:
        raise too_new("network_type in local_link_connection", NETWORK_TYPE_SINCE)
