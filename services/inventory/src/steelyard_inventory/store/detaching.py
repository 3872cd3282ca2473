"""Taking the virtual interfaces off a node that has no instance any more."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, text

from ..domain.vifs import KEY

_DETACH = [
    text(
        f"UPDATE {table} SET internal_info = internal_info - CAST(:key AS text), updated_at = :now "  # noqa: S608
        "WHERE node_uuid = :node AND internal_info ? CAST(:key AS text)"
    )
    for table in ("ports", "portgroups")
]


def detach_all(connection: Connection, node_uuid: str, now: datetime) -> None:
    """The node's row is held."""
    for statement in _DETACH:
        connection.execute(statement, {"node": node_uuid, "key": KEY, "now": now})
