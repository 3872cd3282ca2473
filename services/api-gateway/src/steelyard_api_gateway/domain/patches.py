"""JSON Patch as the API takes it: shape, roots, versions (facts §3). Applying it is inventory's."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from steelyard_common.contracts.api import Field
from steelyard_common.errors import InvalidRequest

from .values import plain
from .versions import too_new

OPERATIONS = ("add", "replace", "remove")
_KEYS = frozenset({"op", "path", "value"})
# Letters, digits, _ and - ; V98 also lets ~0 and ~1 stand for ~ and / in a key.
_PATH = re.compile(r"(?:/[\w-]+)+")
_PATH_WITH_ESCAPES = re.compile(r"(?:/(?:[\w-]|~[01])+)+")
ESCAPES_SINCE = 98


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation, checked. ``segments``: the path, split and unescaped; ``value`` means nothing for remove."""

    op: str
    path: str
    segments: tuple[str, ...]
    value: Any = None

    @property
    def root(self) -> str:
        return self.segments[0]

    @property
    def sets_root(self) -> bool:
        return len(self.segments) == 1 and self.op != "remove"

    def with_value(self, value: Any) -> Operation:
        return replace(self, value=value)

    def to_dict(self) -> dict[str, Any]:
        head = {"op": self.op, "path": self.path}
        return head if self.op == "remove" else head | {"value": self.value}


def parse(patch: Any, fields: dict[str, Field], minor: int, *, mandatory: Collection[str]) -> list[Operation]:
    """The operations of a patch of a resource with these fields; those ``mandatory`` cannot be removed.

    Errors: InvalidRequest (shape, operation, path, root), NotAcceptable (a root newer than the request's version).
    """
    if not isinstance(patch, list):
        raise InvalidRequest("Schema error for patch: a patch is a list of operations, [{op, path, value}, …]")
    operations = [_operation(item, minor) for item in patch]
    for operation in operations:
        _check_root(operation, fields, minor)
        if operation.op == "remove" and len(operation.segments) == 1 and operation.root in mandatory:
            raise InvalidRequest(
                f"Schema error for patch: '{operation.root}' is a required property; replace it instead"
            )
    return operations


def _operation(item: Any, minor: int) -> Operation:
    if not isinstance(item, dict):
        raise InvalidRequest("Schema error for patch: each operation is an object with op, path and value")
    unknown = sorted(item.keys() - _KEYS)
    if unknown:
        raise InvalidRequest(f"Schema error for patch: remove {plain(unknown[0])!r}; an operation has op, path, value")
    op, path = item.get("op"), item.get("path")
    if op not in OPERATIONS:
        raise InvalidRequest(f"Schema error for patch: op is {plain(op)}, it must be one of {', '.join(OPERATIONS)}")
    pattern = _PATH_WITH_ESCAPES if minor >= ESCAPES_SINCE else _PATH
    if not isinstance(path, str) or not pattern.fullmatch(path):
        raise InvalidRequest(
            f"Schema error for patch: path {plain(path)} must look like /field/key, of letters, digits, '_' and '-'"
        )
    if op != "remove" and "value" not in item:
        raise InvalidRequest(f"Couldn't apply patch: {op} {plain(path)} does not contain a 'value'")
    segments = tuple(part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/"))
    return Operation(op=op, path=path, segments=segments, value=item.get("value"))


def _check_root(operation: Operation, fields: dict[str, Field], minor: int) -> None:
    field = fields.get(operation.root)
    if field is None or not field.patch:
        allowed = ", ".join(sorted(name for name, each in fields.items() if each.patch and each.since <= minor))
        raise InvalidRequest(f"Cannot patch {plain(operation.path)}. Only the following can be updated: {allowed}")
    if field.since > minor and operation.op != "remove":
        raise too_new(f"the field {field.name}", field.since)
    if len(operation.segments) > 1 and field.kind not in ("object", "list"):
        raise InvalidRequest(
            f"Couldn't apply patch: {plain(operation.path)} does not exist, {field.name} is not an object;"
            f" set /{field.name} itself"
        )
