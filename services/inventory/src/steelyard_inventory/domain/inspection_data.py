"""What an inspection found, as it is kept: pure (lifecycle facts §13)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from .runs import Run
from .workflows import Kind

# PostgreSQL's JSON has no NUL, and firmware pads its strings with them. An escaped backslash before it is no escape.
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


@dataclass(frozen=True, kw_only=True, slots=True)
class InspectionData:
    """JSON texts of two objects."""

    inventory: str
    plugin_data: str


def inspected(run: Run, facts: Mapping[str, Any]) -> InspectionData | None:
    """The ``inventory`` and ``plugin_data`` among the facts of an inspection; no other workflow's count.

    None when there is no inventory, or it has not the shape of one: what was known stays.
    """
    inventory, plugin_data = facts.get("inventory"), facts.get("plugin_data", {})
    if run.kind is not Kind.INSPECT or not isinstance(inventory, dict) or not isinstance(plugin_data, dict):
        return None
    return InspectionData(inventory=_text(inventory), plugin_data=_text(plugin_data))


def _text(value: dict[str, Any]) -> str:
    text = orjson.dumps(value).decode()
    while (clean := _NUL.sub(r"\1", text)) != text:  # several in a row
        text = clean
    return text
