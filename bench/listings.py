"""Every filter and every sort of the lists, at size: ``python -m bench.listings [--nodes 10000] [--tenants 100]``.

Gateway and inventory in this process on a real PostgreSQL, joined by the bus's twin. Each list is asked by the system's
scope and by one project. Beside the time stands how PostgreSQL finds the rows; a list that counts or joins fails.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import text
from steelyard_api_gateway.testing import Api, make_api
from steelyard_api_gateway.testing_policy import NamedCallers
from steelyard_common.contracts.api import NODE_FIELDS
from steelyard_inventory.store.sql import Prepared
from steelyard_inventory.store.tables import nodes as node_table
from steelyard_inventory.testing import SITE, Desk

from .inventory import Clock, stage
from .report import Figure, table
from .tenancy import CALLERS, fill

REPETITIONS, WARM = 20, 6
TARGET_MS = 15.0  # of CPU, for a page of 100
VARIETY = """
UPDATE nodes SET
    provision_state = (ARRAY['available','active','manageable','deploy failed','enroll'])[1 + id % 5],
    driver = (ARRAY['redfish','ipmi','fake-hardware'])[1 + id % 3],
    resource_class = 'class-' || id % 20, conductor_group = 'group-' || id % 4, shard = 'shard-' || id % 50,
    instance_uuid = CASE WHEN id % 5 = 1 THEN gen_random_uuid() END,
    fault = CASE WHEN id % 500 = 0 THEN 'power failure' END, maintenance = id % 100 = 0, retired = id % 200 = 0,
    description = 'machine ' || id || CASE WHEN id % 1000 = 0 THEN ' is rare' ELSE '' END,
    instance_name = 'instance-' || id,
    tags = ARRAY['a', 'rack-' || id % 250] || CASE WHEN id % 2 = 0 THEN ARRAY['even'] ELSE '{}' END,
    properties = jsonb_build_object('rack', id % 250)
"""
FILTERS = [
    "provision_state=available", "driver=ipmi", "resource_class=class-7", "conductor_group=group-1",
    "fault=power%20failure", "owner=p-7", "lessee=p-7", "project=p-7", "instance_uuid={instance}",
    "instance_name=instance-4711", "parent_node={node}", "chassis_uuid={node}", "associated=true", "associated=false",
    "maintenance=true", "maintenance=false", "retired=true", "description_contains=rare",
    "description_contains=nowhere", "shard=shard-1,shard-2", "sharded=true", "sharded=false", "tags=rack-7",
    "tags=rack-7,even", "tags-any=rack-7,rack-8", "tags=a", "not-tags=even", "not-tags-any=a,even",
    "tags=even&not-tags=rack-8&provision_state=active&driver=redfish&maintenance=false",
]  # fmt: skip
OTHERS = [
    "ports?node={node}", "ports?address=02:10:00:00:00:07", "ports?shard=shard-1", "ports?conductor_groups=group-1",
    "ports?description_contains=rare", "portgroups?node={node}", "volume/targets?node={node}",
    "allocations?state=error", "allocations?owner=p-7", "allocations?resource_class=x", "allocations?node={node}",
]  # fmt: skip


class Statements:
    """What was asked of the database, to be explained afterwards."""

    def __init__(self) -> None:
        self.lists: list[tuple[Prepared, Any]] = []

    @contextmanager
    def kept(self) -> Iterator[None]:
        plain = Prepared.rows

        def rows(statement: Prepared, connection: Any, values: Any = None) -> Any:
            self.lists.append((statement, values))
            return plain(statement, connection, values)

        Prepared.rows = rows  # type: ignore[assignment,method-assign]
        try:
            yield
        finally:
            Prepared.rows = plain  # type: ignore[method-assign]


def explained(desk: Desk, api: Api, who: str, path: str) -> str:
    """How the rows of this list are found. Errors: AssertionError when it counts or joins."""
    seen = Statements()
    with seen.kept():
        status = _status(api, who, path)
    if status != 200 or not seen.lists:
        return f"answered {status}"
    statement, values = seen.lists[-1]
    told = statement.text.upper()
    assert "COUNT(" not in told, statement.text
    assert " JOIN " not in told, statement.text
    with desk.database.read() as connection:
        driver: Any = connection.connection.driver_connection
        found = driver.execute(f"EXPLAIN (FORMAT JSON) {statement.text}", {**statement._constants, **(values or {})})
        return ", ".join(_ways(found.fetchone()[0][0]["Plan"]))


def _ways(plan: dict[str, Any]) -> list[str]:
    here = [f"{plan['Node Type']} {plan.get('Index Name', '')}".strip()] if "Scan" in plan["Node Type"] else []
    here += ["Sort"] if "Sort" in plan["Node Type"] else []
    return here + [way for each in plan.get("Plans", []) for way in _ways(each)]


def cost(api: Api, clock: Clock, who: str, path: str) -> tuple[float, float]:
    """→ (CPU of the whole, PostgreSQL's included, in ms; p95 of the time, in ms)"""
    for _ in range(WARM):
        _status(api, who, path)
    took, before = [], sum(clock.read())
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        _status(api, who, path)
        took.append(time.perf_counter() - start)
    used = sum(clock.read()) - before
    return 1000 * used / REPETITIONS, 1000 * sorted(took)[int(0.95 * REPETITIONS) - 1]


def _status(api: Api, who: str, path: str) -> int:
    return int(api("GET", path, headers={"X-Auth-Token": who}).status_code)


def paths(node: str, instance: str) -> list[str]:
    lists = [f"/v1/nodes?limit=100&{each}" for each in FILTERS] + [
        f"/v1/{each}{'&' if '?' in each else '?'}limit=100" for each in OTHERS
    ]
    return [each.format(node=node, instance=instance) for each in lists]


def sorts(desk: Desk, who: str) -> list[str]:
    """Pages behind a node of the caller's, by every key, up and down."""
    one = "SELECT uuid::text FROM nodes WHERE owner = :owner ORDER BY name OFFSET 40 LIMIT 1"
    with desk.database.read() as connection:
        middle = connection.execute(text(one), {"owner": CALLERS[who].project or "p-7"}).scalar()
    keys = [name for name, field in NODE_FIELDS.items() if field.sortable and name in node_table.c]
    return [
        f"/v1/nodes?limit=100&sort_key={key}&sort_dir={way}&marker={middle}" for key in keys for way in ("asc", "desc")
    ]


def figures(nodes: int, tenants: int) -> list[Figure]:
    found: list[Figure] = []
    with stage() as (desk, clock):
        fill(desk, nodes, tenants)
        with desk.database.begin() as transaction:
            transaction.connection.execute(text(VARIETY))
        with desk.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
        with desk.database.read() as connection:
            node, instance = connection.execute(
                text("SELECT uuid::text, instance_uuid::text FROM nodes WHERE instance_uuid IS NOT NULL OFFSET 777")
            ).first() or ("", "")
        api = make_api(desk.bus, sign_in=NamedCallers(CALLERS), site=SITE)
        for who in ("system", "small"):
            found += [_figure(desk, api, clock, who, path) for path in paths(node, instance)]
            ordered = sorted(
                (_figure(desk, api, clock, who, path) for path in sorts(desk, who)), key=lambda each: -each.value
            )
            found += ordered[:8]
            middle = ordered[len(ordered) // 2].value
            found.append(Figure(f"{who}: the median of {len(ordered)} orders: CPU", "ms", middle, TARGET_MS, None))
    return found


def _figure(desk: Desk, api: Api, clock: Clock, who: str, path: str) -> Figure:
    way = explained(desk, api, who, path)
    cpu_ms, p95_ms = cost(api, clock, who, path)
    return Figure(
        f"{who}: {path.removeprefix('/v1/')} [{way}; p95 {p95_ms:.0f} ms]: CPU", "ms", cpu_ms, TARGET_MS, None
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.listings", description=__doc__)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--tenants", type=int, default=100)
    options = parser.parse_args()
    print(table(figures(options.nodes, options.tenants)))


if __name__ == "__main__":
    main()
