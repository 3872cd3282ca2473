"""Plans that were made, with what they were made from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from .timeline_tables import plans


def insert_plan(connection: Connection, values: Mapping[str, Any]) -> None:
    connection.execute(insert(plans).values(dict(values)))


def get(connection: Connection, uuid: str) -> dict[str, Any] | None:
    row = connection.execute(select(plans).where(plans.c.uuid == uuid)).mappings().one_or_none()
    return dict(row) if row is not None else None


def mark_applied(connection: Connection, uuid: str, now: datetime) -> None:
    connection.execute(update(plans).where(plans.c.uuid == uuid).values(applied_at=now))


def forget(connection: Connection, node_uuid: str, before: datetime) -> None:
    """Old plans of a node go when it gets a new one."""
    connection.execute(delete(plans).where(plans.c.node_uuid == node_uuid, plans.c.created_at < before))
