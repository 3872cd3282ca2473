"""Tags of a node: short words that people put on it (the tags guideline of OpenStack's API working group)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from steelyard_common.errors import InvalidRequest, NotFound

MAX_TAGS = 80
MAX_LENGTH = 60


def check(tag: Any) -> str:
    """Errors: InvalidRequest."""
    if not isinstance(tag, str) or not 0 < len(tag) <= MAX_LENGTH or "/" in tag or "," in tag or not tag.isprintable():
        raise InvalidRequest(
            f"Invalid tag {str(tag)[:MAX_LENGTH]!r}: 1 to {MAX_LENGTH} printable characters without '/' and ',' are"
            " expected"
        )
    return tag


def new_tags(node_uuid: str, present: Iterable[str], mode: str, given: Iterable[Any]) -> list[str]:
    """The node's tags after ``mode`` (replace, add, remove), sorted. Errors: InvalidRequest, NotFound."""
    have, named = set(present), {check(tag) for tag in given}
    if mode == "remove":
        if missing := sorted(named - have):
            raise NotFound(f"Node {node_uuid} doesn't have a tag '{missing[0]}'")
        return sorted(have - named)
    result = named if mode == "replace" else have | named
    if len(result) > MAX_TAGS:
        raise InvalidRequest(f"Node {node_uuid} cannot have more than {MAX_TAGS} tags")
    return sorted(result)
