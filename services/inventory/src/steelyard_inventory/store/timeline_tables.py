"""The tables of the timeline: rows by month, and durations to estimate from. Neither is ever joined into a list."""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, Column, DateTime, Double, Identity, Index, PrimaryKeyConstraint, Table, Text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from .columns import json_column, metadata

# A partition a month (store/timeline.py makes and drops them): what is too old goes with its table, not row by row.
# No foreign key: the rows of a node that is gone say who deleted it.
timeline = Table(
    "timeline",
    metadata,
    Column("node_uuid", UUID(as_uuid=False), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("uuid", UUID(as_uuid=False), nullable=False),
    Column("id", BigInteger, Identity(), nullable=False),  # order of arrival, for what happened in one millisecond
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("outcome", Text),
    Column("duration_s", Double),
    json_column("cause"),
    Column("workflow", UUID(as_uuid=False)),
    json_column("detail"),
    Column("event_type", Text),  # of Ironic's node history; null: no part of it
    # One index finds a node's newest rows, a row by its UUID (which tells its time), and what was written before.
    PrimaryKeyConstraint("node_uuid", "at", "uuid", name="timeline_pkey"),
    postgresql_partition_by="RANGE (at)",
)
Index("timeline_history", timeline.c.node_uuid, timeline.c.at, postgresql_where=timeline.c.event_type.isnot(None))

# The newest durations of each step and each kind of workflow, by driver.
durations = Table(
    "durations",
    metadata,
    Column("name", Text, nullable=False),  # "deploy.deploy" for a step, "deploy" for a workflow
    Column("driver", Text, nullable=False),
    Column("samples", ARRAY(Double), nullable=False),  # seconds, newest last
    PrimaryKeyConstraint("name", "driver", name="durations_pkey"),
    postgresql_with={"fillfactor": 70},
)

plans = Table(
    "plans",
    metadata,
    Column("uuid", UUID(as_uuid=False), nullable=False),
    Column("node_uuid", UUID(as_uuid=False), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    json_column("request"),  # target and parameters, secrets sealed
    json_column("document"),  # what the API shows
    json_column("basis"),  # what it was made from: to see what has changed
    Column("applied_at", DateTime(timezone=True)),
    Column("outcome", JSONB),
    PrimaryKeyConstraint("uuid", name="plans_pkey"),
)
Index("plans_node", plans.c.node_uuid, plans.c.created_at)
