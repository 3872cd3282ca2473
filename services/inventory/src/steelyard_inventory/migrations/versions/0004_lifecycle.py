"""Parked workflows, and what the planner knew of a step, as store/tables.py had them then."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Boolean, Column, text
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0005"  # the timeline was there first
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workflows", Column("parked", Boolean, nullable=False, server_default=text("false")))
    op.add_column("steps", Column("info", JSONB, nullable=False, server_default=text("'{}'::jsonb")))
    op.drop_index("workflows_active", "workflows")
    op.create_index(
        "workflows_active", "workflows", ["node_uuid", "parked"], unique=True,
        postgresql_where=text("finished_at IS NULL"),
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("workflows_active", "workflows")
    op.create_index(
        "workflows_active", "workflows", ["node_uuid"], unique=True, postgresql_where=text("finished_at IS NULL")
    )
    op.drop_column("steps", "info")
    op.drop_column("workflows", "parked")
