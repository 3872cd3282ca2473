"""Schema, locking and the statements of the records, on a real PostgreSQL."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from steelyard_common.db import Database, migrate
from steelyard_common.errors import Conflict, InvalidRequest
from steelyard_inventory.main import MIGRATIONS, NAME
from steelyard_inventory.store import node_pages, nodes, pages, render
from steelyard_inventory.store.pages import Page
from steelyard_inventory.store.tables import metadata
from steelyard_inventory.testing import Desk

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_migrations_make_the_tables_as_they_are_and_may_run_again(database_url: str) -> None:
    for _ in range(2):
        migrate(NAME, database_url, "afresh", MIGRATIONS)

    engine = sa.create_engine(
        sa.make_url(database_url).set(drivername="postgresql+psycopg"),
        connect_args={"options": "-c search_path=afresh"},
    )
    with engine.connect() as connection:
        # The months of the timeline are no tables of their own.
        whole = {"compare_server_default": True, "include_name": lambda name, *_: name != "timeline_rest"}
        context = MigrationContext.configure(connection, opts=whole)
        difference = compare_metadata(context, metadata)
        indexes = connection.execute(sa.text("SELECT indexdef FROM pg_indexes WHERE schemaname = 'afresh'")).scalars()
        made = {definition.split(" ON ")[0].split()[-1] for definition in indexes}
    engine.dispose()
    assert difference == []
    assert {index.name for table in metadata.tables.values() for index in table.indexes} <= made


def test_a_row_that_is_taken_makes_the_next_taker_wait_and_see_the_change(database: Database, desk: Desk) -> None:
    node = desk.create(name="n1")
    seen: list[Any] = []

    def second() -> None:
        with database.begin() as transaction:
            seen.append(nodes.take(transaction.connection, node["uuid"])["description"])

    with database.begin() as transaction:
        taken = nodes.take(transaction.connection, "n1")
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        waited = thread.is_alive()
        nodes.update(transaction.connection, taken, {"description": "first"}, NOW)
    thread.join(60)

    assert waited
    assert seen == ["first"]


def test_of_two_who_give_the_same_name_at_once_one_is_told(database: Database, desk: Desk) -> None:
    for name in ("n1", "n2"):
        desk.create(name=name)
    outcomes: list[str] = []

    def rename(ident: str) -> None:
        try:
            desk.patch(ident, ("replace", "/name", "same"))
            outcomes.append("done")
        except Conflict as error:
            outcomes.append(error.message)

    threads = [threading.Thread(target=rename, args=(name,)) for name in ("n1", "n2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(outcomes) == ["A node with name same already exists.", "done"]


def test_statements_that_touch_a_row_are_committed_even_when_only_they_ran(database: Database, desk: Desk) -> None:
    node = desk.create(name="n1")
    with database.begin() as transaction:
        nodes.update(transaction.connection, {"id": 1, **node}, {"owner": "ada"}, NOW)
    assert desk.ask("node", ident="n1")["owner"] == "ada"


def test_a_text_that_cannot_be_stored_is_the_callers_fault(desk: Desk) -> None:
    desk.create(name="n1")
    for operation in (("add", "/description", "a\x00b"), ("add", "/extra/a", "a\x00b")):
        with pytest.raises(InvalidRequest):
            desk.patch("n1", operation)
    assert desk.ask("node", ident="n1")["extra"] == {}


def test_a_list_reads_only_what_is_shown_and_never_decodes_json(database: Database, desk: Desk) -> None:
    desk.create(name="n1", extra={"b": [1, 2.5, None, "ü"], "a": {}})
    plan = node_pages.plan(115, ("extra",))

    with database.read() as connection:
        [row] = pages.rows(node_pages.LISTING, connection, plan, Page(), {})

    assert len(row) == 2
    assert isinstance(row[0], str)
    assert orjson.loads(row[0]) == {"b": [1, 2.5, None, "ü"], "a": {}}


def test_a_default_list_is_read_in_the_order_of_its_index(database: Database, desk: Desk) -> None:
    with database.begin() as transaction:
        transaction.connection.exec_driver_sql(
            "INSERT INTO nodes (uuid, driver, provision_state) "
            "SELECT gen_random_uuid(), 'redfish', 'enroll' FROM generate_series(1, 3000)"
        )
        transaction.connection.exec_driver_sql("ANALYZE nodes")
    statement = pages._statement(
        node_pages.LISTING,
        node_pages.plan(115, ("uuid", "name")),
        (),
        (node_pages.without_children,),
        "id",
        False,
        False,
    )

    with database.read() as connection:
        driver: Any = connection.connection.driver_connection
        lines = driver.execute(f"EXPLAIN {statement.text}", {"limit": 100, "marker_id": 7}).fetchall()

    explained = "\n".join(line for (line,) in lines)
    assert "Index Scan using nodes_pkey" in explained
    assert "Sort" not in explained


def test_links_and_next_urls_escape_what_must_be(desk: Desk) -> None:
    links = orjson.loads(orjson.dumps(render.link_writer("nodes", 'http://h/"x')("u")))
    assert links[0]["href"] == 'http://h/"x/v1/nodes/u'

    page = {"sort_key": "id", "sort_dir": "asc", "fields": None, "limit": 1, "marker": "m"}
    url = render.next_url("http://h", "nodes", {"owner": "a&b c", "shard": ["x", "y"], "fault": None, "limit": 5}, page)
    assert url == "http://h/v1/nodes?sort_key=id&sort_dir=asc&owner=a%26b+c&shard=x,y&limit=1&marker=m"
