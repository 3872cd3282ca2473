"""Alembic's entry: the connection and the lock are ``steelyard_common.db.migrate``'s."""

from steelyard_common.db import run_migrations
from steelyard_inventory.store.tables import metadata

run_migrations(metadata)
