"""Are the arguments of a step what its schema asks for? Said without the values: they may be secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steelyard_common.errors import InvalidRequest

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}


def check_args(label: str, schema: Mapping[str, Any], args: Mapping[str, Any]) -> None:
    """Unknown, missing, of a wrong type or not among the choices. What lies deeper is the provider's to judge.

    Errors: InvalidRequest.
    """
    properties: Mapping[str, Any] = schema.get("properties", {})
    if schema.get("additionalProperties", False) is False and (unknown := sorted(args.keys() - properties.keys())):
        possible = ", ".join(properties) or "none"
        raise InvalidRequest(f"{label} does not take the argument {', '.join(unknown)}. It takes: {possible}.")
    if missing := [name for name in schema.get("required", ()) if name not in args]:
        raise InvalidRequest(f"{label} needs the argument {', '.join(missing)}.")
    for name, value in args.items():
        _check(f"{label}: {name}", properties.get(name, {}), value)


def _check(where: str, rule: Mapping[str, Any], value: Any) -> None:
    words = rule.get("type", [])
    types = [words] if isinstance(words, str) else list(words)
    if types and not any(_is(value, word) for word in types):
        raise InvalidRequest(f"{where} must be of type {' or '.join(types)}.")
    if "enum" in rule and value not in rule["enum"]:
        raise InvalidRequest(f"{where} must be one of {', '.join(map(str, rule['enum']))}.")


def _is(value: Any, word: str) -> bool:
    if isinstance(value, bool):
        return word == "boolean"
    return isinstance(value, _TYPES.get(word, (object,)))
