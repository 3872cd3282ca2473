"""Statements that are compiled once and run on the driver's own cursor.

SQLAlchemy writes the SQL; its work for each execution and each row (a third of what a list of 1,000 costs) is left out.
Values are bound by name. JSON goes in as text (``json_text``); UUIDs come out as text (``as_text``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import psycopg
from sqlalchemy import Column, ColumnElement, Connection, Executable, Table, Text, cast
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql import ClauseElement

Row = tuple[Any, ...]
_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]


class Prepared:
    """One statement. psycopg prepares it on the server when it comes again and again.

    ``plans_anew``: not that one, because its values decide how it is best done. Planning costs 0.3 ms; a plan for no
    value in particular walks through all nodes to find a small project's.
    """

    def __init__(self, statement: Executable, *, plans_anew: bool = False) -> None:
        assert isinstance(statement, ClauseElement)  # noqa: S101 - every Core statement is both
        compiled = statement.compile(dialect=_DIALECT)
        self.text = str(compiled)
        self._constants: dict[str, Any] = dict(compiled.params)
        self._prepare = False if plans_anew else None

    def rows(self, connection: Connection, values: Mapping[str, Any] | None = None) -> list[Row]:
        return self._run(connection, values).fetchall()

    def row(self, connection: Connection, values: Mapping[str, Any] | None = None) -> Row | None:
        return self._run(connection, values).fetchone()

    def run(self, connection: Connection, values: Mapping[str, Any] | None = None) -> int:
        """→ how many rows it touched."""
        return self._run(connection, values).rowcount

    def _run(self, connection: Connection, values: Mapping[str, Any] | None) -> psycopg.Cursor[Row]:
        if not connection.in_transaction():
            connection.begin()  # SQLAlchemy sees nothing of what follows, and must commit it
        driver: Any = connection.connection.driver_connection
        cursor: psycopg.Cursor[Row] = driver.execute(
            self.text, {**self._constants, **(values or {})}, prepare=self._prepare
        )
        return cursor


def as_text(item: ColumnElement[Any]) -> ColumnElement[Any]:
    """UUIDs as text (a Python UUID costs ten times as much); everything else as it is."""
    if isinstance(item.type, UUID):
        return cast(item, Text).label(item.name if isinstance(item, Column) else None)
    return item


def whole_row(table: Table) -> list[ColumnElement[Any]]:
    """Every column for a rule to look at: JSON decoded, times as datetimes, UUIDs as text."""
    return [as_text(each) for each in table.columns]


def names(table: Table) -> tuple[str, ...]:
    return tuple(each.name for each in table.columns)


def json_text(value: Any) -> str:
    return orjson.dumps(value).decode()
