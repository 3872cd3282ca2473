"""What the API costs: documents, enrolment, reads, lists, power changes on fake hardware."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from .client import Api, Load, run
from .report import Figure
from .suite import Suite

CLIENTS = 16
READERS = 8


def measure(suite: Suite, work: Callable[[int], object], count: int, clients: int = 1) -> tuple[Load, float]:
    """The load, and CPU ms per call over all processes of the control plane."""
    before = suite.tree.cpu_s()
    load = run(work, count, clients)
    return load, 1000 * (suite.tree.cpu_s() - before) / count


def enrol(api: Api, i: int) -> None:
    """A node as an operator's script makes it: one node, two ports."""
    mac = f"52:54:{i >> 16 & 255:02x}:{i >> 8 & 255:02x}:{i & 255:02x}"
    node = {
        "name": f"bench-{i:05d}",
        "driver": "fake-hardware",
        "resource_class": f"class-{i % 7}",
        "properties": {
            "cpu_arch": "x86_64",
            "cpus": 64,
            "memory_mb": 262144,
            "local_gb": 1800,
            "capabilities": "boot_mode:uefi",
        },
        "extra": {"rack": f"r{i % 40}", "unit": i % 42, "purchase": "2026-04"},
        "owner": f"project-{i % 100}",
    }
    uuid = api.json("POST", "/v1/nodes", node)["uuid"]
    for nic in (0, 1):
        api.json("POST", "/v1/ports", {"node_uuid": uuid, "address": f"{mac}:{nic:02x}"})


def documents(suite: Suite) -> list[Figure]:
    _, cpu = measure(suite, lambda _: suite.api.json("GET", "/v1"), 2000)
    return [Figure("GET /v1", "CPU ms", cpu, 0.6, 2)]


def enrolment(suite: Suite, count: int) -> list[Figure]:
    part = max(count // 10, 1)
    figures = []
    rates: list[float] = []
    cpu = 0.0
    for begin in range(0, count, part):
        load, cpu = measure(suite, lambda i, begin=begin: enrol(suite.api, begin + i), part, CLIENTS)  # type: ignore[misc]
        rates.append(60 * load.rate)
        if begin == 0:
            figures.append(Figure("enrol node + 2 ports, first tenth", "CPU ms", cpu, 15, 120))
    figures.append(Figure(f"enrol node + 2 ports, last tenth of {count}", "CPU ms", cpu, 15, 120))
    figures.append(Figure("enrolments a minute, 16 clients, slowest tenth", "1/min", min(rates), 4000, 1000, more=True))
    return figures


def reads(suite: Suite, count: int) -> list[Figure]:
    names = [f"/v1/nodes/bench-{i * 7919 % count:05d}" for i in range(1000)]
    alone, cpu_alone = measure(suite, lambda i: suite.api.json("GET", names[i]), len(names))
    shared, cpu = measure(suite, lambda i: suite.api.json("GET", names[i % len(names)]), 4 * len(names), READERS)
    figures = [
        # Most of what one lonely request costs is waking threads; requests that meet wake them together.
        Figure(f"show one node, {READERS} clients", "CPU ms", cpu, 1.5, 9),
        Figure(f"show one node, {READERS} clients, p95", "ms", shared.percentile_ms(0.95), 15, None),
        Figure("show one node, one client", "CPU ms", cpu_alone, 1.5, 9),
        Figure("show one node, one client, p95", "ms", alone.percentile_ms(0.95), 15, None),
    ]
    for label, path, limit, ironic, p95 in (
        ("list 1,000, default fields", "/v1/nodes?limit=1000", 15.0, 270.0, 60.0),
        ("list 1,000, three fields", "/v1/nodes?limit=1000&fields=uuid,name,power_state", None, None, None),
        (
            "list 1,000, filtered and sorted",
            "/v1/nodes?limit=1000&driver=fake-hardware&sort_key=name",
            None,
            None,
            None,
        ),
        ("detail of 1,000", "/v1/nodes/detail?limit=1000", 60.0, 590.0, None),
    ):
        load, cpu = measure(suite, lambda _, path=path: suite.api.call("GET", path), 40)  # type: ignore[misc]
        figures.append(Figure(label, "CPU ms", cpu, limit, ironic))
        if p95:
            figures.append(Figure(f"{label}, p95", "ms", load.percentile_ms(0.95), p95, None))
    return figures


def power(suite: Suite, count: int) -> list[Figure]:
    """``count`` changes, each on a node of its own, from acceptance to the last one seen done."""
    for i in range(count):
        state = suite.api.json("GET", f"/v1/nodes/bench-{i:05d}")["provision_state"]
        if state == "enroll":
            suite.api.json("PUT", f"/v1/nodes/bench-{i:05d}/states/provision", {"target": "manage"})
    _settled(suite.api, count, lambda node: node["provision_state"] == "manageable")
    before, start = suite.tree.cpu_s(), time.perf_counter()
    body = {"target": "power on"}
    accepted = run(lambda i: suite.api.json("PUT", f"/v1/nodes/bench-{i:05d}/states/power", body), count, CLIENTS)
    _settled(suite.api, count, lambda node: node["power_state"] == "power on" and node["target_power_state"] is None)
    seconds, cpu = time.perf_counter() - start, suite.tree.cpu_s() - before
    return [
        Figure(f"{count} power changes accepted in", "s", accepted.seconds, 10, None),
        Figure("power change on fake hardware", "CPU ms", 1000 * cpu / count, 10, 60),
        Figure("power changes a second, to the end", "1/s", count / seconds, 150, 26, more=True),
    ]


def _settled(api: Api, count: int, done: Callable[[dict[str, object]], bool]) -> None:
    path = f"/v1/nodes?limit={count}&fields=uuid,name,power_state,target_power_state,provision_state,last_error"
    end = time.monotonic() + 300
    while time.monotonic() < end:
        nodes = json.loads(api.call("GET", path)[1])["nodes"]
        if all(done(node) for node in nodes):
            return
        time.sleep(0.2)
    stuck = next(node for node in nodes if not done(node))
    raise RuntimeError(f"not settled after 300 s, for example {stuck}")
