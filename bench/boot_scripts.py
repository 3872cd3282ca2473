"""1,000 machines ask for their boot scripts: ``python -m bench.boot_scripts [--machines 1000] [--windows 0,2,10]``.

The whole suite on one box, boot as it runs there; each machine fetches the entry and then its own script, over a new
connection each, as iPXE does. They are switched on within a window of so many seconds: 0 is the same instant, which no
rack does (power supplies and firmware differ by seconds), 2 is what a fast engine makes of them.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil
from steelyard_boot.domain.boot_model import BootModel, File, Purpose
from steelyard_boot.domain.node_for_boot import NodeForBoot
from steelyard_boot.store import boots
from steelyard_common.db import Database
from steelyard_common.embedded import EmbeddedPostgres
from steelyard_local.testing import RunningSuite, running_suite

from .report import Figure, table

LIMIT_MS = 250


@dataclass
class Times:
    """Seconds of each request, from connecting to the last byte."""

    entry: list[float] = field(default_factory=list)
    script: list[float] = field(default_factory=list)
    failed: int = 0


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


async def fetch(host: str, port: int, path: str, source: str) -> tuple[float, bytes]:
    """→ seconds, answer"""
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection(host, port, local_addr=(source, 0))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return time.perf_counter() - began, answer


async def boot(host: str, port: int, names: tuple[str, str], delay_s: float, times: Times) -> None:
    await asyncio.sleep(delay_s)
    source = f"127.77.{int(names[1][-5:-3], 16)}.{int(names[1][-2:], 16)}"  # each machine has an address of its own
    try:
        took, answer = await fetch(host, port, "/boot.ipxe", source)
        times.entry.append(took)
        took, script = await fetch(host, port, f"/ipxe?uuid={names[0]}&mac={names[1].replace(':', '-')}", source)
        times.script.append(took)
    except OSError:
        times.failed += 1
        return
    if b" 200 " not in answer[:20] or b"ipa-api-url" not in script:
        times.failed += 1


async def storm(host: str, port: int, names: list[tuple[str, str]], window_s: float) -> Times:
    times = Times()
    draw = random.Random(7)  # noqa: S311
    await asyncio.gather(*(boot(host, port, each, draw.uniform(0, window_s), times) for each in names))
    return times


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def figures(count: int, windows: list[float]) -> list[Figure]:
    found: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedPostgres(Path(folder, "postgres"))
        url = server.start()
        try:
            with running_suite(environment={"STEELYARD_DATABASE_URL": url}) as suite:
                found = _storms(suite, url, count, windows)
        finally:
            server.stop()
    return found


def _storms(suite: RunningSuite, url: str, count: int, windows: list[float]) -> list[Figure]:
    found: list[Figure] = []
    port = int((suite.data / "boot-port").read_text())
    database = Database(url, "boot")
    names = machines(database, f"http://127.0.0.1:{port}", count)
    database.close()
    asyncio.run(storm("127.0.0.1", port, names[:50], 1))
    for window in windows:
        before = _cpu_s(suite.pid)
        times = asyncio.run(storm("127.0.0.1", port, names, window))
        cpu = (_cpu_s(suite.pid) - before) * 1000 / (2 * count)
        what = f"{count} machines within {window:g} s"
        found += [
            Figure(f"script p99, {what}", "ms", percentile(times.script, 0.99) * 1000, LIMIT_MS, None),
            Figure(f"script p50, {what}", "ms", percentile(times.script, 0.5) * 1000, None, None),
            Figure(f"entry p99, {what}", "ms", percentile(times.entry, 0.99) * 1000, LIMIT_MS, None),
            Figure(f"CPU of boot a request, {what}", "ms", cpu, 2, None),
            Figure(f"failed, {what}", "", times.failed, 0, None),
        ]
    return found


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
