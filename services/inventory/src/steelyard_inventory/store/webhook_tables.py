"""The tables of webhooks: who wants to be told what, and what is to be sent to whom."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)  # fmt: skip
from sqlalchemy.dialects.postgresql import UUID

from .columns import flag, json_column, metadata, required_text, stamps, time_column, uuid_column

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    uuid_column(),
    required_text("url"),
    required_text("secret"),  # sealed: only the gateway opens it
    Column("events", ARRAY(Text), nullable=False),  # patterns of <service>.<fact>
    json_column("filters"),  # {node, owner, lessee}
    Column("description", Text),
    flag("enabled", default=True),
    Column("disabled_reason", Text),
    Column("owner", Text, index=True),
    Column("visible", Text),  # the project of whose nodes alone it is told; null: of all
    *stamps(),
)

# An event for a webhook. What is pending of one subject goes out in the order of place, and of id.
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    uuid_column(),
    Column("webhook_uuid", UUID(as_uuid=False), ForeignKey("webhooks.uuid", ondelete="CASCADE"), nullable=False),
    required_text("event_id"),
    required_text("event_type"),
    required_text("subject"),  # whose UUID stands in the event
    required_text("body"),  # the CloudEvent as it was told
    Column("place", BigInteger, nullable=False, server_default=text("0")),  # its number in the stream
    required_text("status"),  # pending delivered dead
    Column("tries", Integer, nullable=False, server_default=text("0")),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("taken_until", DateTime(timezone=True)),  # somebody sends it now
    Column("answer", Integer),  # HTTP status of the last try
    Column("error", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    time_column("settled_at"),
    UniqueConstraint("webhook_uuid", "event_id", name="webhook_deliveries_once"),
    postgresql_with={"fillfactor": 80},
)
Index(
    "webhook_deliveries_pending", webhook_deliveries.c.webhook_uuid, webhook_deliveries.c.subject,
    webhook_deliveries.c.place, webhook_deliveries.c.id, postgresql_where=text("status = 'pending'"),
)  # fmt: skip
Index("webhook_deliveries_settled", webhook_deliveries.c.settled_at)
