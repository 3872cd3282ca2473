"""What a node's logical disks shall be: is a target_raid_config one (lifecycle facts §10)? Pure.

Rule 1  What no machine could make is refused when it is asked for, not when a ramdisk has been booted for it.
Rule 2  Software RAID has rules of its own, because the agent makes it and has to boot from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from steelyard_common.errors import InvalidRequest

LEVELS = ("JBOD", "0", "1", "2", "5", "6", "1+0", "5+0", "6+0")
SOFTWARE, MAX = "software", "MAX"
MOST_SOFTWARE_DISKS = 2
# Level of the second logical disk of a software RAID → how many members it needs.
SECOND_LEVELS = {"0": 2, "1": 2, "1+0": 2, "5": 3, "6": 4}
NEEDED = ("raid_level", "size_gb")


def check(config: Mapping[str, Any]) -> None:
    """Errors: InvalidRequest. An empty configuration clears, and is none."""
    if unknown := sorted(config.keys() - {"logical_disks"}):
        raise InvalidRequest(f"A RAID configuration has logical_disks alone, not {', '.join(unknown)[:200]}.")
    disks = config.get("logical_disks")
    if not isinstance(disks, list) or not disks:
        raise InvalidRequest("logical_disks must be a list with at least one logical disk.")
    for number, disk in enumerate(disks):
        _check_disk(f"logical_disks[{number}]", disk)
    if sum(bool(disk.get("is_root_volume")) for disk in disks) > 1:
        raise InvalidRequest("Only one logical disk may have is_root_volume.")
    if any(disk.get("controller") == SOFTWARE for disk in disks):
        _check_software(disks)


def _check_disk(where: str, disk: Any) -> None:
    if not isinstance(disk, dict):
        raise InvalidRequest(f"{where} must be an object.")
    if unknown := sorted(disk.keys() - PROPERTIES.keys()):
        raise InvalidRequest(f"{where} does not know {', '.join(unknown)[:200]}; it knows {', '.join(PROPERTIES)}.")
    if missing := [name for name in NEEDED if name not in disk]:
        raise InvalidRequest(f"{where} needs {', '.join(missing)}.")
    for name, value in disk.items():
        is_right, words = PROPERTIES[name]
        if not is_right(value):
            raise InvalidRequest(f"{where}.{name} must be {words}.")
    if "physical_disks" in disk:
        _check_members(where, disk)


def _check_members(where: str, disk: Mapping[str, Any]) -> None:
    """Names of disks; hints say which disks are meant where the agent chooses them."""
    if "controller" not in disk:
        raise InvalidRequest(f"{where}.physical_disks needs the controller that the disks are at.")
    members = disk["physical_disks"]
    if any(isinstance(member, dict) for member in members):
        if disk["controller"] != SOFTWARE or not all(isinstance(member, dict) for member in members):
            raise InvalidRequest(f"{where}.physical_disks must be names; hints are for controller {SOFTWARE}, alone.")
        if len(members) < MOST_SOFTWARE_DISKS:
            raise InvalidRequest(f"{where}.physical_disks needs the hints of two disks at least.")


def _check_software(disks: list[dict[str, Any]]) -> None:
    if len(disks) > MOST_SOFTWARE_DISKS or not all(disk.get("controller") == SOFTWARE for disk in disks):
        raise InvalidRequest("A software RAID has one or two logical disks, all of them with controller software.")
    if disks[0]["raid_level"] != "1":
        raise InvalidRequest("The first logical disk of a software RAID must have raid_level 1.")
    for number, disk in enumerate(disks):
        if (least := SECOND_LEVELS.get(disk["raid_level"])) is None:
            levels = ", ".join(SECOND_LEVELS)
            raise InvalidRequest(f"The second logical disk of a software RAID must have a raid_level of {levels}.")
        members = disk.get("physical_disks")
        if members is not None and len(members) < least:
            level = disk["raid_level"]
            raise InvalidRequest(f"logical_disks[{number}]: raid_level {level} needs {least} physical_disks at least.")
    if sum(disk["size_gb"] == MAX for disk in disks) > 1:
        raise InvalidRequest(f"Only one logical disk of a software RAID may have size_gb {MAX}.")


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_one_of(*known: str) -> tuple[Callable[[Any], bool], str]:
    return lambda value: isinstance(value, str) and value in known, f"one of {', '.join(known)}"


def _is_list_of_disks(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_text(each) or isinstance(each, dict) for each in value)


# Property of a logical disk → what its value must be, and that in words.
PROPERTIES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "raid_level": _is_one_of(*LEVELS),
    "size_gb": (lambda value: value == MAX or _is_count(value, 0), f"a whole number from 0 on, or {MAX}"),
    "controller": (_is_text, "a text"),
    "volume_name": (_is_text, "a text"),
    "is_root_volume": (_is_bool, "true or false"),
    "share_physical_disks": (_is_bool, "true or false"),
    "disk_type": _is_one_of("hdd", "ssd"),
    "interface_type": _is_one_of("sata", "scsi", "sas"),
    "number_of_physical_disks": (lambda value: _is_count(value, 1), "a whole number from 1 on"),
    "physical_disks": (_is_list_of_disks, "a list of names, or of hints, with at least one"),
}
