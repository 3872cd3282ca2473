"""The shape of steps sent with clean, deploy and service (facts §7.1); what a node can run is inventory's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from steelyard_common.contracts.catalogue import is_external, is_interface
from steelyard_common.errors import InvalidRequest

from . import values

# Ironic's, as its clients know them; a step provider of a user's own may have one under another name.
INTERFACES = ("power", "management", "deploy", "firmware", "bios", "raid", "vendor")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_interface(value: Any) -> bool:
    return value in INTERFACES or (is_interface(value) and is_external(value))


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_whole(value: Any) -> bool:
    """A whole number from 0, or its digits in a string."""
    if isinstance(value, str):
        return value.isascii() and value.isdigit()
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool)


_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "interface": (_is_interface, f"one of {', '.join(INTERFACES)}, or that of a step provider"),
    "step": (_is_text, "the name of a step"),
    "args": (_is_object, "an object"),
    "priority": (_is_whole, "a whole number from 0"),
    "order": (_is_whole, "a whole number from 0"),
    "execute_on_child_nodes": (_is_boolean, "true or false"),
    "limit_child_node_execution": (lambda value: isinstance(value, list), "a list of nodes"),
}
# Parameter → (keys that must be there, keys that may be).
KEYS = {
    "deploy_steps": (("interface", "step", "args", "priority"), ()),
    "clean_steps": (
        ("interface", "step"),
        ("args", "order", "execute_on_child_nodes", "limit_child_node_execution"),
    ),
}
KEYS["service_steps"] = KEYS["clean_steps"]


def check_steps(name: str, steps: Any) -> None:
    """Errors: InvalidRequest, naming the step by its place. Values are not repeated: args may hold secrets."""
    if not isinstance(steps, list):
        raise InvalidRequest(f"{name} must be a list of steps")
    required, optional = KEYS[name]
    for place, step in enumerate(steps):
        where = f"Invalid {name}[{place}]"
        if not isinstance(step, dict):
            raise InvalidRequest(f"{where}: a step is an object")
        for key in required:
            if key not in step:
                raise InvalidRequest(f"{where}: '{key}' is required")
        for key, value in step.items():
            if key not in required and key not in optional:
                raise InvalidRequest(f"{where}: remove '{values.plain(key)}', it is not part of a step here")
            is_good, wanted = _RULES[key]
            if not is_good(value):
                raise InvalidRequest(f"{where}: '{key}' must be {wanted}")
