"""What was last seen of each node."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from ..domain.observation import Observation
from .tables import observations

_COLUMNS = ("power_state", "seen_at", "failures", "error", "health", "health_seen_at")

_SAVE = """
    INSERT INTO observations (node_uuid, shard, power_state, seen_at, failures, error, health, health_seen_at)
    SELECT * FROM unnest(%s::uuid[], %s::smallint[], %s::text[], %s::timestamptz[], %s::integer[], %s::text[],
                         %s::text[], %s::timestamptz[])
    ORDER BY 1
    ON CONFLICT (node_uuid) DO UPDATE SET
        shard = excluded.shard, power_state = excluded.power_state, seen_at = excluded.seen_at,
        failures = excluded.failures, error = excluded.error, health = excluded.health,
        health_seen_at = excluded.health_seen_at
"""


def of_shard(connection: sa.Connection, shard: int) -> dict[str, Observation]:
    """Node UUID → observation."""
    rows = connection.execute(sa.select(observations).where(observations.c.shard == shard)).mappings()
    return {
        row["node_uuid"]: Observation(node_uuid=row["node_uuid"], **{name: row[name] for name in _COLUMNS})
        for row in rows
    }


def save(connection: sa.Connection, seen: Sequence[tuple[int, Observation]]) -> None:
    """Write (shard, observation) pairs, one statement for all; rows are locked in UUID order. UUIDs must differ."""
    columns = [
        [item.node_uuid for _, item in seen],
        [shard for shard, _ in seen],
        *([getattr(item, name) for _, item in seen] for name in _COLUMNS),
    ]
    connection.exec_driver_sql(_SAVE, tuple(columns))


def forget(connection: sa.Connection, shard: int, node_uuids: Collection[str]) -> None:
    """Nodes that are no more."""
    connection.execute(
        sa.delete(observations).where(observations.c.shard == shard, observations.c.node_uuid.in_(node_uuids))
    )
