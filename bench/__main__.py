"""All benchmarks in one command: ``python -m bench [--nodes 10000]``. A table to the terminal, JSON to bench/out/.

The whole suite first, then the BMC drivers and the power sync alone. Each service's own benchmark digs deeper:
``python -m bench.gateway``, ``bench.inventory``, ``bench.allocations``, ``bench.engine``, ``bench.power``,
``bench.bmc``, ``bench.bus``, ``bench.tenancy``, ``bench.listings``, ``bench.flood``, ``bench.lifecycle``,
``bench.artifacts``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from . import api, bmc, lifecycle, power, report, suite


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--nodes", type=int, default=10_000, help="how many nodes are enrolled (10000)")
    parser.add_argument("--changes", type=int, default=1_000, help="how many power changes (1000)")
    parser.add_argument("--lives", type=int, default=1_000, help="how many nodes live a whole life at once (1000)")
    parser.add_argument("--bmcs", type=int, default=1_000, help="how many BMCs the power sync reads (1000; 0: none)")
    parser.add_argument("--minutes", type=float, default=3, help="how long the power sync is watched (3)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out" / "bench.json")
    options = parser.parse_args()
    figures: list[report.Figure] = []
    with suite.running() as running:
        figures += api.documents(running)
        print(f"enrolling {options.nodes} nodes …", flush=True)
        figures += api.enrolment(running, options.nodes)
        print("reading …", flush=True)
        figures += api.reads(running, options.nodes)
        print("changing power …", flush=True)
        figures += api.power(running, options.changes)
        memory = running.tree.memory_mb()
        figures.append(report.Figure(f"memory of the control plane at {options.nodes} nodes", "MB", memory, 700, 600))
    print("whole lives on fake hardware …", flush=True)
    figures += lifecycle.figures(options.lives, options.nodes)
    if options.bmcs:
        print("reading BMCs …", flush=True)
        figures += bmc.figures(machines=20, rounds=20)
        print(f"keeping {options.bmcs} BMCs in sync for {options.minutes:g} min …", flush=True)
        figures += power.sync(options.bmcs, options.minutes)
    print(report.table(figures))
    report.write(figures, options.out)


if __name__ == "__main__":
    main()
