"""DNS records of nodes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, UUID

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "dns_records",
        sa.Column("node_uuid", UUID(as_uuid=False), primary_key=True),
        sa.Column("wanted", JSONB, nullable=False),
        sa.Column("written", JSONB, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Index("dns_records_due", "due_at"),
    )
