"""How PostgreSQL finds the rows of a list: by indexes, without counting and without joining."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import text
from steelyard_common.db import Database
from steelyard_inventory.store import allocations, node_pages, pages, ports
from steelyard_inventory.store.pages import Listing
from steelyard_inventory.testing import Desk

NODES = """
INSERT INTO nodes (uuid, name, driver, provision_state, resource_class, conductor_group, shard, owner, lessee, fault,
                   maintenance, retired, instance_name, tags, created_at)
SELECT gen_random_uuid(), 'n' || n, 'driver-' || n % 100, 'available', 'class-' || n % 100, 'group-' || n % 100,
       'shard-' || n % 100, 'p-' || n % 100, 'q-' || n % 100, CASE WHEN n % 300 = 0 THEN 'power failure' END,
       n % 300 = 0, n % 300 = 0, 'i' || n, ARRAY['all', 'tag-' || n % 100], now() + n * interval '1 s'
FROM generate_series(1, 5000) n
"""
ANY_UUID = "00000000-0000-4000-8000-000000000000"
BY_INDEX: list[tuple[dict[str, Any], str]] = [
    ({"driver": "driver-1"}, "nodes_driver"),
    ({"resource_class": "class-1"}, "nodes_resource_class"),
    ({"conductor_group": "group-1"}, "nodes_conductor_group"),
    ({"shard": ["shard-1", "shard-2"]}, "nodes_shard"),
    ({"owner": "p-1"}, "nodes_owner"),
    ({"lessee": "q-1"}, "nodes_lessee"),
    ({"fault": "power failure"}, "nodes_fault"),
    ({"maintenance": True}, "nodes_maintenance"),
    ({"retired": True}, "nodes_retired"),
    ({"instance_uuid": ANY_UUID}, "nodes_instance_uuid_key"),
    ({"instance_name": "i7"}, "nodes_instance_name"),
    ({"parent_node": ANY_UUID}, "nodes_parent"),
    ({"chassis_uuid": ANY_UUID}, "ix_nodes_chassis_uuid"),
    ({"tags": ["tag-1"]}, "nodes_tags"),
    ({"tags-any": ["tag-1", "tag-2"]}, "nodes_tags"),
    ({"visible": "p-1"}, "nodes_owner"),
    ({"project": "q-1"}, "nodes_lessee"),
]


@pytest.fixture
def fleet(database: Database, desk: Desk) -> Database:
    assert desk
    with database.begin() as transaction:
        transaction.connection.execute(text(NODES))
        transaction.connection.exec_driver_sql("SELECT gin_clean_pending_list('nodes_tags')")
        transaction.connection.exec_driver_sql("ANALYZE nodes")
    return database


def _explained(
    database: Database, filters: Mapping[str, Any], *, sort_key: str = "id", is_down: bool = False, **marker: Any
) -> str:
    plan = node_pages.plan(115, ("uuid", "name"))
    names, null_marker = tuple(sorted(filters)), False if marker else None
    statement = pages._statement(node_pages.LISTING, plan, names, (), sort_key, is_down, null_marker)
    with database.read() as connection:
        driver: Any = connection.connection.driver_connection
        values = {**statement._constants, **filters, "limit": 100, "me": "", **marker}
        return "\n".join(line for (line,) in driver.execute(f"EXPLAIN {statement.text}", values, prepare=False))


def test_a_filter_that_few_rows_pass_uses_an_index(fleet: Database) -> None:
    explained = [(index, _explained(fleet, filters)) for filters, index in BY_INDEX]

    assert [told for index, told in explained if index not in told or "Seq Scan" in told] == []


def test_the_next_page_in_the_order_of_creation_begins_in_the_index(fleet: Database) -> None:
    with fleet.read() as connection:
        identity, created_at = connection.execute(text("SELECT id, created_at FROM nodes WHERE name = 'n2500'")).one()
    marker = {"marker_id": identity, "marker_value": created_at}

    for is_down in (False, True):
        explained = _explained(fleet, {}, sort_key="created_at", is_down=is_down, **marker)
        assert "using nodes_created" in explained
        assert "Index Cond" in explained, "not from the beginning"
        assert "Sort" not in explained


@pytest.mark.parametrize("listing", [node_pages.LISTING, ports.LISTING, allocations.LISTING], ids=lambda it: it.word)
def test_no_list_counts_or_joins(listing: Listing) -> None:
    plans = {"Node": node_pages.plan, "Port": ports.plan, "Allocation": allocations.plan}
    for name, sort_key in itertools.product(listing.filters, ("id", "uuid", "created_at")):
        for null_marker in (None, False, True):
            plan = plans[listing.word](115, None)
            told = pages._statement(listing, plan, (name,), (), sort_key, False, null_marker).text.lower()
            assert "count(" not in told
            assert " join " not in told
