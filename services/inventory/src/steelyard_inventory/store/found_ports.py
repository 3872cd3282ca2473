"""Ports that were found, not asked for: one whose address is taken already is left out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, text

_ADD = text(
    "INSERT INTO ports (uuid, node_uuid, address, pxe_enabled, created_at) "
    "SELECT d.uuid, CAST(:node AS uuid), d.address, d.pxe_enabled, :now "
    "FROM jsonb_to_recordset(CAST(:doc AS jsonb)) AS d(uuid uuid, address text, pxe_enabled boolean) "
    "ORDER BY d.address ON CONFLICT DO NOTHING RETURNING uuid::text, address"
)


def add(
    connection: Connection, node_uuid: str, ports: Sequence[dict[str, Any]], now: datetime
) -> list[dict[str, Any]]:  # fmt: skip
    """→ {uuid, address} of those that are new; the node's row is taken."""
    if not ports:
        return []
    values = {"node": node_uuid, "doc": orjson.dumps(ports).decode(), "now": now}
    return [dict(row) for row in connection.execute(_ADD, values).mappings()]
