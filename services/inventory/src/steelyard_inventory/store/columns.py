"""Columns that many tables have, and the metadata that they all belong to."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, DateTime, MetaData, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB, UUID

metadata = MetaData()


def json_column(name: str, default: str | None = "{}") -> Column[object]:
    if default is None:
        return Column(name, JSONB, nullable=True)
    return Column(name, JSONB, nullable=False, server_default=text(f"'{default}'::jsonb"))


def time_column(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=True)


def flag(name: str, *, default: bool = False) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=text("true" if default else "false"))


def stamps() -> list[Column[object]]:
    return [
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        time_column("updated_at"),
    ]


def uuid_column() -> Column[str]:
    """The name under which the API knows a row."""
    return Column("uuid", UUID(as_uuid=False), nullable=False, unique=True)


def required_text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)
