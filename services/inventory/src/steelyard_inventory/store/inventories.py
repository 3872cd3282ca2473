"""What the last inspection of each node found. Never joined into a list: it may be large."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from sqlalchemy import Connection, Text, bindparam, select, text
from sqlalchemy.dialects.postgresql import UUID

from ..domain.inspection_data import InspectionData
from .sql import Prepared
from .tables import node_inventories

_KEEP = text(
    "INSERT INTO node_inventories (node_uuid, inventory, plugin_data, created_at) "
    "VALUES (:node, CAST(:inventory AS jsonb), CAST(:plugin_data AS jsonb), :now) "
    "ON CONFLICT (node_uuid) DO UPDATE SET inventory = excluded.inventory, plugin_data = excluded.plugin_data, "
    "updated_at = :now"
)
_GET = Prepared(
    select(node_inventories.c.inventory.cast(Text), node_inventories.c.plugin_data.cast(Text)).where(
        node_inventories.c.node_uuid == bindparam("node", type_=UUID(as_uuid=False))
    )
)


def keep(connection: Connection, node_uuid: str, found: InspectionData, now: datetime) -> None:
    """In place of what was there. The node's row is held."""
    values = {"inventory": found.inventory, "plugin_data": found.plugin_data}
    connection.execute(_KEEP, {"node": node_uuid, "now": now, **values})


def get(connection: Connection, node_uuid: str) -> tuple[str, str] | None:
    """→ (inventory, plugin_data), JSON texts; None for a node that was never inspected."""
    return cast("tuple[str, str] | None", _GET.row(connection, {"node": node_uuid}))
