"""Pages and single items of a table as the API shows them, each one statement over the columns that are asked for.

Pages go by key: what comes behind the marker's row, in the order asked for (api facts §3). ``id`` breaks ties, so that
an order by any column is total; PostgreSQL puts nulls last going up and first going down.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    func,
    literal_column,
    or_,
    select,
    tuple_,
)
from steelyard_common.contracts.api import Field
from steelyard_common.errors import InvalidRequest, NotFound

from ..domain.values import as_uuid
from .render import Plan
from .sql import Prepared, Row

Condition = Callable[[], ColumnElement[bool]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Listing:
    """A table that can be paged. ``filters``: name → condition that binds a value of that name."""

    table: Table
    fields: Mapping[str, Field]
    filters: Mapping[str, Condition]
    word: str  # what an item is called in errors


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a caller asks for."""

    sort_key: str = "id"
    sort_dir: str = "asc"
    limit: int = 1000
    marker: str | None = None

    @property
    def is_down(self) -> bool:
        return self.sort_dir == "desc"


def rows(
    listing: Listing,
    connection: Connection,
    plan: Plan,
    page: Page,
    filters: Mapping[str, Any],
    *extra: Condition,
    me: str = "",
) -> list[Row]:
    """One page. ``extra``: conditions without values, known by identity; ``me``: a project, for redacted columns.

    The filter ``visible`` also hides the marker. Errors: NotFound (marker), InvalidRequest."""
    _check_sort(listing, page)
    if unknown := sorted(filters.keys() - listing.filters.keys()):
        raise InvalidRequest(f"Unexpected arguments: {', '.join(unknown)}")
    values: dict[str, Any] = {**filters, "limit": page.limit, "me": me}
    null_marker = None
    if page.marker is not None:
        values["marker_id"], value = _find_marker(listing, connection, page, filters.get("visible"))
        null_marker = value is None
        if not null_marker and page.sort_key != "id":
            values["marker_value"] = value
    names = tuple(sorted(filters))
    return _statement(listing, plan, names, extra, page.sort_key, page.is_down, null_marker).rows(connection, values)


def row(listing: Listing, connection: Connection, plan: Plan, ident: str, *, me: str = "") -> Row:
    """One item by UUID or name, with its version behind the plan's columns. Errors: NotFound."""
    uuid = as_uuid(ident)
    found = _single(listing, plan, uuid is not None).row(connection, {"ident": uuid or ident, "me": me})
    if found is None:
        raise NotFound(f"{listing.word} {ident} could not be found.")
    return found


def contains(item: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """A text that holds the bound one, whatever the case."""
    return func.strpos(func.lower(item), func.lower(bindparam(name, type_=Text()))) > 0


def by_columns(table: Table, *names: str) -> dict[str, Condition]:
    """Filters that compare the column of the same name."""

    def equal(name: str) -> Condition:
        return lambda: table.c[name] == bindparam(name, type_=table.c[name].type)

    return {name: equal(name) for name in names}


@functools.lru_cache(maxsize=512)
def _statement(
    listing: Listing,
    plan: Plan,
    filters: tuple[str, ...],
    extra: tuple[Condition, ...],
    sort_key: str,
    is_down: bool,
    marker_is_null: bool | None,
) -> Prepared:
    table = listing.table
    conditions = [listing.filters[name]() for name in filters] + [condition() for condition in extra]
    if marker_is_null is not None:
        conditions.append(_behind(table, sort_key, is_down=is_down, marker_is_null=marker_is_null))
    order = [table.c.id] if sort_key == "id" else [table.c[sort_key], table.c.id]
    statement = select(*plan.columns).where(*conditions).limit(bindparam("limit"))
    ordered = statement.order_by(*(each.desc() if is_down else each.asc() for each in order))
    return Prepared(ordered, plans_anew="visible" in filters)


@functools.lru_cache(maxsize=512)
def _single(listing: Listing, plan: Plan, by_uuid: bool) -> Prepared:
    key = listing.table.c.uuid if by_uuid else listing.table.c.name
    columns = (*plan.columns, version_of(listing.table))
    return Prepared(select(*columns).where(key == bindparam("ident", type_=key.type)))


def version_of(table: Table) -> ColumnElement[str]:
    """What changes with every change of a row: the transaction that wrote it, kept by PostgreSQL in each row."""
    return cast(literal_column(f"{table.name}.xmin"), Text)


@functools.lru_cache(maxsize=128)
def _marker(listing: Listing, sort_key: str, is_narrowed: bool) -> Prepared:
    table = listing.table
    here = [table.c.uuid == bindparam("ident", type_=table.c.uuid.type)]
    if is_narrowed:
        here.append(listing.filters["visible"]())
    return Prepared(select(table.c.id, table.c[sort_key].label("value")).where(*here))


def _find_marker(listing: Listing, connection: Connection, page: Page, visible: str | None) -> tuple[int, Any]:
    uuid = as_uuid(page.marker)
    values = {"ident": uuid, "visible": visible}
    found = _marker(listing, page.sort_key, visible is not None).row(connection, values) if uuid else None
    if found is None:
        raise NotFound(f"{listing.word} {page.marker} could not be found.")
    return found[0], found[1]


def _check_sort(listing: Listing, page: Page) -> None:
    field = listing.fields.get(page.sort_key)
    if page.sort_key != "id" and (field is None or not field.sortable or page.sort_key not in listing.table.c):
        raise InvalidRequest(f'The sort_key value "{page.sort_key}" is an invalid field for sorting')
    if page.sort_dir not in ("asc", "desc"):
        raise InvalidRequest(f"Invalid sort direction: {page.sort_dir}. Acceptable values are 'asc' or 'desc'")


def _behind(table: Table, sort_key: str, *, is_down: bool, marker_is_null: bool) -> ColumnElement[bool]:
    key, identity = table.c[sort_key], table.c.id
    last = bindparam("marker_id", type_=identity.type)
    tie = identity < last if is_down else identity > last
    if sort_key == "id":
        return tie
    if marker_is_null:
        same = and_(key.is_(None), tie)
        return or_(same, key.isnot(None)) if is_down else same
    value = bindparam("marker_value", type_=key.type)
    here, marker = tuple_(key, identity), tuple_(value, last)
    if is_down:
        return here < marker
    # One comparison of pairs is a range of an index; nulls, which come last, cannot be part of it.
    return or_(here > marker, key.is_(None)) if table.c[sort_key].nullable else here > marker
