"""Group operations and their nodes, as store/operation_tables.py had them then."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Integer,
    PrimaryKeyConstraint,
    Text,
    func,
    text,
)  # fmt: skip
from sqlalchemy.dialects.postgresql import JSONB, UUID

revision = "0006"
down_revision = "0007"  # tenancy was there first
branch_labels = None
depends_on = None


def _json(name: str) -> Column[object]:
    return Column(name, JSONB, nullable=False, server_default=text("'{}'::jsonb"))


def _time(name: str, *, nullable: bool = True) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _operations() -> None:
    op.create_table(
        "operations",
        Column("id", BigInteger, Identity(), primary_key=True),
        Column("uuid", UUID(as_uuid=False), nullable=False, unique=True),
        Column("verb", Text, nullable=False),
        _json("parameters"),
        Column("selector", JSONB),
        Column("parallelism", Integer, nullable=False),
        Column("status", Text, nullable=False),
        Column("total", Integer, nullable=False),
        _json("counts"),
        Column("minor", Integer, nullable=False),
        Column("owner", Text),
        Column("visible", Text),
        _json("cause"),
        _time("due_at"),
        _time("changed_at", nullable=False),
        _time("finished_at"),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        _time("updated_at"),
    )
    op.create_index("ix_operations_owner", "operations", ["owner"])
    op.create_index("operations_due", "operations", ["due_at"], postgresql_where=text("due_at IS NOT NULL"))


def upgrade() -> None:
    _operations()
    op.create_table(
        "operation_nodes",
        Column(
            "operation_uuid", UUID(as_uuid=False), ForeignKey("operations.uuid", ondelete="CASCADE"), nullable=False
        ),
        Column("position", Integer, nullable=False),
        Column("node_uuid", UUID(as_uuid=False), nullable=False),
        Column("node_name", Text),
        Column("outcome", Text, nullable=False),
        Column("error", Text),
        Column("workflow_uuid", UUID(as_uuid=False)),
        Column("round", Integer, nullable=False, server_default=text("1")),
        _time("due_at", nullable=False),
        _time("wait_until"),
        _time("started_at"),
        _time("finished_at"),
        PrimaryKeyConstraint("operation_uuid", "position", name="operation_nodes_pkey"),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index(
        "operation_nodes_open", "operation_nodes", ["operation_uuid", "outcome", "due_at", "position"],
        postgresql_where=text("outcome IN ('pending', 'running', 'failed')"),
    )  # fmt: skip


def downgrade() -> None:
    for table in ("operation_nodes", "operations"):
        op.drop_table(table)
