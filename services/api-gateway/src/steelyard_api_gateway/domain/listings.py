"""What a list or a show of each resource may be asked for: filters, fields, sort keys, paging, each with its version.

A wholly unknown parameter is refused with 400, a known one that is too new with 406 (facts §1, §3, §6, §8).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from steelyard_common.contracts.api import INTERFACES, NODE_ASKED_FIELDS, NODE_FIELDS, PORT_FIELDS, Field
from steelyard_common.errors import InvalidRequest

from . import identifiers, tags, values
from .filters import CONDUCTOR_FILTERS, DRIVER_FILTERS, NODE_FILTERS, NODE_PORT_FILTERS, PORT_FILTERS, Filter
from .versions import too_new

MAX_LIMIT = 1000
ASC, DESC = "asc", "desc"
PAGING = ("limit", "marker", "sort_key", "sort_dir")
Query = Mapping[str, Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What may be asked of one resource. ``fields``: name → minor version it came with."""

    resource: str
    fields: dict[str, int]
    sortable: frozenset[str] = frozenset()
    filters: dict[str, Filter] = field(default_factory=dict)
    fields_since: int = 8
    detail_since: int = 43
    marker_is_uuid: bool = True
    paged: bool = True


def _since(fields: dict[str, Field], *extra: str) -> dict[str, int]:
    return {name: each.since for name, each in fields.items()} | dict.fromkeys(extra, 1)


def _sortable(fields: dict[str, Field], *without: str) -> frozenset[str]:
    return frozenset({"id"} | {name for name, each in fields.items() if each.sortable and name not in without})


_DRIVER_FIELDS = {"name": 1, "hosts": 1, "links": 1, "properties": 14, "type": 30} | {
    f"{prefix}_{interface}_interface{ending}": max(since, 30)
    for interface, since in INTERFACES.items()
    for prefix, ending in (("default", ""), ("enabled", "s"))
}
_CONDUCTOR_FIELDS = dict.fromkeys(
    ("hostname", "conductor_group", "alive", "drivers", "links", "created_at", "updated_at"), 49
)
# Computed, or kept in another table: the database cannot order by them.
_NODES_UNSORTED = ("conductor", "allocation_uuid", "chassis_uuid")
_PORTS_UNSORTED = ("node_uuid", "portgroup_uuid")
_TAG_FILTERS = {name: Filter(tags.tag_filter) for name in ("tags", "tags-any", "not-tags", "not-tags-any")}

NODES = Listing(
    resource="node",
    fields=_since(NODE_FIELDS | NODE_ASKED_FIELDS, "links"),
    sortable=_sortable(NODE_FIELDS, *_NODES_UNSORTED),
    filters=NODE_FILTERS | _TAG_FILTERS,
)
PORTS = Listing(
    resource="port",
    fields=_since(PORT_FIELDS, "links"),
    sortable=_sortable(PORT_FIELDS, *_PORTS_UNSORTED),
    filters=PORT_FILTERS,
)
NODE_PORTS = Listing(resource="port", fields=PORTS.fields, sortable=PORTS.sortable, filters=NODE_PORT_FILTERS)
DRIVERS = Listing(
    resource="driver",
    fields=_DRIVER_FIELDS,
    filters=DRIVER_FILTERS,
    fields_since=77,
    detail_since=30,
    paged=False,
)
CONDUCTORS = Listing(
    resource="conductor",
    fields=_CONDUCTOR_FIELDS,
    sortable=frozenset({"id", "hostname", "conductor_group", "created_at", "updated_at"}),
    filters=CONDUCTOR_FILTERS,
    detail_since=49,
    marker_is_uuid=False,
)


def parse_list(listing: Listing, query: Query, minor: int, *, all_fields: bool = False) -> dict[str, Any]:
    """The query string of a list as the body of a bus request (contracts page, ``qry.nodes``).

    ``all_fields``: the `/detail` form, which takes neither ``fields`` nor ``detail``.
    Errors: InvalidRequest, NotAcceptable.
    """
    choosing = () if all_fields else ("fields", "detail")
    refuse_unknown(query, {*choosing, *(PAGING if listing.paged else ()), *listing.filters})
    chosen = all_fields or _detail(listing, query, minor)
    fields = parse_fields(listing, query, minor)
    if chosen and fields is not None:
        raise InvalidRequest("Can not specify ?detail=True and fields in the same request.")
    filters = {name: _filter(listing, name, query, minor) for name in listing.filters if name in query}
    body: dict[str, Any] = {"filters": filters, "fields": fields, "detail": chosen}
    if listing.paged:
        body |= _paging(listing, query, minor)
        body["query"] = {name: _echoed(value) for name, value in filters.items()}
        if chosen and not all_fields:
            body["query"]["detail"] = "True"
    return body


def parse_fields(listing: Listing, query: Query, minor: int) -> list[str] | None:
    """The ``fields`` parameter; None when it was not given. Errors: InvalidRequest, NotAcceptable."""
    if "fields" not in query:
        return None
    if minor < listing.fields_since:
        raise too_new("the query parameter fields", listing.fields_since)
    names = _words(",".join(query["fields"]))
    unknown = [name for name in names if name not in listing.fields]
    if unknown:
        listed = ", ".join(values.plain(name) for name in unknown[:10])
        raise InvalidRequest(f'Field(s) "{listed}" are not valid for a {listing.resource}; leave them out of fields=')
    newest = max(names, key=listing.fields.__getitem__, default="")
    if newest and listing.fields[newest] > minor:
        raise too_new(f"the field {newest}", listing.fields[newest])
    return names


def refuse_unknown(query: Query, known: set[str] | frozenset[str]) -> None:
    """Errors: InvalidRequest, naming every parameter that is not ``known``."""
    if not query or query.keys() <= known:
        return
    unknown = sorted(values.plain(name) for name in query.keys() - known)
    raise InvalidRequest(f"Unexpected arguments: {', '.join(unknown[:10])}")


def single(name: str, query: Query) -> str:
    """A parameter that may be given once. Errors: InvalidRequest."""
    given = query[name]
    if len(given) > 1:
        raise InvalidRequest(f"Expected string for {name}: {values.plain(list(given))}; give it once")
    return values.storable(name, given[0])


def _detail(listing: Listing, query: Query, minor: int) -> bool:
    if "detail" not in query:
        return False
    given = single("detail", query)
    if minor < listing.detail_since:
        # Nodes and ports call a parameter they do not know yet invalid (400); drivers say 406 (live).
        if listing.resource == "driver":
            raise too_new("the query parameter detail", listing.detail_since)
        raise InvalidRequest(f"Invalid query parameter ?detail={values.plain(given)} received.")
    return values.boolean("detail", given)


def _filter(listing: Listing, name: str, query: Query, minor: int) -> Any:
    rule = listing.filters[name]
    if minor < rule.since:
        raise too_new(f"the query parameter {name}", rule.since)
    return rule.parse(name, single(name, query), minor)


def _paging(listing: Listing, query: Query, minor: int) -> dict[str, Any]:
    limit, marker = MAX_LIMIT, None
    if "limit" in query:
        limit = values.whole_number("limit", single("limit", query))
        if limit <= 0:
            raise InvalidRequest("Limit must be positive")
    if "marker" in query:
        given = single("marker", query)
        marker = identifiers.uuid("marker", given) if listing.marker_is_uuid else given
    sort_dir = single("sort_dir", query) if "sort_dir" in query else ASC
    if sort_dir not in (ASC, DESC):
        raise InvalidRequest(f"Invalid sort direction: {values.plain(sort_dir)}. Acceptable values are 'asc' or 'desc'")
    return {
        "limit": min(limit, MAX_LIMIT),
        "marker": marker,
        "sort_key": _sort_key(listing, query, minor),
        "sort_dir": sort_dir,
    }


def _sort_key(listing: Listing, query: Query, minor: int) -> str:
    key = (single("sort_key", query) if "sort_key" in query else "") or "id"
    since = listing.fields.get(key, 1)
    if since > minor:
        raise too_new(f"the sort key {key}", since)
    if key not in listing.sortable:
        raise InvalidRequest(f'The sort_key value "{values.plain(key)}" is an invalid field for sorting')
    return key


def _words(joined: str) -> list[str]:
    """``A, b,a`` → ``[a, b]``: trimmed, in lower case, each once."""
    return list(dict.fromkeys(filter(None, (word.strip().lower() for word in joined.split(",")))))


def _echoed(value: Any) -> str:
    """A filter as the ``next`` link repeats it: True and False as Ironic writes them, lists with commas."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
