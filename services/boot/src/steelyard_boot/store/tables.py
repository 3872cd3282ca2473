"""What boot owns."""

from __future__ import annotations

from sqlalchemy import MetaData
from steelyard_common.db import outbox_table

metadata = MetaData()

outbox = outbox_table(metadata)
