"""Identifiers in paths, queries and bodies: UUIDs and logical names, whose rules changed with V5 and V10 (facts §3)."""

from __future__ import annotations

import re
from typing import Any

from steelyard_common.contracts.api import RESERVED_NODE_NAMES
from steelyard_common.errors import InvalidRequest, NotFound

from .values import plain

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_LOOSE_UUID = re.compile(r"(?:urn:uuid:)?\{?[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}\}?")
_NAME = re.compile(r"[A-Za-z0-9._~-]{1,255}")
# Below V10: host-name-safe, lower case, labels of at most 63.
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST_NAME = re.compile(rf"(?=.{{1,255}}$){_LABEL}(?:\.{_LABEL})*")
NAMES_SINCE = 5
FREE_NAMES_SINCE = 10


class BadIdentifier(InvalidRequest):
    """Neither a UUID nor a name (answered in the abort shape)."""


def uuid_or_none(value: Any) -> str | None:
    """A UUID in its one spelling (lower case, dashes), or None if it is none."""
    if not isinstance(value, str):
        return None
    if _UUID.fullmatch(value):
        return value
    if not _LOOSE_UUID.fullmatch(value):
        return None
    digits = re.sub(r"[^0-9a-fA-F]", "", value.removeprefix("urn:uuid:")).lower()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def uuid(name: str, value: Any) -> str:
    """Errors: InvalidRequest."""
    found = uuid_or_none(value)
    if found is None:
        raise InvalidRequest(f"Expected UUID for {name}: {plain(value)}")
    return found


def is_name(value: Any, minor: int) -> bool:
    """May ``value`` be a logical name at this version?"""
    if not isinstance(value, str) or uuid_or_none(value) is not None:
        return False
    pattern = _NAME if minor >= FREE_NAMES_SINCE else _HOST_NAME
    return pattern.fullmatch(value) is not None


def from_path(kind: str, value: str, minor: int) -> str:
    """A UUID in its one spelling, or a name, out of a path (``kind``: node, port).

    Errors: BadIdentifier (V10+), InvalidRequest (a name that V5 to V9 do not allow), NotFound (a name below V5).
    """
    found = uuid_or_none(value)
    if found is not None:
        return found
    if not is_name(value, FREE_NAMES_SINCE):
        raise BadIdentifier(f"Expected UUID or name for {kind}: {plain(value)}")
    if minor < NAMES_SINCE:
        raise NotFound(f"{kind.capitalize()} {plain(value)} could not be found.")
    if not is_name(value, minor):
        raise InvalidRequest(f"Expected a logical name or UUID but received {plain(value)}.")
    return value


def from_query(name: str, value: str, minor: int) -> str:
    """As ``from_path`` for a query parameter. Errors: InvalidRequest."""
    found = uuid_or_none(value)
    if found is not None:
        return found
    if not is_name(value, max(minor, NAMES_SINCE)):
        raise InvalidRequest(f"Expected UUID or name for {name}: {plain(value)}")
    return value


def check_node_name(value: Any, minor: int) -> None:
    """May a node be given this name? Errors: InvalidRequest."""
    if value is None:
        return
    if not is_name(value, minor):
        raise InvalidRequest(
            f"'{plain(value)}' is an invalid name for a node: use up to 255 letters, digits, '-', '.', '_', '~'"
            " (lower-case and host-name-safe below version 1.10), and not the form of a UUID"
        )
    if value in RESERVED_NODE_NAMES:
        words = ", ".join(sorted(RESERVED_NODE_NAMES))
        raise InvalidRequest(
            f'The word "{value}" is reserved and can not be used as a node name. Reserved words are: {words}.'
        )
