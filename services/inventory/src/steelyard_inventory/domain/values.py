"""What a field of a record may hold: kinds, lengths, identifiers; and what stands in for nothing (api facts §3, §6)."""

from __future__ import annotations

import re
import uuid
from typing import Any

from steelyard_common.contracts.api import Field
from steelyard_common.errors import InvalidRequest

_TRUE = frozenset({"true", "t", "yes", "y", "on", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "off", "0"})
_LOGICAL_NAME = re.compile(r"[A-Za-z0-9\-._~]{1,255}")
_HOST_NAME = re.compile(r"(?=.{1,255}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
FREE_NAMES_SINCE = 10
MAX_INTEGER = 2**31 - 1


def checked(field: Field, value: Any) -> Any:
    """``value`` in the form in which it is kept; None stays None. Errors: InvalidRequest, without the value."""
    if value is None:
        return None
    if field.kind == "bool":
        return boolean(field.name, value)
    if field.kind == "object":
        if not isinstance(value, dict):
            raise InvalidRequest(f"Schema error: {field.name} is not of type 'object', 'null'")
        return value
    if field.kind == "integer":
        return _whole(field.name, value)
    if not isinstance(value, str):
        raise InvalidRequest(f"Schema error: {field.name} is not of type 'string', 'null'")
    if field.max_length is not None and len(value) > field.max_length:
        raise InvalidRequest(f"Schema error: {field.name} is longer than {field.max_length} characters")
    return value


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidRequest(f"Schema error: {name} is not of type 'integer'")
    if abs(value) > MAX_INTEGER:
        raise InvalidRequest(f"Schema error: {name} must be between -{MAX_INTEGER} and {MAX_INTEGER}")
    return value


def boolean(name: str, value: Any) -> bool:
    """JSON booleans and the words for them, in any case."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise InvalidRequest(
        f"Invalid {name}: Unrecognized value, acceptable values are: {', '.join(sorted(_TRUE | _FALSE))}"
    )


def as_uuid(text: Any) -> str | None:
    """The canonical form of a UUID in any spelling; None for anything else."""
    if not isinstance(text, str) or len(text) > 45:
        return None
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return None


def require_uuid(name: str, text: Any) -> str:
    found = as_uuid(text)
    if found is None:
        raise InvalidRequest(f"Expected UUID for {name}: {text}")
    return found


def is_name(text: str, minor: int) -> bool:
    """Free names from 1.10 on, that do not look like a UUID; before, lower-case host names."""
    if minor < FREE_NAMES_SINCE:
        return _HOST_NAME.fullmatch(text) is not None
    return _LOGICAL_NAME.fullmatch(text) is not None and as_uuid(text) is None


def mac(name: str, text: Any) -> str:
    """Lower case. Errors: InvalidRequest."""
    if isinstance(text, str) and _MAC.fullmatch(text.lower()):
        return text.lower()
    raise InvalidRequest(f"Expected valid MAC address for {name}: {text}")
