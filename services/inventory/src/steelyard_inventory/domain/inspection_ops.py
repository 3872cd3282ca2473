"""Conditions and actions of inspection rules: which there are, and what each is given (lifecycle facts §14).

An item is {op, args, loop}; a condition may also say ``multiple``, and ``!`` before its op turns it round. Arguments
come by name (object) or by position (list). Texts may be format strings, so that most values cannot be judged here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from steelyard_common.errors import InvalidRequest

MULTIPLE = ("any", "all", "first", "last")
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
MAX_SHOWN = 80


@dataclass(frozen=True)
class Op:
    """Names of the arguments in the order of their positions: those that must be given, then those that may be."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


_VALUE = Op(("value",))
_SET, _EXTEND, _DELETE = Op(("path", "value")), Op(("path", "value"), ("unique",)), Op(("path",))
_COMPARE = Op(("values",), ("force_strings",))
CONDITIONS: dict[str, Op] = {
    "eq": _COMPARE,
    "lt": _COMPARE,
    "gt": _COMPARE,
    "is-empty": _VALUE,
    "is-none": _VALUE,
    "is-true": _VALUE,
    "is-false": _VALUE,
    "in-net": Op(("address", "subnet")),
    "matches": Op(("value", "regex")),
    "contains": Op(("value", "regex")),
    "one-of": Op(("value", "values")),
}
ACTIONS: dict[str, Op] = {
    "fail": Op(("msg",)),
    "log": Op(("msg",), ("level",)),
    "set-attribute": _SET,
    "extend-attribute": _EXTEND,
    "del-attribute": _DELETE,
    "set-capability": Op(("name", "value")),
    "unset-capability": Op(("name",)),
    "add-trait": Op(("name",)),
    "remove-trait": Op(("name",)),
    "set-plugin-data": _SET,
    "extend-plugin-data": _EXTEND,
    "unset-plugin-data": _DELETE,
    "set-port-attribute": Op(("port_id", "path", "value")),
    "extend-port-attribute": Op(("port_id", "path", "value"), ("unique",)),
    "del-port-attribute": Op(("port_id", "path")),
    "api-call": Op(("url",), ("headers", "proxies", "timeout", "retries", "backoff_factor")),
}


def check_conditions(items: Any) -> None:
    """Errors: InvalidRequest, naming the place."""
    for where, item in _items("conditions", items):
        _check(where, item, CONDITIONS, ("op", "args", "loop", "multiple"), negates=True)
        if item.get("multiple", "any") not in MULTIPLE:
            raise InvalidRequest(f"{where}: 'multiple' must be one of {', '.join(MULTIPLE)}")


def check_actions(items: Any) -> None:
    """Errors: InvalidRequest, naming the place."""
    for where, item in _items("actions", items):
        _check(where, item, ACTIONS, ("op", "args", "loop"), negates=False)
    if not items:
        raise InvalidRequest("Schema error for inspection rule: 'actions' is a required property: at least one action")


def _items(name: str, items: Any) -> list[tuple[str, Any]]:
    if not isinstance(items, list):
        raise InvalidRequest(f"Schema error for inspection rule: '{name}' must be a list")
    return [(f"Schema error for inspection rule: {name}[{place}]", item) for place, item in enumerate(items)]


def _check(where: str, item: Any, ops: Mapping[str, Op], keys: tuple[str, ...], *, negates: bool) -> None:
    if not isinstance(item, dict):
        raise InvalidRequest(f"{where} must be an object")
    if unknown := sorted(item.keys() - set(keys)):
        raise InvalidRequest(f"{where}: '{unknown[0][:MAX_SHOWN]}' is not one of {', '.join(keys)}")
    for key in ("op", "args"):
        if key not in item:
            raise InvalidRequest(f"{where}: '{key}' is a required property")
    name = item["op"]
    if isinstance(name, str) and negates and name.startswith("!"):
        name = name[1:].strip()
    op = ops.get(name) if isinstance(name, str) else None
    if op is None:
        raise InvalidRequest(f"{where}: unsupported operator; it must be one of {', '.join(ops)}")
    if not isinstance(item.get("loop", []), (list, dict)):
        raise InvalidRequest(f"{where}: 'loop' must be a list or an object")
    for argument, value in _by_name(where, op, item["args"]).items():
        _check_value(where, name, argument, value)


def _by_name(where: str, op: Op, args: Any) -> dict[str, Any]:
    """Errors: InvalidRequest."""
    names = op.required + op.optional
    if isinstance(args, list):
        if len(args) > len(names):
            raise InvalidRequest(f"{where}: too many arguments; it takes {', '.join(names)}")
        args = dict(zip(names, args, strict=False))
    if not isinstance(args, dict):
        raise InvalidRequest(f"{where}: 'args' must be an object or a list")
    if missing := [name for name in op.required if name not in args]:
        raise InvalidRequest(f"{where}: missing required argument(s): {', '.join(missing)}")
    if unknown := sorted(args.keys() - set(names)):
        raise InvalidRequest(f"{where}: unexpected argument '{unknown[0][:MAX_SHOWN]}'; it takes {', '.join(names)}")
    return args


def _is_list(value: Any) -> bool:
    # A text stands for a list that a format string gives.
    return isinstance(value, (list, str))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


def _is_regex(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


# Argument → what it must be, whichever operator takes it.
_WANTED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "regex": (_is_regex, "a regular expression"),
    "values": (_is_list, "a list"),
    "path": (_is_text, "a path"),
    "name": (_is_text, "a name"),
    "url": (_is_text, "a URL"),
    "subnet": (_is_text, "a subnet"),
    "msg": (lambda value: isinstance(value, str), "a text"),
    "level": (lambda value: isinstance(value, str) and value.lower() in LOG_LEVELS, f"one of {', '.join(LOG_LEVELS)}"),
    "unique": (lambda value: isinstance(value, bool), "true or false"),
    "force_strings": (lambda value: isinstance(value, bool), "true or false"),
    "headers": (lambda value: isinstance(value, dict), "an object"),
    "proxies": (lambda value: isinstance(value, dict), "an object"),
    "timeout": (_is_number, "a number from 0"),
    "retries": (_is_number, "a number from 0"),
    "backoff_factor": (_is_number, "a number from 0"),
}
_AT_LEAST_TWO = ("eq", "lt", "gt")


def _check_value(where: str, op: str, argument: str, value: Any) -> None:
    if argument in _WANTED:
        is_good, wanted = _WANTED[argument]
        if not is_good(value):
            raise InvalidRequest(f"{where}: '{argument}' must be {wanted}")
    if op in _AT_LEAST_TWO and argument == "values" and isinstance(value, list) and len(value) < 2:
        raise InvalidRequest(f"{where}: 'values' must have at least two items to compare")
