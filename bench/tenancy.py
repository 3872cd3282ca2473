"""What tenancy costs: ``python -m bench.tenancy [--nodes 10000] [--tenants 100]``.

Gateway and inventory in this process on a real PostgreSQL, joined by the bus's twin: each case is a whole request, by
the scope of the system and by projects. One project owns 1,500 nodes; the others share the rest, and lease some.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import count
from typing import Any

from sqlalchemy import text
from steelyard_api_gateway.service.call import OPERATOR, Caller
from steelyard_api_gateway.service.policy import Policy
from steelyard_api_gateway.testing import Api, make_api
from steelyard_api_gateway.testing_policy import NamedCallers, of_project
from steelyard_inventory.testing import SITE, Desk

from .inventory import Clock, enrol, stage
from .report import Figure, table

BIG, BIG_SIZE = "p-big", 1_500
CALLERS = {
    "system": Caller(user="root"),
    "big": of_project(BIG, "member"),
    "small": of_project("p-7", "member"),
    "nobody": of_project("p-none", "member"),
}
COPIED = "driver, driver_info, properties, extra, resource_class, provision_state, conductor_group"
NODES = f"""
INSERT INTO nodes (uuid, name, owner, lessee, {COPIED})
SELECT gen_random_uuid(), 'copy-' || n,
       CASE WHEN n <= :big THEN '{BIG}' ELSE 'p-' || n % :tenants END,
       CASE WHEN n % 10 = 0 THEN 'p-' || (n / 10) % :tenants END, {COPIED}
FROM nodes, generate_series(1, :nodes) n WHERE name = 'node-1'
"""  # noqa: S608 - constants of this module
PORTS = """
INSERT INTO ports (uuid, node_uuid, address)
SELECT gen_random_uuid(), uuid, '02:' || lpad(to_hex(port), 2, '0') || ':' || regexp_replace(
    lpad(to_hex(id), 8, '0'), '(..)(..)(..)(..)', '\\1:\\2:\\3:\\4')
FROM nodes, generate_series(16, 17) port WHERE name LIKE 'copy-%'
"""
ALLOCATIONS = """
INSERT INTO allocations (uuid, resource_class, state, owner)
SELECT gen_random_uuid(), 'x', 'error', 'p-' || n % :tenants FROM generate_series(1, :nodes) n
"""
# (what, who, path, target in ms of CPU, repetitions)
CASES = [
    ("list of 1,000, all nodes", "system", "/v1/nodes", 15, 40),
    ("list of 1,000, of a project's 1,500", "big", "/v1/nodes", 15, 40),
    ("detail of 1,000, all nodes", "system", "/v1/nodes/detail", 60, 20),
    ("detail of 1,000, of a project's 1,500", "big", "/v1/nodes/detail", 60, 20),
    ("list of a project's 100 nodes", "small", "/v1/nodes", 15, 100),
    ("the same by name down", "small", "/v1/nodes?sort_key=name&sort_dir=desc", 15, 100),
    ("the same, filtered", "small", "/v1/nodes?maintenance=false&provision_state=enroll", 15, 100),
    ("list of no nodes", "nobody", "/v1/nodes", 15, 100),
    ("1,000 ports, all", "system", "/v1/ports", 15, 40),
    ("1,000 ports, of a project's 3,000", "big", "/v1/ports", 15, 40),
    ("a project's 200 ports", "small", "/v1/ports", 15, 100),
    ("no ports", "nobody", "/v1/ports", 15, 100),
    ("a project's 100 allocations", "small", "/v1/allocations", 15, 100),
]  # fmt: skip


def fill(desk: Desk, nodes: int, tenants: int) -> dict[str, list[str]]:
    """→ project → UUIDs of nodes that it owns."""
    enrol(desk, [])
    with desk.database.begin() as transaction:
        run = transaction.connection.execute
        run(text(NODES), {"nodes": nodes, "tenants": tenants, "big": BIG_SIZE})
        run(text(PORTS))
        run(text(ALLOCATIONS), {"nodes": nodes, "tenants": tenants})
        transaction.connection.exec_driver_sql("ANALYZE")
        owned: dict[str, list[str]] = {}
        for uuid, owner in run(text("SELECT uuid::text, owner FROM nodes WHERE owner IS NOT NULL")):
            owned.setdefault(owner, []).append(uuid)
    return owned


def measure(clock: Clock, name: str, target: float | None, repetitions: int, call: Callable[[], Any]) -> list[Figure]:
    for _ in range(12):  # statements are prepared on the server when they come again
        call()
    before = clock.read()
    for _ in range(repetitions):
        call()
    after = clock.read()
    here, server = ((late - early) / repetitions * 1000 for early, late in zip(before, after, strict=True))
    return [
        Figure(f"{name}: CPU", "ms", here + server, target, None),
        Figure("  of that PostgreSQL", "ms", server, None, None),
    ]


def judging() -> list[Figure]:
    """One decision of the policy alone."""
    policy, member, rounds = Policy(), CALLERS["small"], 20_000
    whose = {"node.owner": "p-8", "node.lessee": "p-7"}
    cases: dict[str, Callable[[], object]] = {
        "a decision for the system's scope": lambda: policy.decide(OPERATOR, "baremetal:node:get"),
        "a decision about a node": lambda: policy.allows(member, "baremetal:node:get", whose),
    }
    figures = []
    for name, call in cases.items():
        began = time.process_time()
        for _ in range(rounds):
            call()
        figures.append(Figure(f"{name}: CPU", "µs", (time.process_time() - began) / rounds * 1e6, 100, None))
    return figures


def figures(nodes: int, tenants: int) -> list[Figure]:
    found = judging()
    with stage() as (desk, clock):
        owned = fill(desk, nodes, tenants)
        api = make_api(desk.bus, sign_in=NamedCallers(CALLERS), site=SITE)
        for name, who, path, target, repetitions in CASES:
            found += measure(clock, name, target, repetitions, lambda who=who, path=path: _get(api, who, path))  # type: ignore[misc]
        for who, project in (("system", BIG), ("big", BIG)):
            uuids, turn = owned[project], count()
            one = lambda who=who, uuids=uuids, turn=turn: _get(api, who, f"/v1/nodes/{uuids[next(turn) % len(uuids)]}")  # noqa: E731
            found += measure(clock, f"one node, by {who}", None, 500, one)
    return found


def _get(api: Api, who: str, path: str) -> None:
    answer = api("GET", path, headers={"X-Auth-Token": who})
    assert answer.status_code == 200, answer.data


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.tenancy", description=__doc__)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--tenants", type=int, default=100)
    options = parser.parse_args()
    print(table(figures(options.nodes, options.tenants)))


if __name__ == "__main__":
    main()
