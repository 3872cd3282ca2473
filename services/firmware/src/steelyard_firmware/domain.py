"""The steps that firmware provides, as announced to inventory, and what becomes of their arguments. Pure.

Arguments and kinds are Ironic's (lifecycle facts §7, §10).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from steelyard_common.contracts.catalogue import Offer, StepSpec, args_schema
from steelyard_common.errors import InvalidRequest

FAKE_ONLY = ("fake",)
_TEXT = {"type": "string", "minLength": 1}
_BIOS = {
    "type": "array",
    "minItems": 1,
    "description": "BIOS settings, each with name and value.",
    "items": {
        "type": "object",
        "properties": {"name": _TEXT, "value": {"type": ["string", "integer", "boolean"]}},
        "required": ["name", "value"],
        "additionalProperties": False,
    },
}
_UPDATES = {
    "type": "array",
    "minItems": 1,
    "description": "What to update: component (bios, bmc, nic:…), url, and how many seconds to wait afterwards.",
    "items": {
        "type": "object",
        "properties": {"component": _TEXT, "url": _TEXT, "wait": {"type": "integer", "minimum": 0}},
        "required": ["component", "url"],
        "additionalProperties": False,
    },
}
_RAID = {
    "type": "object",
    "description": "The logical disks to make.",
    "properties": {"logical_disks": {"type": "array", "minItems": 1, "items": {"type": "object"}}},
    "required": ["logical_disks"],
    "additionalProperties": False,
}


def _flag(description: str) -> dict[str, Any]:
    return {"type": "boolean", "description": description}


def _step(interface: str, name: str, description: str, kinds: tuple[str, ...], **more: Any) -> StepSpec:
    return StepSpec(
        interface=interface, name=name, description=description, implementations=FAKE_ONLY,
        kinds=dict.fromkeys(kinds, 0), **more,
    )  # fmt: skip


ERASES = "erases the disks of its logical disks"
REBOOTS = "reboots the node"
STEPS: tuple[StepSpec, ...] = (
    _step(
        "bios", "apply_configuration", "Set BIOS settings.", ("clean", "deploy", "service"),
        args=args_schema({"settings": _BIOS}, "settings"), effects=("changes BIOS settings", REBOOTS),
        undo="apply the former settings; they are in the node's history of BIOS settings",
    ),
    _step(
        "bios", "factory_reset", "Set all BIOS settings back to the maker's.", ("clean", "deploy", "service"),
        effects=("changes BIOS settings", REBOOTS), undo="apply the former settings",
    ),
    _step(
        "raid", "create_configuration", "Make the logical disks of the node's target_raid_config.", ("clean",),
        args=args_schema({
            "create_root_volume": _flag("Make the root volume, too."),
            "create_nonroot_volumes": _flag("Make the other volumes, too."),
            "delete_existing": _flag("Delete first what is there."),
        }),
        effects=(ERASES,), undo="delete the configuration; data does not come back",
    ),
    _step(
        "raid", "delete_configuration", "Delete all logical disks.", ("clean", "deploy"),
        effects=(ERASES,), undo="create the configuration anew; data does not come back",
    ),
    _step(
        "raid", "apply_configuration", "Make the logical disks of the argument raid_config.", ("deploy", "service"),
        args=args_schema(
            {"raid_config": _RAID, "delete_existing": _flag("Delete first what is there.")}, "raid_config"
        ),
        effects=(ERASES,), undo="delete the configuration; data does not come back",
    ),
    _step(
        "firmware", "update", "Update the firmware of components.", ("clean", "deploy", "service"),
        args=args_schema({"settings": _UPDATES}, "settings"), abortable=False,
        effects=("changes firmware", REBOOTS), undo="update to the former version, where the maker allows it",
    ),
)  # fmt: skip

OFFER = Offer(
    service="firmware",
    provides={"bios": ("fake", "no-bios"), "raid": ("fake", "no-raid"), "firmware": ("fake", "no-firmware")},
    steps=STEPS,
)


def wanted_disks(target: Mapping[str, Any] | None, args: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The logical disks of a target_raid_config, without those that ``args`` leaves out. Errors: InvalidRequest."""
    disks: list[dict[str, Any]] = list((target or {}).get("logical_disks") or ())
    if not disks:
        raise InvalidRequest("the node has no target_raid_config; set it with PUT /v1/nodes/{node}/states/raid")
    flags = {True: args.get("create_root_volume", True), False: args.get("create_nonroot_volumes", True)}
    chosen = [disk for disk in disks if flags[bool(disk.get("is_root_volume"))]]
    if not chosen:
        raise InvalidRequest(
            "nothing is left to make: the arguments leave out every logical disk of target_raid_config"
        )
    return chosen


def raid_config(disks: list[dict[str, Any]], now: datetime) -> dict[str, Any]:
    """What a node's raid_config is afterwards."""
    return {"logical_disks": disks, "last_updated": now.astimezone(UTC).isoformat(timespec="seconds")}
