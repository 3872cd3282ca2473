"""Which DNS records a node has, or had and is to lose."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, Index, Integer, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import JSONB, UUID


def dns_table(metadata: MetaData) -> Table:
    """``wanted``: records that are to be there; ``written``: those that may be there. ``due_at``: when it is tried
    again; null: nothing is left to do."""
    return Table(
        "dns_records", metadata,
        Column("node_uuid", UUID(as_uuid=False), primary_key=True),
        Column("wanted", JSONB, nullable=False),
        Column("written", JSONB, nullable=False),
        Column("tries", Integer, nullable=False),
        Column("error", Text),
        Column("due_at", DateTime(timezone=True)),
        Index("dns_records_due", "due_at"),
    )  # fmt: skip
