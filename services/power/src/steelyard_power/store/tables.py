"""What power owns: begun marks of steps, the turns of the shards, what was observed of each node."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, Index, Integer, MetaData, SmallInteger, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB, UUID
from steelyard_common.db import outbox_table

metadata = MetaData()

# One row for a step that sends what cannot be repeated. It outlives the step's end for a while: a message that was
# answered may come again, and must then get the same answer.
step_journal = Table(
    "step_journal",
    metadata,
    Column("workflow_uuid", UUID(as_uuid=False), primary_key=True),
    Column("step_index", Integer, primary_key=True),
    Column("node_uuid", UUID(as_uuid=False), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("phase", Integer, nullable=False),
    Column("action", Text, nullable=False),
    Column("sends", Integer, nullable=False, server_default=text("1")),
    Column("begun_at", DateTime(timezone=True), nullable=False),
    Column("answered_at", DateTime(timezone=True)),
    Column("reset_before", Text),  # what the BMC called its last reset before it was told to do another
    Column("outcome", JSONB),  # as in ResultMessage; null: the step has not ended
)

# Whose turn it is: ``purpose`` is power or sensors, ``shard`` is inventory's node id modulo 64.
sync_shards = Table(
    "sync_shards",
    metadata,
    Column("purpose", Text, primary_key=True),
    Column("shard", SmallInteger, primary_key=True),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("lease_holder", Text),
    Column("lease_until", DateTime(timezone=True)),
    postgresql_with={"fillfactor": 50},
)

# Written at each sync: no index on what changes, and room on the page (HOT updates).
observations = Table(
    "observations",
    metadata,
    Column("node_uuid", UUID(as_uuid=False), primary_key=True),
    Column("shard", SmallInteger, nullable=False),
    Column("power_state", Text),
    Column("seen_at", DateTime(timezone=True)),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("error", Text),
    Column("health", Text),
    Column("health_seen_at", DateTime(timezone=True)),
    postgresql_with={"fillfactor": 60},
)
Index("observations_shard", observations.c.shard)

outbox = outbox_table(metadata)
