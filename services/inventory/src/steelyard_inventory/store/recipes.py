"""Rows of deploy templates, runbooks and inspection rules, and how the API shows them (api facts §14 to §16)."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Connection, Text, bindparam, case, func, null, or_, select
from steelyard_common.errors import NotFound

from ..domain.recipe_rules import DEPLOY_TEMPLATE, INSPECTION_RULE, RUNBOOK, Recipe
from ..domain.values import as_uuid
from . import changes
from .columns import metadata
from .pages import Listing, by_columns
from .render import Plan, make_plan
from .sql import Prepared, names, whole_row
from .tables import inspection_rules, runbooks

Record = dict[str, Any]
# What nobody is shown when the rule is sensitive.
SENSITIVE = ("conditions", "actions")


def _of_project(name: str) -> ColumnElement[bool]:
    """What a project may use: its own, and what is public."""
    return or_(runbooks.c.public, runbooks.c.owner == bindparam(name, type_=Text()))


_FILTERS = {
    DEPLOY_TEMPLATE: {},
    RUNBOOK: {
        "project": lambda: _of_project("project"),
        "visible": lambda: _of_project("visible"),
        **by_columns(runbooks, "owner"),
    },
    INSPECTION_RULE: by_columns(inspection_rules, "phase"),
}
LISTINGS = {
    recipe: Listing(table=metadata.tables[recipe.table], fields=recipe.fields, word=recipe.word, filters=filters)
    for recipe, filters in _FILTERS.items()
}


@functools.lru_cache(maxsize=1024)
def plan(recipe: Recipe, minor: int, fields: tuple[str, ...] | None) -> Plan:
    """How a recipe is shown at a microversion; ``fields`` None is the whole document."""
    made = make_plan(recipe.table, LISTINGS[recipe].table, recipe.fields, fields, minor=minor)
    if recipe is not INSPECTION_RULE:
        return made
    shown = [
        case((inspection_rules.c.sensitive, null()), else_=column) if name in SENSITIVE else column
        for name, column in zip(made.names, made.columns, strict=False)
    ]
    return replace(made, columns=(*shown, *made.columns[len(shown) :]))


def take(connection: Connection, recipe: Recipe, ident: str) -> Record:
    """The whole row by UUID or name, locked until the transaction ends. Errors: NotFound."""
    uuid = as_uuid(ident)
    row = None
    if uuid is not None or "name" in recipe.fields:
        row = _take(recipe, uuid is not None).row(connection, {"ident": uuid or ident})
    if row is None:
        raise NotFound(f"{recipe.word} {ident} could not be found.")
    return dict(zip(names(LISTINGS[recipe].table), row, strict=True))


def by_names(connection: Connection, recipe: Recipe, wanted: Sequence[str]) -> list[Record]:
    """Whole rows of those that exist."""
    table = LISTINGS[recipe].table
    return [
        dict(zip(names(table), row, strict=True)) for row in _by_names(recipe).rows(connection, {"names": list(wanted)})
    ]


def insert(connection: Connection, recipe: Recipe, record: Mapping[str, Any]) -> None:
    """Errors: Conflict when uuid or name is taken."""
    changes.insert(connection, LISTINGS[recipe].table, record)


def update(
    connection: Connection, recipe: Recipe, row: Mapping[str, Any], delta: Mapping[str, Any], now: datetime
) -> None:
    """Errors: Conflict when the name is taken."""
    changes.update(connection, LISTINGS[recipe].table, row, delta, now)


def delete(connection: Connection, recipe: Recipe, row: Mapping[str, Any]) -> None:
    changes.delete(connection, LISTINGS[recipe].table, row)


@functools.lru_cache(maxsize=8)
def _by_names(recipe: Recipe) -> Prepared:
    table = LISTINGS[recipe].table
    return Prepared(select(*whole_row(table)).where(table.c.name == func.any(bindparam("names", type_=ARRAY(Text())))))


@functools.lru_cache(maxsize=8)
def _take(recipe: Recipe, by_uuid: bool) -> Prepared:
    table = LISTINGS[recipe].table
    key = table.c.uuid if by_uuid else table.c.name
    return Prepared(select(*whole_row(table)).where(key == bindparam("ident", type_=key.type)).with_for_update())
