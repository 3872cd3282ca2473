"""How a field of a message is written down: what it is, in words and as a JSON schema (draft 7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One field. ``is_optional``: it may be missing."""

    about: str
    schema: Json
    is_optional: bool = False

    def or_null(self) -> Part:
        """The same; null is a value, too."""
        kind, choices = self.schema.get("type"), self.schema.get("enum")
        schema = self.schema | ({} if kind is None else {"type": [kind, "null"]})
        return replace(self, schema=schema | ({} if choices is None else {"enum": [*choices, None]}))

    def or_missing(self) -> Part:
        return replace(self, is_optional=True)


def text(about: str, *choices: str) -> Part:
    return Part(about=about, schema={"type": "string"} | ({"enum": list(choices)} if choices else {}))


def uuid(about: str) -> Part:
    return Part(about=about, schema={"type": "string", "format": "uuid"})


def time(about: str) -> Part:
    return Part(about=about, schema={"type": "string", "format": "date-time"})


def count(about: str) -> Part:
    return Part(about=about, schema={"type": "integer", "minimum": 0})


def number(about: str) -> Part:
    return Part(about=about, schema={"type": "number"})


def boolean(about: str) -> Part:
    return Part(about=about, schema={"type": "boolean"})


def document(about: str, parts: Mapping[str, Part] | None = None) -> Part:
    """An object; of these fields, if they are told."""
    return Part(about=about, schema={"type": "object"} if parts is None else schema_of(parts))


def listing(about: str, item: Part | None = None) -> Part:
    return Part(about=about, schema={"type": "array"} | ({} if item is None else {"items": item.schema}))


def schema_of(parts: Mapping[str, Part]) -> Json:
    """An object of these fields. More are allowed: the newer side may speak first."""
    return {
        "type": "object",
        "properties": {name: part.schema | {"description": part.about} for name, part in parts.items()},
        "required": [name for name, part in parts.items() if not part.is_optional],
    }
