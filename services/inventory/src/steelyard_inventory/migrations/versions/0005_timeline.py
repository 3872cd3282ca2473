"""Timeline, durations and plans, as store/timeline_tables.py had them then."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    DateTime,
    Double,
    Identity,
    PrimaryKeyConstraint,
    Text,
    text,
)  # fmt: skip
from sqlalchemy.dialects.postgresql import JSONB, UUID

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None


def _json(name: str) -> Column[object]:
    return Column(name, JSONB, nullable=False, server_default=text("'{}'::jsonb"))


def _time(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _uuid(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, UUID(as_uuid=False), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "timeline",
        _uuid("node_uuid"),
        _time("at"),
        _uuid("uuid"),
        Column("id", BigInteger, Identity(), nullable=False),
        Column("kind", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column("outcome", Text),
        Column("duration_s", Double),
        _json("cause"),
        _uuid("workflow", nullable=True),
        _json("detail"),
        Column("event_type", Text),
        PrimaryKeyConstraint("node_uuid", "at", "uuid", name="timeline_pkey"),
        postgresql_partition_by="RANGE (at)",
    )
    # What lies in no month yet: the service makes the months while it runs.
    op.execute("CREATE TABLE timeline_rest PARTITION OF timeline DEFAULT")
    op.create_index(
        "timeline_history", "timeline", ["node_uuid", "at"], postgresql_where=text("event_type IS NOT NULL")
    )
    op.create_table(
        "durations",
        Column("name", Text, nullable=False),
        Column("driver", Text, nullable=False),
        Column("samples", ARRAY(Double), nullable=False),
        PrimaryKeyConstraint("name", "driver", name="durations_pkey"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "plans",
        _uuid("uuid"),
        _uuid("node_uuid"),
        _time("created_at"),
        _json("request"),
        _json("document"),
        _json("basis"),
        _time("applied_at", nullable=True),
        Column("outcome", JSONB),
        PrimaryKeyConstraint("uuid", name="plans_pkey"),
    )
    op.create_index("plans_node", "plans", ["node_uuid", "created_at"])


def downgrade() -> None:
    for table in ("plans", "durations", "timeline"):
        op.drop_table(table)
