"""Kickstarts that are served."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "boot_kickstarts",
        sa.Column("node_uuid", UUID(as_uuid=False), primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("stage2", sa.Text),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
