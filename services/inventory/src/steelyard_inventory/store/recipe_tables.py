"""Tables of recipes (deploy templates, runbooks, inspection rules) and allocations (api facts §13 to §16).

They are used through ``tables``, where all tables are found.
"""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, Column, DateTime, ForeignKey, Identity, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from .columns import flag, json_column, metadata, required_text, stamps, uuid_column


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(), primary_key=True)


def _texts(name: str) -> Column[object]:
    return Column(name, ARRAY(Text), nullable=False, server_default=text("'{}'::text[]"))


def _list(name: str) -> Column[object]:
    return json_column(name, "[]")


deploy_templates = Table(
    "deploy_templates",
    metadata,
    _id(),
    uuid_column(),
    Column("name", Text, nullable=False, unique=True),
    Column("description", Text),
    _list("steps"),
    json_column("sealed"),  # as in nodes
    json_column("extra"),
    *stamps(),
)

runbooks = Table(
    "runbooks",
    metadata,
    _id(),
    uuid_column(),
    Column("name", Text, nullable=False, unique=True),
    Column("description", Text),
    flag("disable_ramdisk"),
    flag("public"),
    Column("owner", Text, index=True),
    _list("steps"),
    json_column("sealed"),  # as in nodes
    _texts("traits"),  # sorted
    json_column("extra"),
    *stamps(),
)

inspection_rules = Table(
    "inspection_rules",
    metadata,
    _id(),
    uuid_column(),
    Column("description", Text),
    Column("priority", Integer, nullable=False, server_default=text("0")),
    required_text("phase"),
    flag("sensitive"),
    _list("conditions"),
    _list("actions"),
    json_column("sealed"),  # as in nodes
    *stamps(),
)

allocations = Table(
    "allocations",
    metadata,
    _id(),
    uuid_column(),
    Column("name", Text, unique=True),
    Column("resource_class", Text, index=True),
    _texts("candidate_nodes"),  # UUIDs
    _texts("traits"),
    Column("owner", Text, index=True),
    json_column("extra"),
    Column("node_uuid", UUID(as_uuid=False), ForeignKey("nodes.uuid", ondelete="CASCADE"), unique=True),
    required_text("state"),  # allocating active error
    Column("last_error", Text),
    Column("tries", Integer, nullable=False, server_default=text("0")),  # that found suitable nodes, all of them locked
    Column("due_at", DateTime(timezone=True)),  # when to match; null: settled
    Column("cause", JSONB, nullable=False, server_default=text("'{}'::jsonb")),  # who asked, for the events
    Column("affinity", JSONB),  # {key, with: [UUIDs]} or {key, group}, as anti_affinity
    Column("anti_affinity", JSONB),
    Column("availability_zone", Text),
    _texts("groups"),  # that it belongs to, for the affinity of others
    *stamps(),
)
Index("allocations_groups", allocations.c.groups, postgresql_using="gin")
# Those that wait for a node are few, whatever the number of all.
Index("allocations_due", allocations.c.due_at, postgresql_where=allocations.c.due_at.isnot(None))
