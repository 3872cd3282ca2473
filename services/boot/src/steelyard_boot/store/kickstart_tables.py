"""Kickstarts that are served: one of a node at most."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import UUID


def kickstarts_table(metadata: MetaData) -> Table:
    """``name``: what its node's machine asks by. ``text``: sealed. ``stage2``: key of an artifact, null with a tree.

    A row goes when the node is to boot something else (``store.boots.write``).
    """
    return Table(
        "boot_kickstarts", metadata,
        Column("node_uuid", UUID(as_uuid=False), primary_key=True),
        Column("name", Text, nullable=False, unique=True),
        Column("text", Text, nullable=False),
        Column("stage2", Text),
        Column("created_at", DateTime(timezone=True), nullable=False),
    )  # fmt: skip
