"""The tables of boot."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from steelyard_boot.store.tables import metadata
from steelyard_common.db import Database


def test_the_migrations_make_the_tables_that_the_code_uses(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_name": lambda name, *_: name != "alembic_version"}
        )
        assert compare_metadata(context, metadata) == []
