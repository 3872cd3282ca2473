"""Tags of a node: the form of the words (the tags guideline of OpenStack's API working group)."""

from __future__ import annotations

from typing import Any

from steelyard_common.errors import InvalidRequest

from .filters import word_list
from .values import plain

MAX_TAGS = 80
MAX_LENGTH = 60


def check_one(name: str, value: Any) -> str:
    """Errors: InvalidRequest."""
    if (
        not isinstance(value, str)
        or not 0 < len(value) <= MAX_LENGTH
        or "/" in value
        or "," in value
        or not value.isprintable()
    ):
        raise InvalidRequest(
            f"Invalid {name} '{plain(value)}': a tag has 1 to {MAX_LENGTH} printable characters, without '/' and ','"
        )
    return value


def check_list(name: str, value: Any) -> list[str]:
    """The tags, each once. Errors: InvalidRequest."""
    if not isinstance(value, list):
        raise InvalidRequest(f"'{name}' must be a list of tags")
    found = list(dict.fromkeys(check_one(name, item) for item in value))
    if len(found) > MAX_TAGS:
        raise InvalidRequest(f"A node may have at most {MAX_TAGS} tags, not {len(found)}")
    return found


def tag_filter(name: str, value: str, minor: int) -> list[str]:
    """Tags with commas. Errors: InvalidRequest."""
    found = word_list(name, value, minor)
    if not found:
        raise InvalidRequest(f"{name} needs at least one tag")
    return [check_one(name, each) for each in found]
