"""Which interfaces a node's hardware type allows, and which it gets when none is named (lifecycle facts §8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steelyard_common.contracts.api import INTERFACES
from steelyard_common.contracts.hardware import HARDWARE_TYPES
from steelyard_common.errors import InvalidRequest

COLUMNS = tuple(f"{interface}_interface" for interface in INTERFACES)


def with_interfaces(record: Mapping[str, Any]) -> dict[str, Any]:
    """``record`` with the default of its driver at each interface that is None. Errors: InvalidRequest."""
    allowed = HARDWARE_TYPES.get(record["driver"])
    if allowed is None:
        known = ", ".join(sorted(HARDWARE_TYPES))
        raise InvalidRequest(
            f"Could not find the following driver(s) or hardware type(s): {record['driver']}. There are: {known}."
        )
    result = dict(record)
    for interface, names in allowed.items():
        column = f"{interface}_interface"
        chosen = result.get(column)
        if chosen is None:
            result[column] = names[0]
        elif chosen not in names:
            raise InvalidRequest(_refusal(record["driver"], interface, chosen, names))
    return result


def default_interface(driver: str, interface: str) -> str:
    return HARDWARE_TYPES[driver][interface][0]


def _refusal(driver: str, interface: str, chosen: str, names: tuple[str, ...]) -> str:
    known = {name for driver_row in HARDWARE_TYPES.values() for name in driver_row[interface]}
    valid = f"Valid interfaces are {list(names)}."
    if chosen not in known:
        return f"Could not find the following interface in the '{interface}' interfaces: {chosen}. {valid}"
    return f"{driver} hardware type does not support {interface} interface '{chosen}'. {valid}"
