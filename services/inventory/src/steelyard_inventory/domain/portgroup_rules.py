"""What a port group may be, which ports it may have, and when either may change (api facts §8, §9).

A group and its ports are on one physical network, which may be none. Whether single ports of a group may be used alone
(``standalone_ports_supported``) is looked at where the node's network interface attaches VIFs to ports.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from steelyard_common.contracts.records import PORTGROUP_FIELDS
from steelyard_common.errors import Conflict, InvalidRequest

from .port_rules import CONNECTIVITY_STATES, INSPECT_WAIT_SINCE
from .record_rules import Form
from .transitions import State
from .values import is_name, mac
from .vifs import ATTACHING, attached_to

Record = Mapping[str, Any]
DEFAULT_MODE = "active-backup"
FORM = Form(
    fields=PORTGROUP_FIELDS, required=("mode",), defaults={"mode": DEFAULT_MODE, "standalone_ports_supported": True}
)  # fmt: skip


def completed(record: Record, *, minor: int) -> dict[str, Any]:
    """The writable fields in their kept form, all of them; node_uuid is the caller's. Errors: InvalidRequest."""
    result = FORM.completed(record)
    if result["address"] is not None:
        result["address"] = mac("address", result["address"])
    name = result["name"]
    if name is not None and (not is_name(name, minor) or name == "detail"):
        raise InvalidRequest(f"'{name}' cannot be the name of a port group: it is no logical name, or reserved")
    if result["physical_network"] == "":
        raise InvalidRequest("A non-empty value is required when setting physical_network")
    return result


def check_may_update(
    group: Record, node: Record, ports: Sequence[Record], delta: Record, *, minor: int
) -> None:  # fmt: skip
    """``node``: where the group is, or is to be. Errors: Conflict, InvalidRequest."""
    state, uuid = node["provision_state"], group["uuid"]
    if state == State.INSPECTING and minor >= INSPECT_WAIT_SINCE:
        raise Conflict(f'Cannot update portgroup "{uuid}" on node "{node["uuid"]}" while it is in state "{state}".')
    if "node_uuid" in delta:
        _check_may_move(group, node, ports)
    if delta.get("standalone_ports_supported") is False and node["network_interface"] in ATTACHING:
        for port in ports:
            if reason := _uses_alone(port):
                raise Conflict(
                    f"standalone_ports_supported can not be set to False, because the port group {uuid} contains "
                    f"port {port['uuid']} with {reason}"
                )


def check_may_delete(group: Record, ports: Sequence[Record]) -> None:
    """Errors: InvalidRequest."""
    if ports:
        raise InvalidRequest(
            f"Cannot complete the requested action because portgroup {group['uuid']} contains ports."
        )  # fmt: skip


def group_of(port: Record, group: dict[str, Any] | None, node: Record) -> dict[str, Any]:
    """``group``, if ``port``, of ``node``, may be in it. Errors: InvalidRequest."""
    if group is None:
        raise InvalidRequest(f"Portgroup {port['portgroup_uuid']} could not be found.")
    if group["node_uuid"] != node["uuid"]:
        raise InvalidRequest("Port can not be added to a portgroup belonging to a different node.")
    return group


def check_new_member(given: Record, group: Record) -> None:
    """A new port that says itself that it boots from the network. Errors: Conflict."""
    if given.get("pxe_enabled") and not group["standalone_ports_supported"]:
        raise Conflict(
            f"Port group {group['uuid']} doesn't support standalone ports. This port cannot be created as a member of "
            "that port group as the port's 'pxe_enabled' field was set to True."
        )


def check_stands_alone(port: Record, group: Record, node: Record) -> None:
    """A port that is used alone cannot be in a group that forbids it. Errors: Conflict."""
    if group["standalone_ports_supported"] or node["network_interface"] not in ATTACHING:
        return
    if reason := _uses_alone(port):
        raise Conflict(
            f"Port group {group['uuid']} doesn't support standalone ports. This port {port['uuid']} cannot be a member "
            f"of that port group because of: {reason}"
        )


def network_of_group(port: Record, group: Record, others: Sequence[Record]) -> str | None:
    """The physical network of the group once ``port`` is in it. ``others``: its other ports. Errors: Conflict."""
    taken: str | None = others[0]["physical_network"] if others else group["physical_network"]
    wanted: str | None = port["physical_network"]
    if not others and taken is None:
        return wanted
    if wanted != taken:
        raise Conflict(
            f"Port with physical network {wanted} cannot become a member of port group {group['uuid']} which has ports "
            f"in physical network {taken}."
        )
    kept: str | None = group["physical_network"]
    return kept


def _check_may_move(group: Record, node: Record, ports: Sequence[Record]) -> None:
    if node["provision_state"] not in CONNECTIVITY_STATES and not node["maintenance"]:
        raise Conflict(
            f"Portgroup {group['uuid']} can not be associated to node {node['uuid']} unless the node is in a "
            f"{', '.join(CONNECTIVITY_STATES)} state or in maintenance mode. Current state is "
            f"'{node['provision_state']}'."
        )
    if ports:
        raise InvalidRequest(
            f"Portgroup {group['uuid']} can not be associated with node {node['uuid']} because there are ports "
            "associated with this portgroup."
        )


def _uses_alone(port: Record) -> str:
    reasons = ["'pxe_enabled' set to True"] if port["pxe_enabled"] else []
    if vif := attached_to(port):
        reasons.append(f"VIF {vif} attached to it")
    return ", ".join(reasons)
