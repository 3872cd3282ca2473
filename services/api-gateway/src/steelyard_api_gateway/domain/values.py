"""Single values in queries and bodies: booleans, whole numbers, MAC addresses, storable text (facts §3)."""

from __future__ import annotations

import re
from typing import Any

from steelyard_common.errors import InvalidRequest

_TRUE = frozenset({"1", "t", "true", "on", "y", "yes"})
_FALSE = frozenset({"0", "f", "false", "off", "n", "no"})
_ACCEPTED = ", ".join(f"'{word}'" for word in sorted(_TRUE | _FALSE))
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_WHOLE = re.compile(r"\s*[+-]?\d{1,18}\s*")
SHOWN = 120  # characters of a refused value that an error repeats


def boolean(name: str, value: Any) -> bool:
    """true/false and their words in any case, 1 and 0. Errors: InvalidRequest, naming the words."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, (str, int)) else ""
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise InvalidRequest(f"Invalid {name}: Unrecognized value {shown(value)}, acceptable values are: {_ACCEPTED}")


def whole_number(name: str, value: Any) -> int:
    """An integer, or its digits in a string. Errors: InvalidRequest."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    raise InvalidRequest(f"Expected an integer for {name}: {plain(value)}")


def mac_address(name: str, value: Any) -> str:
    """The MAC address in lower case, six pairs with colons. Errors: InvalidRequest."""
    lowered = value.lower() if isinstance(value, str) else ""
    if not _MAC.fullmatch(lowered):
        raise InvalidRequest(f"Expected valid MAC address for {name}: {plain(value)}")
    return lowered


def text(name: str, value: Any) -> str:
    """A string that can be stored. Errors: InvalidRequest."""
    if not isinstance(value, str):
        raise InvalidRequest(f"Expected string for {name}: {plain(value)}")
    return storable(name, value)


def storable(name: str, value: str) -> str:
    """PostgreSQL keeps any text but U+0000. Errors: InvalidRequest."""
    if "\x00" in value:
        raise InvalidRequest(f"Invalid {name}: the character U+0000 cannot be stored; leave it out")
    return value


def has_nul(value: Any) -> bool:
    """Does any key or string in a decoded document hold U+0000?"""
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any("\x00" in key or has_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(has_nul(item) for item in value)


def depth(value: Any) -> int:
    """How many objects and lists lie inside one another; a scalar has depth 0."""
    deepest, level = 0, [value]
    while level := [item for item in level if isinstance(item, (dict, list))]:
        deepest += 1
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return deepest


def plain(value: Any) -> str:
    """A value as an error may repeat it: cut, so that the answer stays small."""
    written = value if isinstance(value, str) else repr(value)
    return written if len(written) <= SHOWN else f"{written[:SHOWN]}…"


def shown(value: Any) -> str:
    return f"'{plain(value)}'"
