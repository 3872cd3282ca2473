"""1,000 machines ask for their boot scripts: ``python -m bench.boot_scripts [--machines 1000] [--windows 0,2,10]``.

The whole suite on one box, boot as it runs there; each machine fetches the entry and then its own script, over a new
connection each, as iPXE does. They are switched on within a window of so many seconds: 0 is the same instant, which no
rack does (power supplies and firmware differ by seconds), 2 is what a fast engine makes of them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import uuid
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import psutil
from steelyard_boot.domain.boot_model import BootModel, File, Purpose
from steelyard_boot.domain.node_for_boot import NodeForBoot
from steelyard_boot.store import boots
from steelyard_common.db import Database
from steelyard_common.embedded import EmbeddedPostgres
from steelyard_local.testing import RunningSuite, running_suite

from .boot_clients import elsewhere, storm
from .report import Figure, table

LIMIT_MS = 250
REQUEST_MS = 0.5  # in the same instant; else machines come one by one, and what boot does otherwise counts, too
WRITTEN_S = 1.0  # by then what was seen is written
FIGURES = 6  # of each storm


def machines(database: Database, url: str, count: int) -> list[tuple[str, str]]:
    """Prepared to boot an agent. → (system UUID, MAC) of each."""
    found = []
    now = datetime.now(UTC)
    with database.begin() as transaction:
        for number in range(count):
            node = str(uuid.uuid4())
            mac = f"52:54:00:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
            model = BootModel(
                boot_id=str(uuid.uuid4()), purpose=Purpose.DEPLOY, arguments=("nofb", "ipa-api-url=http://api"),
                kernel=File(url=f"{url}/artifacts/{'a' * 64}/kernel"),
                ramdisk=File(url=f"{url}/artifacts/{'b' * 64}/ramdisk"),
            )  # fmt: skip
            boots.write(
                transaction.connection,
                NodeForBoot(uuid=node, interface="ipxe", system_uuids=(node,), macs=(mac,)), model, now,
            )  # fmt: skip
            found.append((node, mac))
    return found


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def figures(count: int, windows: list[float]) -> list[Figure]:
    found: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedPostgres(Path(folder, "postgres"))
        url = server.start()
        try:
            with running_suite(environment={"STEELYARD_DATABASE_URL": url}) as suite, elsewhere() as process:
                found = _storms(suite, url, count, windows, process)
        finally:
            server.stop()
    return found


def _storms(
    suite: RunningSuite, url: str, count: int, windows: list[float], process: ProcessPoolExecutor
) -> list[Figure]:
    """The first one is not told: connections to the database are made, and pages of the programs read."""
    found: list[Figure] = []
    port = int((suite.data / "boot-port").read_text())
    database = Database(url, "boot")
    names = machines(database, f"http://127.0.0.1:{port}", count)
    database.close()
    for window in [1.0, *windows]:
        before = _cpu_s(suite.pid)
        times = process.submit(storm, "127.0.0.1", port, names, window).result()
        time.sleep(WRITTEN_S)
        cpu = (_cpu_s(suite.pid) - before) * 1000 / (2 * count)
        what = f"{count} machines within {window:g} s"
        found += [
            Figure(f"script p99, {what}", "ms", percentile(times.script, 0.99) * 1000, LIMIT_MS, None),
            Figure(f"script p50, {what}", "ms", percentile(times.script, 0.5) * 1000, None, None),
            Figure(f"entry p99, {what}", "ms", percentile(times.entry, 0.99) * 1000, LIMIT_MS, None),
            Figure(f"CPU of boot a request, {what}", "ms", cpu, REQUEST_MS if window == 0 else None, None),
            Figure(f"CPU of the asking client a request, {what}", "ms", times.cpu_s * 1000 / (2 * count), None, None),
            Figure(f"failed, {what}", "", times.failed, 0, None),
        ]
    return found[FIGURES:]


def _cpu_s(supervisor: int) -> float:
    """Of boot's processes so far."""
    children = psutil.Process(supervisor).children(recursive=True)
    ours = [child.cpu_times() for child in children if any("steelyard_boot" in word for word in child.cmdline())]
    return sum(times.user + times.system for times in ours)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.boot_scripts", description=__doc__)
    parser.add_argument("--machines", type=int, default=1000)
    parser.add_argument("--windows", default="0,2,10")
    options = parser.parse_args()
    print(table(figures(options.machines, [float(word) for word in options.windows.split(",")])))


if __name__ == "__main__":
    main()
