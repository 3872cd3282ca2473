"""Indexes for what nodes are listed by: when they came, the names of their instances, whether they are retired."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("nodes_created", "nodes", ["created_at", "id"])
    op.create_index(
        "nodes_instance_name", "nodes", ["instance_name"], postgresql_where=text("instance_name IS NOT NULL")
    )
    op.create_index("nodes_retired", "nodes", ["id"], postgresql_where=text("retired"))


def downgrade() -> None:
    for name in ("nodes_retired", "nodes_instance_name", "nodes_created"):
        op.drop_index(name, "nodes")
