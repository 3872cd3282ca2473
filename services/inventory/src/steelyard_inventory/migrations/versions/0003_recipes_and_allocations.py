"""Deploy templates, runbooks, inspection rules, allocations, as store/recipe_tables.py had them then."""

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
    func,
    text,
)  # fmt: skip
from sqlalchemy.dialects.postgresql import JSONB, UUID

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = ("allocations", "inspection_rules", "runbooks", "deploy_templates")
FREE = "provision_state = 'available' AND instance_uuid IS NULL AND power_state IS NOT NULL AND NOT maintenance"


def _json(name: str, default: str = "{}") -> Column[object]:
    return Column(name, JSONB, nullable=False, server_default=text(f"'{default}'::jsonb"))


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=text("false"))


def _texts(name: str) -> Column[object]:
    return Column(name, ARRAY(Text), nullable=False, server_default=text("'{}'::text[]"))


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=text("0"))


def _identity() -> list[Column[object]]:
    return [
        Column("id", BigInteger, Identity(), primary_key=True),
        Column("uuid", UUID(as_uuid=False), nullable=False, unique=True),
    ]


def _stamps() -> list[Column[object]]:
    return [
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("updated_at", DateTime(timezone=True)),
    ]


def upgrade() -> None:
    op.create_table(
        "deploy_templates",
        *_identity(),
        Column("name", Text, nullable=False, unique=True),
        Column("description", Text),
        _json("steps", "[]"),
        _json("sealed"),
        _json("extra"),
        *_stamps(),
    )
    op.create_table(
        "runbooks",
        *_identity(),
        Column("name", Text, nullable=False, unique=True),
        Column("description", Text),
        _flag("disable_ramdisk"),
        _flag("public"),
        Column("owner", Text, index=True),
        _json("steps", "[]"),
        _json("sealed"),
        _texts("traits"),
        _json("extra"),
        *_stamps(),
    )
    op.create_table(
        "inspection_rules",
        *_identity(),
        Column("description", Text),
        _count("priority"),
        Column("phase", Text, nullable=False),
        _flag("sensitive"),
        _json("conditions", "[]"),
        _json("actions", "[]"),
        _json("sealed"),
        *_stamps(),
    )
    _create_allocations()
    op.create_index("nodes_free", "nodes", ["resource_class", "uuid"], postgresql_where=text(FREE))


def _create_allocations() -> None:
    op.create_table(
        "allocations",
        *_identity(),
        Column("name", Text, unique=True),
        Column("resource_class", Text, index=True),
        _texts("candidate_nodes"),
        _texts("traits"),
        Column("owner", Text, index=True),
        _json("extra"),
        Column("node_uuid", UUID(as_uuid=False), ForeignKey("nodes.uuid", ondelete="CASCADE"), unique=True),
        Column("state", Text, nullable=False),
        Column("last_error", Text),
        _count("tries"),
        Column("due_at", DateTime(timezone=True)),
        _json("cause"),
        *_stamps(),
    )
    op.create_index("allocations_due", "allocations", ["due_at"], postgresql_where=text("due_at IS NOT NULL"))


def downgrade() -> None:
    op.drop_index("nodes_free", "nodes")
    for table in TABLES:
        op.drop_table(table)
