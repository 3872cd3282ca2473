"""Tags of nodes, placement of allocations, quotas of projects, as the tables in store/ had them then."""

from __future__ import annotations

from alembic import op
from sqlalchemy import ARRAY, Column, Integer, PrimaryKeyConstraint, Text, text
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0004"
branch_labels = None
depends_on = None

PLACEMENT = ("affinity", "anti_affinity", "availability_zone", "groups")


def _texts(name: str) -> Column[object]:
    return Column(name, ARRAY(Text), nullable=False, server_default=text("'{}'::text[]"))


def upgrade() -> None:
    op.add_column("nodes", _texts("tags"))
    op.create_index("nodes_tags", "nodes", ["tags"], postgresql_using="gin")
    op.add_column("allocations", Column("affinity", JSONB))
    op.add_column("allocations", Column("anti_affinity", JSONB))
    op.add_column("allocations", Column("availability_zone", Text))
    op.add_column("allocations", _texts("groups"))
    op.create_index("allocations_groups", "allocations", ["groups"], postgresql_using="gin")
    op.create_table(
        "quotas",
        Column("project", Text, nullable=False),
        Column("resource_class", Text, nullable=False),
        Column("most", Integer, nullable=False),
        PrimaryKeyConstraint("project", "resource_class", name="quotas_pkey"),
    )


def downgrade() -> None:
    op.drop_table("quotas")
    op.drop_index("allocations_groups", "allocations")
    for name in PLACEMENT:
        op.drop_column("allocations", name)
    op.drop_index("nodes_tags", "nodes")
    op.drop_column("nodes", "tags")
