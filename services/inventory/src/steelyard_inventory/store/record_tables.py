"""Tables of the records around nodes: chassis, port groups, volumes, inspection data (api facts §9, §10, §17, §20).

They are used through ``tables``, where all tables are found.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Identity,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)  # fmt: skip
from sqlalchemy.dialects.postgresql import UUID

from .columns import flag, json_column, metadata, required_text, stamps, uuid_column


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(), primary_key=True)


def _node(*, index: bool = True) -> Column[str]:
    key = ForeignKey("nodes.uuid", ondelete="CASCADE")
    return Column("node_uuid", UUID(as_uuid=False), key, nullable=False, index=index)


chassis = Table(
    "chassis",
    metadata,
    _id(),
    uuid_column(),
    Column("description", Text),
    json_column("extra"),
    *stamps(),
)

portgroups = Table(
    "portgroups",
    metadata,
    _id(),
    uuid_column(),
    Column("name", Text, unique=True),
    Column("address", Text, unique=True),
    _node(),
    json_column("extra"),
    json_column("internal_info"),
    flag("standalone_ports_supported", default=True),
    required_text("mode"),
    json_column("properties"),
    Column("physical_network", Text),
    Column("category", Text),
    flag("dynamic_portgroup"),
    *stamps(),
)

volume_connectors = Table(
    "volume_connectors",
    metadata,
    _id(),
    uuid_column(),
    _node(),
    required_text("type"),
    required_text("connector_id"),
    json_column("extra"),
    *stamps(),
    UniqueConstraint("type", "connector_id", name="volume_connectors_connector_key"),
)

# The unique key begins with node_uuid: it is also the index by which a node's targets are found.
volume_targets = Table(
    "volume_targets",
    metadata,
    _id(),
    uuid_column(),
    _node(index=False),
    required_text("volume_type"),
    Column("boot_index", Integer, nullable=False),
    required_text("volume_id"),
    json_column("properties"),
    json_column("sealed"),  # as in nodes
    json_column("extra"),
    *stamps(),
    UniqueConstraint("node_uuid", "boot_index", name="volume_targets_boot_index_key"),
)

# The newest inspection of each node. Apart from nodes: it may be a hundred times as large as its row.
node_inventories = Table(
    "node_inventories",
    metadata,
    _node(index=False),
    json_column("inventory"),
    json_column("plugin_data"),
    *stamps(),
    PrimaryKeyConstraint("node_uuid", name="node_inventories_pkey"),
)
