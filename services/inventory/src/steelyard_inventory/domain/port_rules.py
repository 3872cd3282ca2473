"""What a port's record may be, and when it may change (api facts §8)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from steelyard_common.contracts.api import PORT_FIELDS
from steelyard_common.errors import Conflict, InvalidRequest

from .transitions import State
from .values import as_uuid, checked, mac, require_uuid

PATCHABLE = (*(name for name, field in PORT_FIELDS.items() if field.patch), "node_ident")
WRITABLE = tuple(name for name, field in PORT_FIELDS.items() if field.create or field.patch)
DEFAULTS: dict[str, Any] = {
    "extra": {}, "local_link_connection": {}, "pxe_enabled": True, "is_smartnic": False,
    "available_for_dynamic_portgroup": True,
}  # fmt: skip
CONNECTIVITY = ("portgroup_uuid", "pxe_enabled", "local_link_connection", "physical_network")
CONNECTIVITY_STATES = (State.ENROLL, State.INSPECTING, State.INSPECT_WAIT, State.MANAGEABLE)
INSPECT_WAIT_SINCE = 39
LINK_KEYS = frozenset({"port_id", "switch_id", "switch_info", "hostname", "network_type"})
_DATAPATH_ID = re.compile(r"[0-9a-f]{16}")

Record = Mapping[str, Any]


def completed(record: Record) -> dict[str, Any]:
    """The writable fields in their kept form, all of them; node_uuid is the caller's. Errors: InvalidRequest."""
    result: dict[str, Any] = {}
    for name in WRITABLE:
        value = checked(PORT_FIELDS[name], record.get(name))
        result[name] = DEFAULTS.get(name) if value is None else value
    if result["address"] is None:
        raise InvalidRequest("Schema error: 'address' is a required property")
    result["address"] = mac("address", result["address"])
    if result["uuid"] is not None:
        result["uuid"] = require_uuid("uuid", result["uuid"])
    if result["portgroup_uuid"] is not None:
        result["portgroup_uuid"] = require_uuid("portgroup_uuid", result["portgroup_uuid"])
    name = result["name"]
    if name is not None and (name in ("", "detail") or as_uuid(name)):
        raise InvalidRequest(f"'{name}' cannot be the name of a port: it is empty, reserved or a UUID")
    if result["physical_network"] == "":
        raise InvalidRequest("A non-empty value is required when setting physical_network")
    result["local_link_connection"] = link_connection(result["local_link_connection"])
    return result


def link_connection(link: dict[str, Any]) -> dict[str, Any]:
    """Empty, or a switch port: (port_id, switch_id), (port_id, hostname) of a smart NIC, or network_type=unmanaged."""
    for key, value in link.items():
        if key not in LINK_KEYS or not isinstance(value, str):
            raise _wrong_link(f"'{key}' is not one of {', '.join(sorted(LINK_KEYS))}, or not a string")
    if link.get("network_type", "managed") not in ("managed", "unmanaged"):
        raise _wrong_link("network_type is not one of managed, unmanaged")
    if link and not _says_where(link):
        raise _wrong_link("'port_id' and 'switch_id' are required properties")
    if "switch_id" not in link:
        return link
    switch = link["switch_id"].lower()
    if not _DATAPATH_ID.fullmatch(switch):
        try:
            switch = mac("switch_id", switch)
        except InvalidRequest as error:
            raise InvalidRequest(
                f"Expected a MAC address or OpenFlow datapath ID but received {link['switch_id']}."
            ) from error
    return link | {"switch_id": switch}


def check_smart_nic(record: Record) -> None:
    """For new ports that name a link. Errors: InvalidRequest."""
    link = record["local_link_connection"]
    if record["is_smartnic"] and link and not ("port_id" in link and "hostname" in link):
        raise InvalidRequest("Smart NIC port must have port_id and hostname in local_link_connection")


def check_may_update(port: Record, node: Record, delta: Record, *, minor: int) -> None:
    """``node``: where the port is, or is to be. Errors: Conflict."""
    state, uuid = node["provision_state"], port["uuid"]
    if state == State.INSPECTING and minor >= INSPECT_WAIT_SINCE:
        raise Conflict(f'Cannot update port "{uuid}" on "{node["uuid"]}" while it is in state "{state}".')
    if node["maintenance"]:
        return
    if "address" in delta and (state == State.ACTIVE or node["instance_uuid"]):
        raise Conflict(
            f"Cannot update hardware address for port {uuid} as node {node['uuid']} is active or has instance UUID "
            "assigned"
        )
    if any(name in delta for name in CONNECTIVITY) and state not in CONNECTIVITY_STATES:
        raise Conflict(
            f"Port {uuid} can not have any connectivity attributes ({', '.join(CONNECTIVITY)}) updated unless node "
            f"{node['uuid']} is in a {', '.join(CONNECTIVITY_STATES)} state or in maintenance mode. The current state "
            f"is {state}."
        )


def check_may_delete(port: Record, node: Record) -> None:
    """Errors: Conflict when a tenant's VIF hangs on it."""
    if port["internal_info"].get("tenant_vif_port_id") and not node["maintenance"]:
        raise Conflict(
            f"Cannot delete the port {port['uuid']} as it is bound to a VIF. Detach it or set maintenance mode."
        )


def _says_where(link: Record) -> bool:
    at_switch = "port_id" in link and ("switch_id" in link or "hostname" in link)
    return at_switch or link.get("network_type") == "unmanaged"


def _wrong_link(reason: str) -> InvalidRequest:
    return InvalidRequest(f"Schema error for local_link_connection: {reason}")
