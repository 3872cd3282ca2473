"""What each node boots next, boot attempts, leases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, UUID

revision = "0004"
down_revision = "0003"

TIME = sa.DateTime(timezone=True)
TEXTS = sa.ARRAY(sa.Text)


def upgrade() -> None:
    op.create_table(
        "boots",
        sa.Column("node_uuid", UUID(as_uuid=False), primary_key=True),
        sa.Column("boot_id", UUID(as_uuid=False), nullable=False, unique=True),
        sa.Column("system_uuids", TEXTS, nullable=False),
        sa.Column("macs", TEXTS, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("interface", sa.Text, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("arch", sa.Text, nullable=False),
        sa.Column("loader", sa.Text),
        sa.Column("model", JSONB, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Index("boots_system_uuids", "system_uuids", postgresql_using="gin"),
        sa.Index("boots_macs", "macs", postgresql_using="gin"),
    )
    op.create_table(
        "boot_media",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("node_uuid", UUID(as_uuid=False), nullable=False),
        sa.Column("boot_id", UUID(as_uuid=False), nullable=False),
        sa.Column("artifact", sa.Text, nullable=False),
        sa.Column("is_ours", sa.Boolean, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Index("boot_media_node", "node_uuid"),
    )
    op.create_table(
        "boot_isos",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("artifact", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
    )
    op.create_table(
        "boot_attempts",
        sa.Column("uuid", UUID(as_uuid=False), primary_key=True),
        sa.Column("node_uuid", UUID(as_uuid=False), nullable=False),
        sa.Column("boot_id", UUID(as_uuid=False), nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("interface", sa.Text, nullable=False),
        sa.Column("last_hop", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("failing_hop", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("began_at", TIME, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.Column("ended_at", TIME),
        sa.Index("boot_attempts_node", "node_uuid", "began_at"),
        sa.Index("boot_attempts_running", "node_uuid", unique=True, postgresql_where=sa.text("outcome = 'running'")),
    )
    op.create_table(
        "boot_hops",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column(
            "attempt_uuid", UUID(as_uuid=False), sa.ForeignKey("boot_attempts.uuid", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("hop", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("detail", JSONB, nullable=False),
        sa.Index("boot_hops_attempt", "attempt_uuid", "at"),
    )
    op.create_table(
        "boot_leases",
        sa.Column("ip", sa.Text, primary_key=True),
        sa.Column("mac", sa.Text, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
    )
