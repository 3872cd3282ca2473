"""What the last inspection of each node found, as store/record_tables.py had it then."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, DateTime, ForeignKey, PrimaryKeyConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB, UUID

revision = "0008"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "node_inventories",
        Column("node_uuid", UUID(as_uuid=False), ForeignKey("nodes.uuid", ondelete="CASCADE"), nullable=False),
        Column("inventory", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
        Column("plugin_data", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("updated_at", DateTime(timezone=True)),
        PrimaryKeyConstraint("node_uuid", name="node_inventories_pkey"),
    )


def downgrade() -> None:
    op.drop_table("node_inventories")
