"""What is shown and what is kept sealed: two halves of one JSON object.

The shown half has ****** where a secret is, so that every reader may pass it on; the sealed half maps the JSON pointer
of each secret, below the object, to its token. A change works on the whole: ``joined``, change, ``split``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from steelyard_common.secrets import MASK, sealed_paths

from .patches import Operation

# Objects of a node that may hold secrets, and their members that are never shown whatever they hold (api facts §3).
SEALED_FIELDS: dict[str, frozenset[str]] = {
    "driver_info": frozenset(),
    "instance_info": frozenset({"configdrive", "image_url"}),
}


def split(field: str, value: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(shown, sealed) of an object that holds tokens."""
    shown: dict[str, Any] = copy.deepcopy(dict(value))
    sealed: dict[str, Any] = {}
    for name in SEALED_FIELDS.get(field, ()):
        if shown.get(name) not in (None, "", MASK):
            sealed[f"/{name}"], shown[name] = shown[name], MASK
    for path, token in list(sealed_paths(shown)):
        sealed[path] = token
        _put(shown, _tokens(path), MASK)
    return shown, sealed


def joined(shown: Mapping[str, Any], sealed: Mapping[str, Any]) -> dict[str, Any]:
    """The object with its tokens in place of ******."""
    whole: dict[str, Any] = copy.deepcopy(dict(shown))
    for path, token in sealed.items():
        _put(whole, _tokens(path), token)
    return whole


def with_kept_secrets(operation: Operation, sealed: Mapping[str, Mapping[str, Any]]) -> Operation:
    """An operation whose ****** mean "as it was": each becomes the token that stood at its place, if there was one."""
    kept = sealed.get(operation.root)
    if not kept or operation.op == "remove":
        return operation
    start = "".join(f"/{_escaped(token)}" for token in operation.tokens[1:])
    if operation.value == MASK:
        return _with_value(operation, kept.get(start, MASK))
    masks = [path for path in _masks(operation.value) if start + path in kept]
    if not masks:
        return operation
    value = copy.deepcopy(operation.value)
    for path in masks:
        _put(value, _tokens(path), kept[start + path])
    return _with_value(operation, value)


def _with_value(operation: Operation, value: Any) -> Operation:
    return Operation(op=operation.op, path=operation.path, tokens=operation.tokens, value=value)


def _masks(value: Any, path: str = "") -> Iterator[str]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        where = f"{path}/{_escaped(str(key))}"
        if item == MASK:
            yield where
        else:
            yield from _masks(item, where)


def _escaped(token: str) -> str:
    return token.replace("~", "~0").replace("/", "~1")


def _tokens(path: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]


def _put(place: Any, tokens: list[str], value: Any) -> None:
    for token in tokens[:-1]:
        place = place[int(token)] if isinstance(place, list) else place[token]
    place[int(tokens[-1]) if isinstance(place, list) else tokens[-1]] = value
