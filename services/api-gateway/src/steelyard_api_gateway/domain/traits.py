"""Traits of a node: the form of their names (facts §7.3). Which standard names exist is inventory's to know."""

from __future__ import annotations

import re
from typing import Any

from steelyard_common.errors import InvalidRequest

from .values import plain, text

SINCE = 37
MAX_TRAITS = 50
_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,254}")


def check_one(name: str, value: Any) -> str:
    """Errors: InvalidRequest."""
    trait = text(name, value)
    if not _NAME.fullmatch(trait) or trait == "CUSTOM_":
        raise InvalidRequest(
            f"'{plain(trait)}' is not a trait: use a standard name of os-traits, or CUSTOM_ followed by"
            " A-Z, 0-9 and _, of at most 255 characters"
        )
    return trait


def check_list(name: str, value: Any) -> list[str]:
    """The traits, each once, in the order given. Errors: InvalidRequest."""
    if not isinstance(value, list):
        raise InvalidRequest(f"'{name}' must be a list of traits")
    found = list(dict.fromkeys(check_one(name, item) for item in value))
    if len(found) > MAX_TRAITS:
        raise InvalidRequest(f"A node may have at most {MAX_TRAITS} traits, not {len(found)}")
    return found
