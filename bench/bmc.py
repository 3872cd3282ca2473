"""What one look at a BMC costs in this process: through the pool, against a rack in another process.

``python -m bench.bmc [--machines 40] [--rounds 50] [--profile]``. "naive" is what the pool avoids: a new sushy root, a
new session and a new TLS context each time.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
from collections.abc import Callable
from typing import Any

import sushy
from steelyard_common.bmc import NodeAccess
from steelyard_common.bmc.line import PoolSettings
from steelyard_common.bmc.pool import BmcPool
from steelyard_rack.testing import running_rack

from .report import Figure, table

KINDS = {"redfish": "redfish", "ipmi": "ipmitool"}
POLL_TIMEOUT_S = 30.0


def cpu_ms(work: Callable[[], None], count: int) -> float:
    """CPU of this process for each of ``count`` pieces of ``work``."""
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000 / count


def polls(pool: BmcPool, nodes: list[dict[str, Any]], rounds: int) -> Callable[[], None]:
    accesses = [
        (KINDS[node["driver"]], NodeAccess(uuid=node["name"], driver_info=node["driver_info"])) for node in nodes
    ]

    def work() -> None:
        for _ in range(rounds):
            for kind, access in accesses:
                with pool.driver(kind, access, timeout_s=POLL_TIMEOUT_S, patient=False) as driver:
                    driver.get_power()

    return work


def naive(nodes: list[dict[str, Any]]) -> Callable[[], None]:
    def work() -> None:
        for node in nodes:
            info = node["driver_info"]
            auth = sushy.auth.SessionAuth(username=info["redfish_username"], password=info["redfish_password"])
            root = sushy.Sushy(info["redfish_address"], auth=auth, verify=False)
            assert root.get_system(info["redfish_system_id"]).power_state
            auth.close()

    return work


def figures(machines: int, rounds: int, *, profile: bool = False) -> list[Figure]:
    """CPU per power read of each kind, first and later ones."""
    found = []
    for protocol, limit in (("redfish", 5.0), ("ipmi", 5.0)):
        with running_rack(machines=machines, protocols=protocol) as rack:
            nodes = rack.nodes()
            pool = BmcPool(PoolSettings(calls_per_s=1e6), open_secret=str)
            if protocol == "redfish":
                before = cpu_ms(naive(nodes[:10]), min(10, machines))
                found.append(
                    Figure("redfish: a read without the pool (sushy as it comes)", "ms CPU", before, None, 1520)
                )
            first = cpu_ms(polls(pool, nodes, 1), machines)
            found.append(Figure(f"{protocol}: the first read, with login", "ms CPU", first, None, None))
            profiler = cProfile.Profile()
            if profile:
                profiler.enable()
            later = cpu_ms(polls(pool, nodes, rounds), machines * rounds)
            if profile:
                profiler.disable()
                pstats.Stats(profiler).sort_stats("tottime").print_stats(18)
            found.append(
                Figure(f"{protocol}: a later read", "ms CPU", later, limit, 1520 if protocol == "redfish" else 30)
            )
            pool.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.bmc", description=__doc__)
    parser.add_argument("--machines", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    print(table(figures(options.machines, options.rounds, profile=options.profile)))


if __name__ == "__main__":
    main()
