"""Alembic's entrance; see ``steelyard_common.db.migrations``."""

from steelyard_common.db import run_migrations
from steelyard_power.store.tables import metadata

run_migrations(metadata)
