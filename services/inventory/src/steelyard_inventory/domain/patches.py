"""JSON Patch as the API takes it (api facts §3): add, replace, remove; roots from a list; all or nothing.

Rule 1  Only listed root attributes may be touched. ``remove`` of a root leaves it out of the result: the caller gives
        it its default, or says that it is required.
Rule 2  Operations apply in order, each to the result of the one before. The document that was given is never changed.
Rule 3  No error text repeats a value: it may be a secret.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from steelyard_common.errors import InvalidRequest

OPS = ("add", "replace", "remove")
ESCAPES_SINCE = 98  # ~0 and ~1 in keys
_PATH = re.compile(r"(/[\w-]+)+")
_PATH_WITH_ESCAPES = re.compile(r"(/([\w-]|~[01])+)+")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


@dataclass(frozen=True, kw_only=True)
class Operation:
    """``tokens``: the path, unescaped; the first one is the root attribute."""

    op: str
    path: str
    tokens: tuple[str, ...]
    value: Any = field(default=None, repr=False)

    @property
    def root(self) -> str:
        return self.tokens[0]


def parse(patch: Any, *, allowed: Collection[str], minor: int) -> list[Operation]:
    """The operations of a patch body. Errors: InvalidRequest."""
    if not isinstance(patch, list):
        raise InvalidRequest("Schema error for patch: a list of operations is expected")
    return [_operation(item, allowed, minor) for item in patch]


def apply(document: dict[str, Any], operations: list[Operation]) -> dict[str, Any]:
    """The document after all operations. Errors: InvalidRequest, naming the operation that cannot be applied."""
    result = dict(document)
    own: set[str] = set()  # roots that are copies already
    for operation in operations:
        if len(operation.tokens) == 1:
            _apply_to_root(result, operation)
            own.discard(operation.root)
            continue
        if operation.root not in own:
            result[operation.root] = copy.deepcopy(result.get(operation.root))
            own.add(operation.root)
        _apply_below(result, operation)
    return result


def roots(operations: list[Operation]) -> frozenset[str]:
    return frozenset(operation.root for operation in operations)


def _operation(item: Any, allowed: Collection[str], minor: int) -> Operation:
    if not isinstance(item, dict):
        raise InvalidRequest("Schema error for patch: each operation is an object with op, path and value")
    op, path = item.get("op"), item.get("path")
    if op not in OPS:
        raise InvalidRequest(f"Schema error for patch: {op!r} is not one of {list(OPS)}")
    pattern = _PATH_WITH_ESCAPES if minor >= ESCAPES_SINCE else _PATH
    if not isinstance(path, str) or not pattern.fullmatch(path):
        raise InvalidRequest(f"Schema error for patch: path {path!r} does not match '{pattern.pattern}'")
    if op != "remove" and "value" not in item:
        raise InvalidRequest(f"Couldn't apply patch '{op} {path}'. Reason: the operation has no 'value' member")
    tokens = tuple(part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/"))
    if tokens[0] not in allowed:
        listed = ", ".join(allowed)
        raise InvalidRequest(f"Cannot patch {path}. Only the following can be updated: {listed}")
    return Operation(op=op, path=path, tokens=tokens, value=item.get("value"))


def _apply_to_root(result: dict[str, Any], operation: Operation) -> None:
    if operation.op == "remove":
        if operation.root not in result:
            raise _cannot(operation, f"can't remove a non-existent object '{operation.root}'")
        del result[operation.root]
        return
    if operation.op == "replace" and operation.root not in result:
        raise _cannot(operation, f"can't replace a non-existent object '{operation.root}'")
    result[operation.root] = copy.deepcopy(operation.value)


def _apply_below(result: dict[str, Any], operation: Operation) -> None:
    place: Any = result[operation.root]
    for token in operation.tokens[1:-1]:
        place = _step(place, token, operation)
    last = operation.tokens[-1]
    if isinstance(place, dict):
        _change_member(place, last, operation)
    elif isinstance(place, list):
        _change_item(place, last, operation)
    else:
        raise _cannot(operation, f"'{last}' cannot stand below something that is neither an object nor a list")


def _step(place: Any, token: str, operation: Operation) -> Any:
    if isinstance(place, dict) and token in place:
        return place[token]
    if isinstance(place, list) and _INDEX.fullmatch(token) and int(token) < len(place):
        return place[int(token)]
    raise _cannot(operation, f"member '{token}' not found")


def _change_member(place: dict[str, Any], key: str, operation: Operation) -> None:
    if operation.op != "add" and key not in place:
        raise _cannot(operation, f"can't {operation.op} a non-existent object '{key}'")
    if operation.op == "remove":
        del place[key]
    else:
        place[key] = copy.deepcopy(operation.value)


def _change_item(place: list[Any], position: str, operation: Operation) -> None:
    if position == "-" and operation.op == "add":
        place.append(copy.deepcopy(operation.value))
        return
    if not _INDEX.fullmatch(position):
        raise _cannot(operation, f"'{position}' is not a valid sequence index")
    index, room = int(position), len(place) + (operation.op == "add")
    if index >= room:
        raise _cannot(operation, "the index is outside the list")
    if operation.op == "remove":
        del place[index]
    elif operation.op == "add":
        place.insert(index, copy.deepcopy(operation.value))
    else:
        place[index] = copy.deepcopy(operation.value)


def _cannot(operation: Operation, reason: str) -> InvalidRequest:
    return InvalidRequest(f"Couldn't apply patch '{operation.op} {operation.path}'. Reason: {reason}")
