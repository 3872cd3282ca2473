"""Traits of a node: standard ones (os-traits) or CUSTOM_…, at most 50 (api facts §7.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable

import os_traits
from steelyard_common.errors import InvalidRequest, NotFound

MAX_TRAITS = 50
_CUSTOM = re.compile(r"CUSTOM_[A-Z0-9_]+")
STANDARD: frozenset[str] = frozenset(os_traits.get_traits())


def is_trait(text: object) -> bool:
    return isinstance(text, str) and len(text) <= 255 and (text in STANDARD or _CUSTOM.fullmatch(text) is not None)


def new_traits(node_uuid: str, present: Iterable[str], mode: str, given: list[str]) -> list[str]:
    """The node's traits after ``mode`` (replace, add, remove, clear), sorted. Errors: InvalidRequest, NotFound."""
    if mode == "clear":
        return []
    if mode == "remove":
        return _without(node_uuid, set(present), given)
    for trait in given:
        if not is_trait(trait):
            raise InvalidRequest(f"Invalid trait {str(trait)[:255]!r}: a standard trait or CUSTOM_… is expected")
    if mode not in ("add", "replace"):
        raise InvalidRequest("traits can be replaced, added, removed or cleared")
    result = set(given) if mode == "replace" else set(present) | set(given)
    if len(result) > MAX_TRAITS:
        raise InvalidRequest(f"Node {node_uuid} cannot have more than {MAX_TRAITS} traits")
    return sorted(result)


def _without(node_uuid: str, present: set[str], given: list[str]) -> list[str]:
    for trait in given:
        if trait not in present:
            raise NotFound(f"Node {node_uuid} doesn't have a trait '{trait}'")
    return sorted(present - set(given))
