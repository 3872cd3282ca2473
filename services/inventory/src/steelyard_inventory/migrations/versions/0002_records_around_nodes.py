"""Chassis, port groups, volume connectors and targets, as store/record_tables.py had them then."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
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

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("volume_targets", "volume_connectors", "portgroups", "chassis")


def _json(name: str) -> Column[object]:
    return Column(name, JSONB, nullable=False, server_default=text("'{}'::jsonb"))


def _flag(name: str, default: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=text(default))


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


def _node(*, index: bool = True) -> Column[str]:
    key = ForeignKey("nodes.uuid", ondelete="CASCADE")
    return Column("node_uuid", UUID(as_uuid=False), key, nullable=False, index=index)


def upgrade() -> None:
    op.create_table("chassis", *_identity(), Column("description", Text), _json("extra"), *_stamps())
    op.create_table(
        "portgroups",
        *_identity(),
        Column("name", Text, unique=True),
        Column("address", Text, unique=True),
        _node(),
        _json("extra"),
        _json("internal_info"),
        _flag("standalone_ports_supported", "true"),
        Column("mode", Text, nullable=False),
        _json("properties"),
        Column("physical_network", Text),
        Column("category", Text),
        _flag("dynamic_portgroup", "false"),
        *_stamps(),
    )
    op.create_table(
        "volume_connectors",
        *_identity(),
        _node(),
        Column("type", Text, nullable=False),
        Column("connector_id", Text, nullable=False),
        _json("extra"),
        *_stamps(),
        UniqueConstraint("type", "connector_id", name="volume_connectors_connector_key"),
    )
    op.create_table(
        "volume_targets",
        *_identity(),
        _node(index=False),
        Column("volume_type", Text, nullable=False),
        Column("boot_index", Integer, nullable=False),
        Column("volume_id", Text, nullable=False),
        _json("properties"),
        _json("sealed"),
        _json("extra"),
        *_stamps(),
        UniqueConstraint("node_uuid", "boot_index", name="volume_targets_boot_index_key"),
    )
    op.create_foreign_key("nodes_chassis_uuid_fkey", "nodes", "chassis", ["chassis_uuid"], ["uuid"])
    op.create_foreign_key(
        "ports_portgroup_uuid_fkey", "ports", "portgroups", ["portgroup_uuid"], ["uuid"], ondelete="SET NULL"
    )
    op.create_index("ix_nodes_chassis_uuid", "nodes", ["chassis_uuid"])
    op.create_index("ix_ports_portgroup_uuid", "ports", ["portgroup_uuid"])


def downgrade() -> None:
    op.drop_constraint("ports_portgroup_uuid_fkey", "ports")
    op.drop_constraint("nodes_chassis_uuid_fkey", "nodes")
    op.drop_index("ix_ports_portgroup_uuid", "ports")
    op.drop_index("ix_nodes_chassis_uuid", "nodes")
    for table in TABLES:
        op.drop_table(table)
