"""Rows of nodes as only the lifecycle makes them, for tests."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from steelyard_inventory.store.tables import nodes
from steelyard_inventory.testing import Desk


def set_columns(desk: Desk, name: str, **columns: Any) -> None:
    """Put a node into a state that only the lifecycle brings about."""
    with desk.database.begin() as transaction:
        transaction.connection.execute(sa.update(nodes).where(nodes.c.name == name).values(columns))


def row(desk: Desk, name: str) -> dict[str, Any]:
    with desk.database.read() as connection:
        return dict(connection.execute(sa.select(nodes).where(nodes.c.name == name)).mappings().one())
