"""Agents: their tokens and where they are called."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, UUID

revision = "0003"
down_revision = "0002"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "agents",
        sa.Column("node_uuid", UUID(as_uuid=False), primary_key=True),
        sa.Column("token", sa.Text),
        sa.Column("pregenerated", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("issued_at", TIME),
        sa.Column("boot", sa.Text),
        sa.Column("url", sa.Text),
        sa.Column("verify_ca", sa.Text),
        sa.Column("version", sa.Text),
        sa.Column("status", sa.Text),
        sa.Column("status_message", sa.Text),
        sa.Column("versions", JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")),
        sa.Column("last_heartbeat_at", TIME),
        sa.Column("reverse_url", sa.Text),
        sa.Column("poll_at", TIME),
        sa.Column("poll_failures", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("created_at", TIME, nullable=False),
        postgresql_with={"fillfactor": 70},
    )
