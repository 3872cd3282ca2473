"""Databases of tests: what one test leaves behind is not met by the next."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from steelyard_common.testing.clones import Clone, Clones

SCHEMA = """
CREATE SCHEMA s;
CREATE TABLE s.release (word text);
INSERT INTO s.release VALUES ('one');
CREATE TABLE s.rows (id bigserial PRIMARY KEY, word text);
CREATE TABLE s.more (row bigint REFERENCES s.rows);
"""


@pytest.fixture
def clones(postgres_server: str) -> Iterator[Clones]:
    clones = Clones(postgres_server)
    yield clones
    clones.close()


@pytest.fixture
def template(postgres_server: str) -> str:
    name = f"template_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with psycopg.connect(f"{postgres_server.rsplit('/', 1)[0]}/{name}") as connection:
        connection.execute(SCHEMA)
    return name


def _run(clones: Clones, clone: Clone, statement: str) -> None:
    with psycopg.connect(clones.url(clone)) as connection:
        connection.execute(statement)


def _ask(clones: Clones, clone: Clone, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(clones.url(clone)) as connection:
        return connection.execute(query).fetchall()


def test_rows_are_gone_and_numbers_begin_anew_in_a_database_that_is_used_again(clones: Clones, template: str) -> None:
    clone = clones.take(template)
    _run(clones, clone, "INSERT INTO s.rows (word) VALUES ('a'), ('b'); INSERT INTO s.more VALUES (2)")
    clones.give_back(template, clone)

    again = clones.take(template)

    assert again is clone
    assert _ask(clones, again, "SELECT count(*) FROM s.rows UNION ALL SELECT count(*) FROM s.more") == [(0,), (0,)]
    assert _ask(clones, again, "SELECT * FROM s.release") == [("one",)]
    assert _ask(clones, again, "INSERT INTO s.rows (word) VALUES ('c') RETURNING id") == [(1,)]
    clones.give_back(template, again)


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE s.other (id bigint)", "ALTER TABLE s.rows ADD COLUMN more text", "DROP TABLE s.more",
        "ALTER TABLE s.rows ALTER COLUMN word SET NOT NULL", "COMMENT ON TABLE s.rows IS 'x'",
        "CREATE INDEX ON s.rows (word)", "UPDATE s.release SET word = 'two'", "DELETE FROM s.release",
        "INSERT INTO s.rows (word) SELECT repeat('x', 200) FROM generate_series(1, 1000)",
        "INSERT INTO s.rows (word) VALUES ('a'); ANALYZE s.rows",
    ],
)  # fmt: skip
def test_a_database_that_is_not_as_it_was_made_is_not_used_again(clones: Clones, template: str, change: str) -> None:
    clone = clones.take(template)
    _run(clones, clone, change)
    clones.give_back(template, clone)

    other = clones.take(template)

    assert other is not clone
    assert _ask(clones, other, "SELECT * FROM s.release") == [("one",)]
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        _run(clones, clone, "SELECT 1")
    clones.give_back(template, other)


def test_who_is_left_behind_in_a_database_is_put_out_and_does_not_find_it_again(clones: Clones, template: str) -> None:
    clone = clones.take(template)
    url = clones.url(clone)
    left = psycopg.connect(url)
    left.execute("INSERT INTO s.rows (word) VALUES ('mine')")
    clones.give_back(template, clone)

    again = clones.take(template)

    with pytest.raises(psycopg.OperationalError):
        left.execute("SELECT 1")
    left.close()
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)
    assert _ask(clones, again, "SELECT count(*) FROM s.rows") == [(0,)]
    clones.give_back(template, again)
