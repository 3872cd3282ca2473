"""Alembic, the same way for each service: ``migrate`` to upgrade, ``run_migrations`` as the body of ``env.py``."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import command, context
from alembic.config import Config

from ..errors import Unavailable
from ..telemetry import get_logger
from .database import CONNECTING

log = get_logger(__name__)


def migrate(service: str, url: str, schema: str, script_location: str) -> None:
    """Bring the schema up to the newest revision. Any number may run this at once: one works, the others wait.

    ``script_location`` as Alembic takes it: a folder, or ``package:folder``. Errors: Unavailable.
    """
    engine = sa.create_engine(
        sa.make_url(url).set(drivername="postgresql+psycopg"),
        poolclass=sa.NullPool,
        # No time-out for statements: a migration takes as long as it takes, and the lock is waited for as long.
        connect_args={**CONNECTING, "options": f"-c search_path={schema}"},
    )
    config = Config()
    config.set_main_option("script_location", script_location.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    try:
        with engine.connect() as connection:
            connection.execute(
                sa.text("SELECT pg_advisory_lock(hashtextextended(:key, 0))"), {"key": f"steelyard {schema}"}
            )
            connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
            connection.commit()
            config.attributes["connection"] = connection
            config.attributes["schema"] = schema
            command.upgrade(config, "head")
            connection.commit()
    except sa.exc.OperationalError as error:
        raise Unavailable(f"the database of {service} is away", detail=str(error.orig)) from error
    finally:
        engine.dispose()  # closing the connection also gives the lock back
    log.info("schema is up to date", service_schema=schema)


def run_migrations(target_metadata: sa.MetaData) -> None:
    """What a service's ``migrations/env.py`` calls: run the revisions on the connection that ``migrate`` made."""
    attributes = context.config.attributes
    context.configure(
        connection=attributes["connection"],
        target_metadata=target_metadata,
        version_table="alembic_version",
        version_table_schema=attributes["schema"],
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()
