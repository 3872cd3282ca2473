"""Small bodies, as of a verb: an object of named arguments (facts §7).

Tables instead of marshmallow: these are the busiest writes, and their fields are two or three plain values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from steelyard_common.errors import InvalidRequest

from ..domain import values

Reader = Callable[[str, Any], Any]


def optional(read: Reader) -> Reader:
    """An argument that may be null, which means: not given."""

    def read_or_none(name: str, value: Any) -> Any:
        return None if value is None else read(name, value)

    return read_or_none


def as_is(_name: str, value: Any) -> Any:
    return value


def read_arguments(body: Any, readers: Mapping[str, Reader], *, required: str | None = None) -> dict[str, Any]:
    """The arguments that were given, each read by its reader; no body is no arguments.

    Errors: InvalidRequest (not an object, unknown or missing argument, wrong type).
    """
    if body is None:
        body = {}
    if not isinstance(body, dict):
        raise InvalidRequest(f"the body must be a JSON object with {', '.join(readers)}")
    unknown = sorted(body.keys() - readers.keys())
    if unknown:
        raise InvalidRequest(f"Unexpected arguments: {', '.join(map(values.plain, unknown[:10]))}")
    if required is not None and required not in body:
        raise InvalidRequest(f"Missing mandatory parameter: {required}")
    return {name: readers[name](name, value) for name, value in body.items()}
