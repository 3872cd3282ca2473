"""Tables of tenancy: how many nodes of a class a project may have.

They are used through ``tables``, where all tables are found.
"""

from __future__ import annotations

from sqlalchemy import Column, Integer, PrimaryKeyConstraint, Table, Text

from .columns import metadata

quotas = Table(
    "quotas",
    metadata,
    Column("project", Text, nullable=False),
    Column("resource_class", Text, nullable=False),  # "*": every class that has no row of its own
    Column("most", Integer, nullable=False),
    PrimaryKeyConstraint("project", "resource_class", name="quotas_pkey"),
)
