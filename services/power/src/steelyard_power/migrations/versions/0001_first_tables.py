"""First tables: begun marks, turns of the shards, observations, outbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, UUID

revision = "0001"
down_revision = None


def _time(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    _create_journal()
    _create_shards()
    _create_observations()
    _create_outbox()


def _create_journal() -> None:
    op.create_table(
        "step_journal",
        sa.Column("workflow_uuid", UUID(as_uuid=False), primary_key=True),
        sa.Column("step_index", sa.Integer, primary_key=True),
        sa.Column("node_uuid", UUID(as_uuid=False), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("phase", sa.Integer, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("sends", sa.Integer, nullable=False, server_default=sa.text("1")),
        _time("begun_at", nullable=False),
        _time("answered_at"),
        sa.Column("outcome", JSONB),
    )


def _create_shards() -> None:
    op.create_table(
        "sync_shards",
        sa.Column("purpose", sa.Text, primary_key=True),
        sa.Column("shard", sa.SmallInteger, primary_key=True),
        _time("due_at", nullable=False),
        sa.Column("lease_holder", sa.Text),
        _time("lease_until"),
        postgresql_with={"fillfactor": 50},
    )


def _create_observations() -> None:
    op.create_table(
        "observations",
        sa.Column("node_uuid", UUID(as_uuid=False), primary_key=True),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.Column("power_state", sa.Text),
        _time("seen_at"),
        sa.Column("failures", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("error", sa.Text),
        sa.Column("health", sa.Text),
        _time("health_seen_at"),
        postgresql_with={"fillfactor": 60},
    )
    op.create_index("observations_shard", "observations", ["shard"])


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("msg_id", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("headers", JSONB, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.clock_timestamp()),
        postgresql_with={"autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 2000},
    )
