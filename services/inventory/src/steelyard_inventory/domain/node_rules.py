"""What a node's record may be, and when it may change (api facts §6).

A record is a dict of the API's fields. ``completed`` gives every field its kept form; the guards compare before and
after. Conflicts name the state that stands in the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steelyard_common.contracts.api import INTERFACES, NODE_FIELDS, RESERVED_NODE_NAMES
from steelyard_common.errors import Conflict, Forbidden, InvalidRequest

from .network_data import check_network_data
from .patches import Operation
from .transitions import State
from .values import checked, is_name, require_uuid

PATCHABLE = tuple(name for name, field in NODE_FIELDS.items() if field.patch)
CREATABLE = tuple(name for name, field in NODE_FIELDS.items() if field.create)
WRITABLE = tuple(name for name, field in NODE_FIELDS.items() if field.create or field.patch)
UUIDS = ("uuid", "instance_uuid", "chassis_uuid")
# What null means where null is not kept.
DEFAULTS: dict[str, Any] = {
    "conductor_group": "", "protected": False, "retired": False, "maintenance": False, "disable_power_off": False,
    "console_enabled": False,
} | {name: {} for name, field in NODE_FIELDS.items() if field.kind == "object"}  # fmt: skip
# A node with a target may be changed in these; in all others a transition is in progress.
UPDATE_ALLOWED = frozenset({
    State.DEPLOY_FAILED, State.INSPECTING, State.INSPECT_FAILED, State.INSPECT_WAIT, State.CLEAN_FAILED, State.ERROR,
    State.VERIFYING, State.ADOPT_FAILED, State.RESCUE_FAILED, State.UNRESCUE_FAILED, State.SERVICE_HOLD,
    State.SERVICE_FAILED,
})  # fmt: skip
INTERFACE_STATES = (State.ENROLL, State.INSPECTING, State.INSPECT_WAIT, State.MANAGEABLE, State.AVAILABLE)
DELETE_ALLOWED = (State.MANAGEABLE, State.ENROLL, State.ADOPT_FAILED, State.AVAILABLE)
PROTECTABLE = (State.ACTIVE, State.RESCUE)
INSPECT_WAIT_SINCE = 39
ENROLL_SINCE = 11

Record = Mapping[str, Any]


def completed(record: Record, *, minor: int, what: str = "Cannot create node with invalid name") -> dict[str, Any]:
    """The writable fields of ``record`` in their kept form, all of them. Errors: InvalidRequest."""
    result: dict[str, Any] = {}
    for name in WRITABLE:
        value = checked(NODE_FIELDS[name], record.get(name))
        result[name] = DEFAULTS.get(name) if value is None else value
    if not result["driver"]:
        raise InvalidRequest("Schema error: 'driver' is a required property")
    for name in UUIDS:
        if result[name] is not None:
            result[name] = require_uuid(name, result[name])
    if result["instance_name"] == "":
        raise InvalidRequest("Schema error: instance_name is too short")
    result["conductor_group"] = result["conductor_group"].lower()
    _check_name(result["name"], minor, what)
    check_network_data(result["network_data"])
    return result


def with_instance_name(before: Record, after: dict[str, Any]) -> dict[str, Any]:
    """instance_info.display_name fills an empty instance_name when instance_info changes."""
    shown = after["instance_info"].get("display_name")
    if after["instance_info"] == before["instance_info"] or after["instance_name"] or not shown:
        return after
    if not isinstance(shown, str) or len(shown) > 255:
        raise InvalidRequest("instance_info/display_name must be a text of at most 255 characters")
    return after | {"instance_name": shown}


def changed(before: Record, after: Record) -> dict[str, Any]:
    """The fields of ``after`` that differ."""
    return {name: value for name, value in after.items() if before.get(name) != value}


def check_may_update(node: Record, operations: list[Operation], *, minor: int) -> None:
    """The state's word on any update. Errors: Conflict."""
    state = node["provision_state"]
    freeing = [(each.op, each.path) for each in operations] == [("remove", "/instance_uuid")]
    if node["maintenance"] and freeing:
        return
    if node["target_provision_state"] and state not in UPDATE_ALLOWED:
        raise Conflict(f"Node {node['uuid']} can not be updated while a state transition is in progress.")
    if state == State.INSPECTING and minor >= INSPECT_WAIT_SINCE:
        raise Conflict(f'Cannot update node "{node["uuid"]}" while it is in state "{state}".')


def consequences(delta: Record) -> dict[str, Any]:
    """What else changes with ``delta``: ends of maintenance, protection and retirement take their reasons with them."""
    result: dict[str, Any] = {}
    if delta.get("maintenance") is False:
        result |= {"maintenance_reason": None, "fault": None}
    for name in ("protected", "retired"):
        if delta.get(name) is False:
            result[f"{name}_reason"] = None
    return result


def check_changes(node: Record, after: Record, delta: Record) -> None:
    """The state's word on single fields. Errors: Conflict, InvalidRequest."""
    _check_reasons(node, after, delta)
    _check_interface_changes(node, after, delta)
    state = node["provision_state"]
    if delta.get("instance_uuid") and node["instance_uuid"]:
        raise Conflict(f"Node {node['uuid']} is associated with instance {node['instance_uuid']}.")
    if "resource_class" in delta and node["resource_class"] and state not in INTERFACE_STATES:
        allowed = ", ".join(INTERFACE_STATES)
        raise Conflict(
            f"Node {node['uuid']} can not have resource_class updated unless it is in one of allowed ({allowed}) "
            f"states. Current state is '{state}'."
        )
    if "driver" in delta and node["console_enabled"]:
        raise Conflict(f'Cannot change the driver of node "{node["uuid"]}" while its console is enabled.')


def check_retired(state: str, record: Record) -> None:
    """For new nodes and changed ones. Errors: InvalidRequest, Conflict."""
    if record["retired_reason"] and not record["retired"]:
        raise InvalidRequest("The retired_reason field can only be set when retired is True")
    if record["retired"] and state == State.AVAILABLE:
        raise Conflict("A node in provision state 'available' cannot be retired: move it to manageable first")


def check_may_delete(node: Record) -> None:
    """Errors: Conflict, Forbidden."""
    uuid, state = node["uuid"], node["provision_state"]
    if node["instance_uuid"] and not node["maintenance"]:
        raise Conflict(f"Node {uuid} is associated with instance {node['instance_uuid']}.")
    if node["protected"]:
        raise Forbidden(f"Node {uuid} is protected and cannot be undeployed, rebuilt or deleted.")
    if state not in DELETE_ALLOWED and not node["maintenance"]:
        raise Conflict(
            f'Can not delete node "{uuid}" while it is in provision state "{state}". Valid provision states to perform '
            f"deletion are: {', '.join(DELETE_ALLOWED)}, or set the node into maintenance mode"
        )


def initial_state(minor: int) -> State:
    return State.ENROLL if minor >= ENROLL_SINCE else State.AVAILABLE


def _check_name(name: str | None, minor: int, what: str) -> None:
    if name is None:
        return
    if not is_name(name, minor):
        raise InvalidRequest(f"{what} '{name}'")
    if name in RESERVED_NODE_NAMES:
        reserved = ", ".join(sorted(RESERVED_NODE_NAMES))
        raise InvalidRequest(
            f'The word "{name}" is reserved and can not be used as a node name. Reserved words are: {reserved}.'
        )


def _check_reasons(node: Record, after: Record, delta: Record) -> None:
    state = node["provision_state"]
    if delta.get("protected") and state not in PROTECTABLE:
        raise Conflict(
            f"Node {node['uuid']} can only be made protected in provision states 'active' or 'rescue', "
            f"the current state is '{state}'"
        )
    if delta.get("protected_reason") and not after["protected"]:
        raise InvalidRequest("The protected_reason field can only be set when protected is True")
    if delta.get("retired") and state == State.AVAILABLE:
        raise Conflict(f"Node {node['uuid']} can not have retired set in provision state '{state}'")
    if delta.get("retired_reason") and not after["retired"]:
        raise InvalidRequest("The retired_reason field can only be set when retired is True")


def _check_interface_changes(node: Record, after: Record, delta: Record) -> None:
    state = node["provision_state"]
    if state in INTERFACE_STATES or node["maintenance"] or after["maintenance"]:
        return
    for interface in INTERFACES:
        if f"{interface}_interface" in delta:
            allowed = ", ".join(INTERFACE_STATES)
            raise Conflict(
                f"Node {node['uuid']} can not have {interface}_interface updated unless it is in one of allowed "
                f"({allowed}) states or in maintenance mode. Current state is '{state}'."
            )
