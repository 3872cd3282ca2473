"""What boot owns."""

from __future__ import annotations

from sqlalchemy import MetaData
from steelyard_common.db import outbox_table

from .agent_tables import agents_table
from .artifact_tables import add_tables as add_artifact_tables

metadata = MetaData()

outbox = outbox_table(metadata)
add_artifact_tables(metadata)
agents = agents_table(metadata)
