"""What an inspection found, as it is kept: pure (lifecycle facts §13)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from .runs import Run
from .workflows import Kind

# PostgreSQL's JSON has no NUL, and firmware pads its strings with them. An escaped backslash before it is no escape.
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


@dataclass(frozen=True, kw_only=True, slots=True)
class InspectionData:
    """JSON texts of two objects."""

    inventory: str
    plugin_data: str


def inspected(run: Run, facts: Mapping[str, Any]) -> InspectionData | None:
    """The ``inventory`` and ``plugin_data`` among the facts of an inspection; no other workflow's count.

    None when there is no inventory, or it has not the shape of one: what was known stays.
    """
    inventory, plugin_data = facts.get("inventory"), facts.get("plugin_data", {})
    if run.kind is not Kind.INSPECT or not isinstance(inventory, dict) or not isinstance(plugin_data, dict):
        return None
    return InspectionData(inventory=_text(inventory), plugin_data=_text(plugin_data))


def known_disks(node: Mapping[str, Any], inventory: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The disks as an agent will find them again; none where that is not certain: an array may have been made of them
    since, some are to be left alone, or it was no agent that saw them."""
    disks = inventory.get("disks")
    is_changed = node.get("raid_config") or node.get("target_raid_config")
    is_changed = is_changed or (node.get("properties") or {}).get("skip_block_devices")
    if is_changed or not isinstance(disks, list) or not all(_is_of_agent(disk) for disk in disks):
        return []
    return [dict(disk) for disk in disks]


def _is_of_agent(disk: Any) -> bool:
    return isinstance(disk, Mapping) and str(disk.get("name", "")).startswith("/dev/")


def _text(value: dict[str, Any]) -> str:
    text = orjson.dumps(value).decode()
    while (clean := _NUL.sub(r"\1", text)) != text:  # several in a row
        text = clean
    return text
