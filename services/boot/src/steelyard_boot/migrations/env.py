"""Alembic's entrance; see ``steelyard_common.db.migrations``."""

from steelyard_boot.store.tables import metadata
from steelyard_common.db import run_migrations

run_migrations(metadata)
