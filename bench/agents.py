"""What agents cost that look themselves up and call home: ``python -m bench.agents [--nodes 400] [--rounds 10]``.

The whole suite on one box; the nodes are manageable and on the fast track, so that a heartbeat is recorded and wakes
nobody: what the steps cost that it would wake is told by bench.lifecycle. CPU is that of the whole control plane,
PostgreSQL and nats-server included; the client's is not.
"""

from __future__ import annotations

import argparse
import time
import uuid
from collections.abc import Callable

from . import suite
from .client import Load, run
from .report import Figure, table

CLIENTS = 32
SETTLE_S = 2.0  # the work of what went before is not counted
CERTIFICATE = "-----BEGIN CERTIFICATE-----\n" + "QUJD\n" * 12 + "-----END CERTIFICATE-----\n"
LOOKUP_MS, HEARTBEAT_MS = 2.0, 4.0
IRONIC_LOOKUP_MS, IRONIC_HEARTBEAT_MS = 16.0, 72.0  # heartbeats of Ironic 39: 35 to 109
FAKES = {f"{name}_interface": "fake" for name in ("bios", "boot", "deploy", "inspect", "raid", "rescue", "vendor")}


def enrol(running: suite.Suite, count: int) -> list[str]:
    """→ UUIDs of nodes that take lookups and heartbeats."""
    nodes = [str(uuid.uuid4()) for _ in range(count)]

    def one(index: int) -> None:
        body = {"uuid": nodes[index], "driver": "fake-hardware", "driver_info": {"fast_track": True}, **FAKES}
        running.api.json("POST", "/v1/nodes", body)
        running.api.json("POST", "/v1/ports", {"node_uuid": nodes[index], "address": mac(index)})

    run(one, count, CLIENTS)
    return nodes


def mac(index: int) -> str:
    return f"52:54:00:{index >> 16 & 255:02x}:{index >> 8 & 255:02x}:{index & 255:02x}"


def measured(running: suite.Suite, work: Callable[[int], object], count: int) -> tuple[float, Load]:
    """→ CPU milliseconds of the control plane for each, and how long they took."""
    time.sleep(SETTLE_S)
    before = running.tree.cpu_s()
    load = run(work, count, CLIENTS)
    return 1000 * (running.tree.cpu_s() - before) / count, load


def idle_ms(running: suite.Suite, seconds: float) -> float:
    """CPU milliseconds a second of the control plane when nobody asks."""
    before = running.tree.cpu_s()
    time.sleep(seconds)
    return 1000 * (running.tree.cpu_s() - before) / seconds


def measure(count: int, rounds: int) -> list[Figure]:
    with suite.running() as running:
        nodes = enrol(running, count)
        tokens: dict[int, str] = {}
        idle = idle_ms(running, 5)

        def lookup(index: int) -> None:
            answer = running.api.json("GET", f"/v1/lookup?addresses={mac(index)}&node_uuid={nodes[index]}")
            tokens[index] = answer["config"]["agent_token"]

        def beat(number: int) -> None:
            index = number % count
            body = {
                "callback_url": f"https://192.0.2.7:{10_000 + index}", "agent_token": tokens[index],
                "agent_version": "13.0.0", "agent_verify_ca": CERTIFICATE,
            }  # fmt: skip
            running.api.json("POST", f"/v1/heartbeat/{nodes[index]}", body)

        lookup_ms, lookups = measured(running, lookup, count)
        heartbeat_ms, beats = measured(running, beat, count * rounds)
    lookup_ms -= idle * lookups.seconds / count
    heartbeat_ms -= idle * beats.seconds / (count * rounds)
    return [
        Figure("lookup, CPU", "ms", lookup_ms, LOOKUP_MS, IRONIC_LOOKUP_MS),
        Figure("lookup, p99", "ms", lookups.percentile_ms(0.99), None, None),
        Figure("heartbeat, CPU", "ms", heartbeat_ms, HEARTBEAT_MS, IRONIC_HEARTBEAT_MS),
        Figure("heartbeat, p99", "ms", beats.percentile_ms(0.99), None, None),
        Figure("heartbeats a second", "/s", beats.rate, None, None, more=True),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    print(table(measure(given.nodes, given.rounds)))


if __name__ == "__main__":
    main()
