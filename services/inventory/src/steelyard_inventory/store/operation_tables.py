"""The tables of group operations: one row for each, and one for each of its nodes."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)  # fmt: skip
from sqlalchemy.dialects.postgresql import JSONB, UUID

from .columns import json_column, metadata, required_text, stamps, time_column, uuid_column

operations = Table(
    "operations",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    uuid_column(),
    required_text("verb"),
    json_column("parameters"),  # secrets sealed
    Column("selector", JSONB),  # the filters it was asked for with; null: nodes were named
    Column("parallelism", Integer, nullable=False),
    required_text("status"),  # running aborting done failed aborted
    Column("total", Integer, nullable=False),
    json_column("counts"),  # outcome → how many nodes; written with every change of theirs
    Column("minor", Integer, nullable=False),  # the API's version that it was asked in
    Column("owner", Text, index=True),  # the project that asked
    Column("visible", Text),  # the project whose nodes alone it may touch; null: all
    json_column("cause"),
    Column("due_at", DateTime(timezone=True)),  # when to look; null: it has ended
    Column("changed_at", DateTime(timezone=True), nullable=False),  # last time that a node's outcome changed
    time_column("finished_at"),
    *stamps(),
)
# Those that run are few, whatever the number of all.
Index("operations_due", operations.c.due_at, postgresql_where=operations.c.due_at.isnot(None))

# No foreign key to nodes: the outcome stays when the node has gone.
operation_nodes = Table(
    "operation_nodes",
    metadata,
    Column("operation_uuid", UUID(as_uuid=False), ForeignKey("operations.uuid", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),  # from 0, in the order in which they begin
    Column("node_uuid", UUID(as_uuid=False), nullable=False),
    Column("node_name", Text),
    required_text("outcome"),  # pending running done failed skipped
    Column("error", Text),
    Column("workflow_uuid", UUID(as_uuid=False)),
    Column("round", Integer, nullable=False, server_default=text("1")),  # grows with every retry
    Column("due_at", DateTime(timezone=True), nullable=False),  # not begun before: somebody else may have the node
    Column("wait_until", DateTime(timezone=True)),  # how long it is waited for
    time_column("started_at"),
    time_column("finished_at"),
    PrimaryKeyConstraint("operation_uuid", "position", name="operation_nodes_pkey"),
    postgresql_with={"fillfactor": 80},
)
Index(
    "operation_nodes_open", operation_nodes.c.operation_uuid, operation_nodes.c.outcome, operation_nodes.c.due_at,
    operation_nodes.c.position,
    postgresql_where=text("outcome IN ('pending', 'running', 'failed')"),
)  # fmt: skip
