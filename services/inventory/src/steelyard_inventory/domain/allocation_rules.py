"""What an allocation may be, which nodes suit it, and when it may go (api facts §13)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steelyard_common.contracts.recipes import ALLOCATION_FIELDS
from steelyard_common.errors import Conflict, InvalidRequest

from .node_rules import UPDATE_ALLOWED
from .traits import is_trait
from .transitions import State
from .values import checked, is_name, require_uuid

ALLOCATING, ACTIVE, ERROR = "allocating", "active", "error"
PATCHABLE = tuple(name for name, field in ALLOCATION_FIELDS.items() if field.patch)
CREATABLE = tuple(name for name, field in ALLOCATION_FIELDS.items() if field.create)
TRIES = 3  # looks that found suitable nodes, all of them locked
RETRY_AFTER_S = 1.0
NO_TRAITS: list[str] = []

Record = Mapping[str, Any]


def completed(record: Record, *, minor: int, backfills: bool) -> dict[str, Any]:
    """The writable fields in their kept form, all of them; candidates as they were given. Errors: InvalidRequest."""
    result: dict[str, Any] = {}
    for name in CREATABLE:
        if ALLOCATION_FIELDS[name].kind == "list":
            result[name] = _texts(name, record.get(name))
        else:
            result[name] = checked(ALLOCATION_FIELDS[name], record.get(name))
    result["extra"] = result["extra"] or {}
    if result["uuid"] is not None:
        result["uuid"] = require_uuid("uuid", result["uuid"])
    check_name(result["name"], minor)
    if not result["resource_class"] and not backfills:
        raise InvalidRequest("The resource_class field is mandatory when not backfilling")
    for trait in result["traits"]:
        if not is_trait(trait):
            raise InvalidRequest(f"Invalid trait {trait[:255]!r}: a standard trait or CUSTOM_… is expected")
    return result


def changed(before: Record, after: Record, *, minor: int) -> dict[str, Any]:
    """What a patch changes. Errors: InvalidRequest."""
    wanted = {name: checked(ALLOCATION_FIELDS[name], after.get(name)) for name in PATCHABLE}
    wanted["extra"] = wanted["extra"] or {}
    check_name(wanted["name"], minor)
    return {name: value for name, value in wanted.items() if before[name] != value}


def check_name(name: Any, minor: int) -> None:
    """Errors: InvalidRequest."""
    if name is not None and not is_name(name, minor):
        raise InvalidRequest(f"Cannot create allocation with invalid name '{str(name)[:255]}'")


def check_may_backfill(allocation: Record, node: Record) -> None:
    """May this node be recorded as taken by this allocation? Errors: Conflict."""
    uuid, told = node["uuid"], f"Failed to process allocation {allocation['uuid']}:"
    if node["provision_state"] != State.ACTIVE:
        raise Conflict(
            f"Node {uuid} must be in the provision state 'active' to be backfilled, not '{node['provision_state']}'"
        )
    if node["allocation_uuid"] or node["instance_uuid"] not in (None, allocation["uuid"]):
        raise Conflict(f"Node {uuid} is associated with instance {node['instance_uuid']}.")
    if allocation["resource_class"] != node["resource_class"]:
        raise Conflict(f"{told} node {uuid} has resource class {node['resource_class']}, not the requested one")
    if missing := sorted(set(allocation["traits"]) - set(node["traits"])):
        raise Conflict(f"{told} node {uuid} does not have the requested trait(s) {', '.join(missing)}")
    if allocation["candidate_nodes"] and uuid not in allocation["candidate_nodes"]:
        raise Conflict(f"{told} node {uuid} is not one of the candidate nodes")
    if allocation["owner"] and allocation["owner"] not in (node["owner"], node["lessee"]):
        raise Conflict(f"{told} node {uuid} neither belongs nor is leased to the owner of the allocation")


def check_may_free(allocation_uuid: str, node: Record) -> None:
    """May the allocation be taken from its node? Errors: Conflict."""
    if node["maintenance"]:
        return
    state, told = node["provision_state"], f"Cannot remove allocation {allocation_uuid} for node {node['uuid']}"
    if state == State.ACTIVE:
        raise Conflict(f"{told}, because the node is active (and maintenance mode is off)")
    if node["target_provision_state"] and state not in UPDATE_ALLOWED:
        raise Conflict(
            f"{told}, because the node is in state {state} where updates are not allowed (and maintenance mode is off)"
        )


def taken(allocation: Record, node: Record) -> dict[str, Any]:
    """The node's columns that say who has it."""
    return {
        "instance_uuid": allocation["uuid"],
        "allocation_uuid": allocation["uuid"],
        "instance_info": node["instance_info"] | {"traits": list(allocation["traits"])},
    }


def freed(node: Record) -> dict[str, Any]:
    """The node's columns after its allocation has gone."""
    instance_info = {name: value for name, value in node["instance_info"].items() if name != "traits"}
    return {"instance_uuid": None, "allocation_uuid": None, "instance_info": instance_info}


def failure(allocation: Record, *, suitable: int, with_class: bool) -> str:
    """Why no node was found. ``suitable``: nodes that suit and are locked; ``with_class``: some would, but for traits
    or owner."""
    told = f"Failed to process allocation {allocation['uuid']}:"
    if suitable:
        return f"{told} could not reserve any of {suitable} suitable nodes."
    if with_class and any(allocation[name] for name in ("affinity", "anti_affinity", "availability_zone")):
        return f"{told} no available nodes are where {', '.join(_asked_places(allocation))} asks for."
    if with_class and allocation["traits"]:
        return f"{told} no suitable nodes have the requested traits {', '.join(allocation['traits'])}."
    if allocation["candidate_nodes"]:
        return (
            f"{told} none of the requested nodes are available and match the resource class "
            f"{allocation['resource_class']}."
        )
    return f"{told} no available nodes match the resource class {allocation['resource_class']}."


def _asked_places(allocation: Record) -> list[str]:
    return [name for name in ("affinity", "anti_affinity", "availability_zone") if allocation[name]]


def _texts(name: str, value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidRequest(f"Schema error for allocation: {name} is not a list of strings")
    return list(dict.fromkeys(value))
