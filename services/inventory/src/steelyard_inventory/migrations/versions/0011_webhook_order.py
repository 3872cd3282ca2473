"""Where an event stood in the stream: several replicas pile events up, and they go out in the stream's order."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

INDEX, TABLE, PENDING = "webhook_deliveries_pending", "webhook_deliveries", sa.text("status = 'pending'")


def upgrade() -> None:
    op.add_column(TABLE, sa.Column("place", sa.BigInteger, nullable=False, server_default=sa.text("0")))
    op.drop_index(INDEX, TABLE)
    op.create_index(INDEX, TABLE, ["webhook_uuid", "subject", "place", "id"], postgresql_where=PENDING)


def downgrade() -> None:
    op.drop_index(INDEX, TABLE)
    op.create_index(INDEX, TABLE, ["webhook_uuid", "subject", "id"], postgresql_where=PENDING)
    op.drop_column(TABLE, "place")
