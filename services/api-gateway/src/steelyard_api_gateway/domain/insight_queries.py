"""Query strings of the timeline and of workflows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from steelyard_common.errors import InvalidRequest

from . import identifiers, values
from .listings import MAX_LIMIT, Query, refuse_unknown, single

TIMELINE_KINDS = (
    "agent", "bmc", "boot", "call", "console", "power", "record", "state", "step", "workflow",
)  # fmt: skip
DEFAULT_LIMIT = 100


def timeline(query: Query) -> dict[str, Any]:
    """since, until, kind (several with commas), limit, marker. Errors: InvalidRequest."""
    refuse_unknown(query, {"since", "until", "kind", "limit", "marker"})
    asked = page(query)
    for name in ("since", "until"):
        if name in query:
            asked[name] = moment(name, single(name, query))
    kinds = [kind for given in query.get("kind", ()) for kind in given.split(",") if kind]
    for kind in kinds:
        if kind not in TIMELINE_KINDS:
            raise InvalidRequest(f"'{values.plain(kind)}' is no kind of entry; use {', '.join(TIMELINE_KINDS)}")
    echo = {name: asked[name] for name in ("since", "until") if name in asked}
    return asked | {"kinds": kinds, "query": echo | ({"kind": ",".join(kinds)} if kinds else {})}


def workflows(query: Query) -> dict[str, Any]:
    """limit, marker. Errors: InvalidRequest."""
    refuse_unknown(query, {"limit", "marker"})
    return page(query)


def page(query: Query) -> dict[str, Any]:
    asked: dict[str, Any] = {"limit": DEFAULT_LIMIT}
    if "limit" in query:
        limit = values.whole_number("limit", single("limit", query))
        if limit <= 0:
            raise InvalidRequest("Limit must be positive")
        asked["limit"] = min(limit, MAX_LIMIT)
    if "marker" in query:
        asked["marker"] = identifiers.uuid("marker", single("marker", query))
    return asked


def moment(name: str, given: str) -> str:
    """ISO 8601; a blank stands for the + that a query string swallowed; without a zone it is UTC."""
    try:
        read = datetime.fromisoformat(given.replace(" 0", "+0") if "T" in given else given)
    except ValueError:
        raise InvalidRequest(f"{name} must be a time like 2026-03-01T12:00:00Z") from None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).isoformat()
