"""Rows → the API's documents, for one microversion (api facts §3, §4).

A ``Plan`` says which columns to select and how a row becomes a document. JSON columns travel as text from PostgreSQL
into the answer (orjson.Fragment): they are never decoded. Times are selected in UTC without a zone and written with
``+00:00``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode
from zlib import crc32

import orjson
from sqlalchemy import ColumnElement, Table, Text, case, cast, func, literal, null
from sqlalchemy.dialects.postgresql import JSONB
from steelyard_common.bus.types import Tagged
from steelyard_common.contracts.api import Field

from .sql import Row, as_text

NO_STATE_BEFORE, INSPECT_WAIT_SINCE = 2, 39
# Fields whose rule is not called by their name.
REDACTED = {"properties": "baremetal:volume:view_target_properties"}
_EMPTY = orjson.Fragment(b"{}")
_QUERY_HANDLED = frozenset({"sort_key", "sort_dir", "fields", "limit", "marker"})
Document = dict[str, Any]
# (id, driver, conductor_group) → the host name that is shown as the node's conductor
ConductorOf = Callable[[int, str, str], str | None]


@dataclass(frozen=True, kw_only=True, eq=False)  # statements are cached by plan: equal means the same one
class Plan:
    """``names``: the document's fields in the order of ``columns``, which may go on with columns for us alone."""

    resource: str
    names: tuple[str, ...]
    columns: tuple[ColumnElement[Any], ...]
    uuid_at: int
    json_at: tuple[int, ...]
    whole: bool = False
    sublinks: tuple[str, ...] = ()
    state_words: Mapping[str, str | None] | None = None
    conductor_at: int | None = None  # id, driver and conductor_group stand there, behind the names


def make_plan(
    resource: str,
    table: Table,
    fields: Mapping[str, Field],
    asked: Sequence[str] | None,
    *,
    minor: int,
    sublinks: Mapping[str, int] | None = None,
) -> Plan:
    """``asked`` None: the whole document. Fields newer than ``minor`` are left out."""
    wanted = [name for name in (fields if asked is None else asked) if name in fields and fields[name].since <= minor]
    names = [name for name in wanted if name != "conductor"]
    columns = [_shown(table.c[name]) for name in names]
    if "uuid" not in names:
        columns.append(as_text(table.c.uuid))
    uuid_at = names.index("uuid") if "uuid" in names else len(columns) - 1
    conductor_at = None
    if "conductor" in wanted:
        conductor_at = len(columns)
        columns += [table.c.id, table.c.driver, table.c.conductor_group]
    return Plan(
        resource=resource,
        names=tuple(names),
        columns=tuple(columns),
        uuid_at=uuid_at,
        json_at=tuple(index for index, name in enumerate(names) if isinstance(table.c[name].type, JSONB)),
        whole=asked is None,
        sublinks=tuple(
            name for name, since in (sublinks or {}).items() if since <= minor and (asked is None or name in asked)
        ),
        state_words=_state_words(minor) if "provision_state" in names else None,
        conductor_at=conductor_at,
    )


def not_shown(field: str) -> str:
    """What stands where the policy shows a field to others only."""
    return f"** redacted: the policy asks for {REDACTED.get(field, f'baremetal:node:get:{field}')} **"


def with_redacted(plan: Plan, shown_where: Mapping[str, ColumnElement[bool]]) -> Plan:
    """The plan with fields that are blanked in rows where their condition does not hold."""
    columns = list(plan.columns)
    for index, name in enumerate(plan.names):
        if name in shown_where:
            words = not_shown(name)
            blank = orjson.dumps({"content": words}).decode() if index in plan.json_at else words
            hidden = literal(blank)
            columns[index] = case((columns[index].is_(None), null()), (shown_where[name], columns[index]), else_=hidden)
    return replace(plan, columns=tuple(columns)) if shown_where else plan


def documents(
    plan: Plan, rows: Iterable[Row], base_url: str, conductor_of: ConductorOf | None = None
) -> list[Document]:
    """One document a row, in the rows' order."""
    write_links = link_writer(plan.resource, base_url)
    return [_document(plan, row, write_links, conductor_of) for row in rows]


def _document(
    plan: Plan, row: Row, write_links: Callable[..., orjson.Fragment], conductor_of: ConductorOf | None
) -> Document:
    names = plan.names
    document: Document = dict(zip(names, row, strict=False))
    for index in plan.json_at:
        text = row[index]
        document[names[index]] = _EMPTY if text == "{}" else None if text is None else orjson.Fragment(text)
    if plan.state_words:
        state = document["provision_state"]
        document["provision_state"] = plan.state_words.get(state, state)
    if plan.conductor_at is not None and conductor_of is not None:
        document["conductor"] = conductor_of(*row[plan.conductor_at : plan.conductor_at + 3])
    uuid = row[plan.uuid_at]
    document["links"] = write_links(uuid)
    for name in plan.sublinks:
        document[name] = write_links(uuid, f"/{name}")
    return document


def link_writer(resource: str, base_url: str) -> Callable[..., orjson.Fragment]:
    """The two links of an item, as finished JSON."""
    base = orjson.dumps(base_url).decode()[1:-1]
    self_start, mark_start = f'[{{"href":"{base}/v1/{resource}/', f'","rel":"self"}},{{"href":"{base}/{resource}/'

    def write(ident: str, below: str = "") -> orjson.Fragment:
        return orjson.Fragment(f'{self_start}{ident}{below}{mark_start}{ident}{below}","rel":"bookmark"}}]')

    return write


def dump(value: Any) -> bytes:
    """JSON bytes; times get ``+00:00``."""
    return orjson.dumps(value, option=orjson.OPT_NAIVE_UTC)


def tagged(document: Document, row: Row, minor: int) -> Tagged:
    """A single item's JSON with its ETag: the row's version and, behind a dash, which of its documents this is."""
    conductor = document.get("conductor")
    variant = f"-{crc32(conductor.encode()):x}" if conductor else ""
    return Tagged.of(dump(document), f'"{row[-1]}-{minor}{variant}"')


def next_url(base_url: str, resource_url: str, query: Mapping[str, Any], page: Mapping[str, Any]) -> str:
    """The next page's URL. ``page``: sort_key, sort_dir, fields, limit, marker; the filters come from ``query``."""
    parts: list[tuple[str, str]] = [("sort_key", page["sort_key"]), ("sort_dir", page["sort_dir"])]
    parts += [
        (name, _query_text(value)) for name, value in query.items() if name not in _QUERY_HANDLED and value is not None
    ]
    if page.get("fields"):
        parts.append(("fields", ",".join(page["fields"])))
    parts += [("limit", str(page["limit"])), ("marker", page["marker"])]
    return f"{base_url}/v1/{resource_url}?{urlencode(parts, safe=',:')}"


def _query_text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _shown(item: ColumnElement[Any]) -> ColumnElement[Any]:
    kind = type(item.type).__name__
    if kind == "JSONB":
        return cast(item, Text)
    if kind == "DateTime":
        return func.timezone("UTC", item)
    return as_text(item)


def _state_words(minor: int) -> Mapping[str, str | None] | None:
    words: dict[str, str | None] = {}
    if minor < NO_STATE_BEFORE:
        words["available"] = None
    if minor < INSPECT_WAIT_SINCE:
        words["inspect wait"] = "inspecting"
    return words or None
