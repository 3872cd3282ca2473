"""Where an allocation's node may stand: near others, apart from others, in a zone. Any property of nodes will do.

``affinity`` and ``anti_affinity`` are {"key": "rack", "with": [allocations or nodes]} or {"key": "rack", "group":
"web"}. Whoever names a group belongs to it; groups of different owners are different groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from steelyard_common.errors import InvalidRequest

RULES = ("affinity", "anti_affinity")
MAX_TEXT, MAX_OTHERS, MAX_DEPTH = 255, 100, 8


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a node's properties must be: at ``path`` one of ``near``, at ``apart_path`` something else than ``apart``.

    ``near`` None: anywhere, as the first of its group does. A node without the property suits no affinity and no
    anti-affinity: nobody could stand near the first one."""

    zone: str | None = None
    path: tuple[str, ...] = ()
    near: tuple[str, ...] | None = None
    apart_path: tuple[str, ...] = ()
    apart: tuple[str, ...] | None = None


def completed(given: Mapping[str, Any], *, backfills: bool) -> dict[str, Any]:
    """The columns of an allocation that say where. Errors: InvalidRequest."""
    zone = given.get("availability_zone")
    if zone is not None and not _is_text(zone):
        raise InvalidRequest(f"availability_zone must be a text of 1 to {MAX_TEXT} characters")
    columns: dict[str, Any] = {"availability_zone": zone}
    columns |= {name: _rule(name, given.get(name)) for name in RULES}
    if backfills and any(value is not None for value in columns.values()):
        raise InvalidRequest("A backfilled allocation has its node: leave affinity, anti_affinity and zone out")
    groups = {columns[name]["group"] for name in RULES if columns[name] and "group" in columns[name]}
    return columns | {"groups": sorted(groups)}


def path_of(key: str) -> tuple[str, ...]:
    """The levels below properties."""
    return tuple(key.removeprefix("properties.").split("."))


def _rule(name: str, rule: Any) -> dict[str, Any] | None:
    if rule is None:
        return None
    if (
        not isinstance(rule, dict)
        or not rule.keys() <= {"key", "with", "group"}
        or ("with" in rule) == ("group" in rule)
    ):
        raise InvalidRequest(f"{name} must be an object with key and either with or group")
    key: Any = rule.get("key")
    if not _is_text(key) or not all(path_of(key)) or len(path_of(key)) > MAX_DEPTH:
        raise InvalidRequest(f"{name}: key must name a property of nodes, as rack or location.rack")
    if "group" in rule:
        if not _is_text(rule["group"]):
            raise InvalidRequest(f"{name}: group must be a text of 1 to {MAX_TEXT} characters")
        return {"key": key, "group": rule["group"]}
    others = rule["with"]
    if not isinstance(others, list) or not 0 < len(others) <= MAX_OTHERS or not all(map(_is_text, others)):
        raise InvalidRequest(f"{name}: with must list 1 to {MAX_OTHERS} allocations or nodes")
    return {"key": key, "with": list(dict.fromkeys(others))}


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_TEXT and "\x00" not in value
