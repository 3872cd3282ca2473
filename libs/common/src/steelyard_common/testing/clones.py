"""Databases for tests: clones of a migrated template, used again as long as they are like new.

To clone costs the machine up to a hundred times what it costs to empty the few tables that a test has written to.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from ..errors import Conflict

# Who has changed what a database is made of has changed one of these. A table that the planner would take for larger
# than an empty one, or knows statistics of, might be read in another way than in a new database.
_MADE_OF = """
SELECT (SELECT (count(*), max(xmin::text::bigint)) FROM pg_class),
       (SELECT (count(*), max(xmin::text::bigint)) FROM pg_attribute),
       (SELECT (count(*), max(xmin::text::bigint)) FROM pg_constraint),
       (SELECT (count(*), max(xmin::text::bigint)) FROM pg_proc),
       (SELECT (count(*), max(xmin::text::bigint)) FROM pg_trigger),
       (SELECT (count(*), max(xmin::text::bigint)) FROM pg_description),
       (SELECT (count(*), max(xmin::text::bigint)) FROM pg_namespace),
       (SELECT count(*) FROM pg_statistic),
       (SELECT count(*) FROM pg_class WHERE relkind = 'r' AND oid >= 16384
        AND (reltuples > 0 OR pg_relation_size(oid) > 65536))
"""
_TABLES = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.oid >= 16384
"""
_BEGIN_ANEW = "SELECT setval(seqrelid::regclass, seqstart, false) FROM pg_sequence"
_END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"


@dataclass
class Clone:
    """``seeded``: the tables that are not empty in a new one, and what stands in them."""

    name: str
    made_of: Any
    seeded: dict[str, Any]


class Clones:
    """On one server, of one test process."""

    def __init__(self, server_url: str) -> None:
        self._server_url = server_url
        self._admin = psycopg.connect(server_url, autocommit=True)
        self._free: dict[str, Clone] = {}

    def close(self) -> None:
        self._admin.close()

    def url(self, clone: Clone) -> str:
        return f"{self._server_url.rsplit('/', 1)[0]}/{clone.name}"

    def take(self, template: str) -> Clone:
        """One that is like new."""
        return self._free.pop(template, None) or self._make(template)

    def give_back(self, template: str, clone: Clone) -> None:
        """To the next test, under another name: who was left behind by this one does not find it."""
        try:
            self._admin.execute(_END_SESSIONS, [clone.name])
            name = _new_name()
            self._ask("ALTER DATABASE {} RENAME TO {}", clone.name, name)
            clone.name = name
            self._clear(clone)
        except (psycopg.Error, Conflict):
            self._ask("DROP DATABASE {} WITH (FORCE)", clone.name)
        else:
            self._free[template] = clone

    def _make(self, template: str) -> Clone:
        clone = Clone(_new_name(), None, {})
        self._ask("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", clone.name, template)
        with psycopg.connect(self.url(clone)) as connection:
            clone.made_of = connection.execute(_MADE_OF).fetchone()
            tables = [name for (name,) in connection.execute(_TABLES)]
            contents = {name: _content(connection, name) for name in tables}
            clone.seeded = {name: content for name, content in contents.items() if content is not None}
        return clone

    def _clear(self, clone: Clone) -> None:
        """Errors: Conflict when it is not what it was made of; psycopg.Error when somebody holds it."""
        with psycopg.connect(self.url(clone), options="-c lock_timeout=5s") as connection:
            if connection.execute(_MADE_OF).fetchone() != clone.made_of:
                raise Conflict("a test has changed more than rows")
            if any(_content(connection, name) != content for name, content in clone.seeded.items()):
                raise Conflict("a test has changed what the migrations wrote")
            connection.execute("SET session_replication_role = replica")  # rows may go in any order
            for (name,) in connection.execute(_TABLES).fetchall():
                if name not in clone.seeded:
                    connection.execute(f"DELETE FROM {name}")  # noqa: S608  quoted by format()
            connection.execute(_BEGIN_ANEW)

    def _ask(self, statement: str, *names: str) -> None:
        self._admin.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _new_name() -> str:
    return f"test_{uuid.uuid4().hex}"


def _content(connection: psycopg.Connection, table: str) -> Any:
    """None: there are no rows."""
    query = f"SELECT string_agg(t::text, '|' ORDER BY t::text) FROM {table} t"  # noqa: S608  quoted by format()
    row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]
