"""How fast allocations get their nodes: ``python -m bench.allocations [--nodes 10000] [--count 500] [--threads 4]``.

All of inventory in this process on a real PostgreSQL, asked over the bus's twin; gateway and NATS are left out. Half of
the nodes have a trait that half of the allocations ask for; every answer is checked: no node is taken twice.
"""

from __future__ import annotations

import argparse
import threading
import time
import uuid
from datetime import UTC, datetime

import sqlalchemy as sa
from steelyard_inventory.service.matching import Matcher
from steelyard_inventory.store.tables import allocations, nodes
from steelyard_inventory.testing import SITE, Desk

from .inventory import stage
from .report import Figure, table

TRAIT, CLASS = "CUSTOM_BENCH", "baremetal"


def enrol(desk: Desk, count: int) -> None:
    """Free nodes, written at once: how they came is another benchmark's."""
    rows = [
        {
            "uuid": str(uuid.uuid4()), "name": f"node-{number}", "driver": "redfish", "resource_class": CLASS,
            "provision_state": "available", "power_state": "power off", "traits": [TRAIT] if number % 2 else [],
        }
        for number in range(count)
    ]  # fmt: skip
    with desk.database.begin() as transaction:
        transaction.connection.execute(nodes.insert(), rows)
    with desk.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("ANALYZE nodes"))


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("nodes", 10_000), ("count", 500), ("threads", 4)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    print(table(figures(asked.nodes, asked.count, asked.threads)))


if __name__ == "__main__":
    main()
