"""Webhooks and their deliveries, as store/webhook_tables.py had them then."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Integer,
    Text,
    UniqueConstraint,
    func,
    text,
)  # fmt: skip
from sqlalchemy.dialects.postgresql import JSONB, UUID

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def _text(name: str) -> Column[object]:
    return Column(name, Text, nullable=False)


def _time(name: str, *, nullable: bool = True) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _uuid() -> Column[object]:
    return Column("uuid", UUID(as_uuid=False), nullable=False, unique=True)


def upgrade() -> None:
    op.create_table(
        "webhooks",
        Column("id", BigInteger, Identity(), primary_key=True),
        _uuid(),
        _text("url"),
        _text("secret"),
        Column("events", ARRAY(Text), nullable=False),
        Column("filters", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
        Column("description", Text),
        Column("enabled", Boolean, nullable=False, server_default=text("true")),
        Column("disabled_reason", Text),
        Column("owner", Text),
        Column("visible", Text),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        _time("updated_at"),
    )
    op.create_index("ix_webhooks_owner", "webhooks", ["owner"])
    op.create_table(
        "webhook_deliveries",
        Column("id", BigInteger, Identity(), primary_key=True),
        _uuid(),
        Column("webhook_uuid", UUID(as_uuid=False), ForeignKey("webhooks.uuid", ondelete="CASCADE"), nullable=False),
        *(_text(name) for name in ("event_id", "event_type", "subject", "body", "status")),
        Column("tries", Integer, nullable=False, server_default=text("0")),
        _time("due_at", nullable=False),
        _time("taken_until"),
        Column("answer", Integer),
        Column("error", Text),
        _time("created_at", nullable=False),
        _time("settled_at"),
        UniqueConstraint("webhook_uuid", "event_id", name="webhook_deliveries_once"),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index(
        "webhook_deliveries_pending", "webhook_deliveries", ["webhook_uuid", "subject", "id"],
        postgresql_where=text("status = 'pending'"),
    )  # fmt: skip
    op.create_index("webhook_deliveries_settled", "webhook_deliveries", ["settled_at"])


def downgrade() -> None:
    for table in ("webhook_deliveries", "webhooks"):
        op.drop_table(table)
