"""How fast allocations get their nodes: ``python -m bench.allocations [--nodes 10000] [--count 500] [--threads 4]``.

First by inventory alone, in this process on a real PostgreSQL, asked over the bus's twin; then through the whole suite,
by ``--clients`` (64) at once over HTTP, from the first request until the last allocation has its node. Half of the
nodes have a trait that half of the allocations ask for; every answer is checked: no node is taken twice.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from steelyard_common.db import Database
from steelyard_common.embedded import EmbeddedPostgres
from steelyard_common.testing import eventually
from steelyard_inventory.service.matching import Matcher
from steelyard_inventory.store.tables import allocations, nodes
from steelyard_inventory.testing import SITE, Desk
from steelyard_local.testing import running_suite

from .accounting import Tree
from .client import Api, Load, run
from .inventory import stage
from .report import Figure, table

TRAIT, CLASS = "CUSTOM_BENCH", "baremetal"


def enrol(desk: Desk, count: int) -> None:
    """Free nodes, written at once: how they came is another benchmark's."""
    with desk.database.begin() as transaction:
        transaction.connection.execute(nodes.insert(), _rows(count))
    with desk.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("ANALYZE nodes"))


def _rows(count: int) -> list[dict[str, Any]]:
    return [
        {
            "uuid": str(uuid.uuid4()), "name": f"node-{number}", "driver": "fake-hardware", "resource_class": CLASS,
            "provision_state": "available", "power_state": "power off", "traits": [TRAIT] if number % 2 else [],
        }
        for number in range(count)
    ]  # fmt: skip


def ask(desk: Desk, count: int) -> float:
    """→ seconds for that many requests"""
    begun = time.perf_counter()
    for number in range(count):
        record = {"resource_class": CLASS, "traits": [TRAIT] if number % 2 else []}
        desk.raw(f"{SITE}.inventory.cmd.create-allocation", record=record)
    return time.perf_counter() - begun


def match(desk: Desk, threads: int) -> float:
    """All that wait, by as many matchers. → seconds"""

    def look() -> None:
        matcher = Matcher(desk.database, SITE, lambda: datetime.now(UTC))
        while matcher.match_one():
            pass

    matchers = [threading.Thread(target=look) for _ in range(threads)]
    begun = time.perf_counter()
    for each in matchers:
        each.start()
    for each in matchers:
        each.join()
    return time.perf_counter() - begun


def check(desk: Desk, count: int) -> None:
    """Every allocation has a node, and every node one allocation at most. Errors: AssertionError."""
    with desk.database.read() as connection:
        taken = list(connection.execute(sa.select(allocations.c.node_uuid)).scalars())
    if None in taken or len(set(taken)) != len(taken) or len(taken) != count:
        raise AssertionError(f"{count} allocations have {len(set(taken))} nodes")


def figures(node_count: int = 10_000, count: int = 500, threads: int = 4) -> list[Figure]:
    with stage() as (desk, _clock):
        enrol(desk, node_count)
        ask(desk, 20)
        match(desk, 1)  # warm: statements are compiled and prepared
        asked_s = ask(desk, count)
        alone_s = match(desk, 1)
        ask(desk, count)
        together_s = match(desk, threads)
        check(desk, 2 * count + 20)
    what = f"allocations matched on {node_count:,} nodes"
    return [
        Figure("allocations asked for", "1/s", count / asked_s, None, None, more=True),
        Figure(f"{what}, one matcher", "1/s", count / alone_s, 50, None, more=True),
        Figure(f"{what}, {threads} matchers", "1/s", count / together_s, 50, None, more=True),
    ]


def through_the_suite(node_count: int = 10_000, count: int = 1_000, clients: int = 64) -> list[Figure]:
    """The pool is written at once; all else goes over HTTP."""
    with tempfile.TemporaryDirectory() as folder:
        postgres = EmbeddedPostgres(Path(folder) / "pg")
        url = postgres.start()
        try:
            with running_suite(environment={"STEELYARD_DATABASE_URL": url}) as suite:
                database = Database(url, "inventory", pool_size=2)
                with database.begin() as transaction:
                    transaction.connection.execute(nodes.insert(), _rows(node_count))
                api, tree = Api(suite.url), Tree(root=suite.pid)
                _allocate(api, 100, clients)
                before, begun = tree.cpu_s(), time.perf_counter()
                asked = _allocate(api, count, clients)
                seconds, used = time.perf_counter() - begun, tree.cpu_s() - before
                with database.read() as connection:
                    taken = list(connection.execute(sa.select(allocations.c.node_uuid)).scalars())
                database.close()
        finally:
            postgres.stop()
    if None in taken or len(set(taken)) != count + 100:
        raise AssertionError(f"{count + 100} allocations have {len(set(taken))} nodes")
    what = f"allocations on {node_count:,} nodes through the suite, {clients} clients"
    return [
        Figure(what, "1/s", count / seconds, 50, None, more=True),
        Figure("  asked for, p95", "ms", asked.percentile_ms(0.95), None, None),
        Figure("  CPU each, without PostgreSQL", "ms", 1000 * used / count, None, None),
    ]


def _allocate(api: Api, count: int, clients: int) -> Load:
    """Until the last of them has its node."""

    def ask(number: int) -> None:
        api.json("POST", "/v1/allocations", {"resource_class": CLASS, "traits": [TRAIT] if number % 2 else []})

    asked = run(ask, count, clients)
    waiting = "/v1/allocations?state=allocating&limit=1"
    eventually(lambda: not api.json("GET", waiting)["allocations"], timeout_s=300, every_s=0.02)
    return asked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("nodes", 10_000), ("count", 500), ("threads", 4), ("clients", 64)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    found = figures(asked.nodes, asked.count, asked.threads)
    print(table(found + through_the_suite(asked.nodes, 2 * asked.count, asked.clients)))


if __name__ == "__main__":
    main()
