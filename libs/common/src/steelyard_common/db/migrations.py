"""Alembic, the same way for each service: ``migrate`` to upgrade, ``run_migrations`` as the body of ``env.py``.

It is imported where it is used: a service that runs needs none of it, and would start later and be larger by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from ..errors import Conflict, Unavailable
from ..releases import MARK, are_neighbours, installed
from ..telemetry import get_logger
from .database import CONNECTING

if TYPE_CHECKING:
    from alembic.config import Config

log = get_logger(__name__)


def migrate(service: str, url: str, schema: str, script_location: str) -> None:
    """Bring the schema up to the newest revision. Any number may run this at once: one works, the others wait.

    ``script_location`` as Alembic takes it: a folder, or ``package:folder``. Errors: Unavailable; Conflict when the
    schema is of a release that is not next to this one.
    """
    from alembic import command
    from alembic.config import Config

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
            if not _is_newer(connection, config, service, schema):
                command.upgrade(config, "head")
                _mark(connection, service, schema)
            connection.commit()
    except sa.exc.OperationalError as error:
        raise Unavailable(f"the database of {service} is away", detail=str(error.orig)) from error
    finally:
        engine.dispose()  # closing the connection also gives the lock back
    log.info("schema is up to date", service_schema=schema)


def _is_newer(connection: sa.Connection, config: Config, service: str, schema: str) -> bool:
    """Whether the next release has migrated it: its predecessor works with that, and leaves it as it is.

    Errors: Conflict when the schema is of a release that this one does not work with."""
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    table = sa.text("SELECT obj_description(to_regclass(:table), 'pg_class')")
    mark = str(connection.execute(table, {"table": f"{schema}.alembic_version"}).scalar() or "").removeprefix(MARK)
    current = MigrationContext.configure(connection, opts={"version_table_schema": schema}).get_current_revision()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is None or current in known:
        return False
    ours = installed(f"steelyard-{service}")
    if not are_neighbours(mark, ours):
        raise Conflict(f"the schema {schema} is of release {mark or '(unknown)'}, which {service} {ours} cannot use")
    log.warning("schema is of the next release", service_schema=schema, release=mark)
    return True


def _mark(connection: sa.Connection, service: str, schema: str) -> None:
    """Say in the database which release it was migrated to: an older one cannot tell that from the revision."""
    name = connection.dialect.identifier_preparer.quote(schema)
    words = sa.literal(MARK + installed(f"steelyard-{service}")).compile(
        dialect=connection.dialect, compile_kwargs={"literal_binds": True}
    )
    connection.execute(sa.text(f"COMMENT ON TABLE {name}.alembic_version IS {words}"))


def run_migrations(target_metadata: sa.MetaData) -> None:
    """What a service's ``migrations/env.py`` calls: run the revisions on the connection that ``migrate`` made."""
    from alembic import context

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
