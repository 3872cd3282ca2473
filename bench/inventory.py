"""What inventory's records cost alone: ``python -m bench.inventory [--nodes 10000] [--profile CASE]``.

All of inventory in this process on a real PostgreSQL, asked over the bus's twin (JSON both ways); gateway and NATS are
left out. CPU of this process and of PostgreSQL, as the operating system accounts for it.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import pstats
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import psutil
from steelyard_common.bus import MemoryBus
from steelyard_common.db import Database, migrate
from steelyard_common.embedded import EmbeddedPostgres
from steelyard_inventory.main import MIGRATIONS, NAME
from steelyard_inventory.testing import SITE, Desk

from .report import Figure, table

DRIVER_INFO = {
    "redfish_address": "https://192.0.2.10", "redfish_username": "admin", "redfish_password": "sealed:k1:AAAABBBBCCCC",
    "redfish_system_id": "/redfish/v1/Systems/1",
}  # fmt: skip
PROPERTIES = {"cpus": 64, "memory_mb": 262144, "local_gb": 960, "cpu_arch": "x86_64", "capabilities": "boot_mode:uefi"}
LIST = {"resource_url": "nodes"}
# case → (what is measured, target of the whole request with gateway and NATS in ms, Ironic 39, repetitions)
Case = tuple[str, float | None, float | None, int, Callable[[Desk, list[str]], object]]


class Clock:
    """CPU seconds of this process and of the database server."""

    def __init__(self, postmaster: int) -> None:
        self._postmaster = psutil.Process(postmaster)

    def read(self) -> tuple[float, float]:
        server = 0.0
        for process in [self._postmaster, *self._postmaster.children()]:
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                server += times.user + times.system
        return time.process_time(), server


@contextlib.contextmanager
def stage() -> Iterator[tuple[Desk, Clock]]:
    with tempfile.TemporaryDirectory() as folder:
        postgres = EmbeddedPostgres(Path(folder) / "pg")
        url = postgres.start()
        try:
            migrate(NAME, url, "inventory", MIGRATIONS)
            database = Database(url, "inventory")
            desk = Desk(database, MemoryBus(), lambda: datetime.now(UTC))
            desk.announce()
            pid_file = next(Path(folder).rglob("postmaster.pid"))
            yield desk, Clock(int(pid_file.read_text().splitlines()[0]))
            database.close()
        finally:
            postgres.stop()


_number = count(1)


def enrol(desk: Desk, _uuids: list[str]) -> str:
    """A node with two ports: three requests."""
    number = next(_number)
    if number % 500 == 0:
        desk.announce()  # a worker that is silent for a minute is taken for dead
    node = {
        "uuid": str(uuid.uuid4()), "driver": "redfish", "name": f"node-{number}", "driver_info": DRIVER_INFO,
        "properties": PROPERTIES, "resource_class": "baremetal", "extra": {"rack": number // 40},
    }  # fmt: skip
    desk.raw(f"{SITE}.inventory.cmd.create-node", node=node)
    for port in range(2):
        mac = f"02:{port:02x}:" + ":".join(f"{number >> shift & 255:02x}" for shift in (24, 16, 8, 0))
        desk.raw(f"{SITE}.inventory.cmd.create-port", port={"address": mac, "node_uuid": node["uuid"]})
    return str(node["uuid"])


def _ask(verb: str, **body: Any) -> Callable[[Desk, list[str]], object]:
    return lambda desk, _uuids: desk.raw(f"{SITE}.inventory.qry.{verb}", **body)


def _one(verb: str, **body: Any) -> Callable[[Desk, list[str]], object]:
    turn = count()
    return lambda desk, uuids: desk.raw(
        f"{SITE}.inventory.qry.{verb}", ident=uuids[next(turn) * 7919 % len(uuids)], **body
    )


def _patch(desk: Desk, uuids: list[str]) -> object:
    number = next(_number)
    patch = [{"op": "add", "path": "/extra/bench", "value": number}]
    return desk.raw(f"{SITE}.inventory.cmd.update-node", ident=uuids[number % len(uuids)], patch=patch)


CASES: dict[str, Case] = {
    "node": ("one node", 1.5, 9, 1000, _one("node")),
    "states": ("states of one node", 1.5, None, 1000, _one("node-states")),
    "list": ("default list of 1,000", 15, 270, 60, _ask("nodes", **LIST)),
    "fields": ("list of 1,000, two fields", None, None, 60, _ask("nodes", **LIST, fields=["uuid", "power_state"])),
    "detail": ("detail of 1,000", 60, 590, 30, _ask("nodes", **LIST, detail=True)),
    "filter": ("filtered list, by name down", None, None, 60,
               _ask("nodes", **LIST, filters={"maintenance": False}, sort_key="name", sort_dir="desc")),
    "targets": ("power targets of one shard", None, None, 60, _ask("power-targets", shard=7, limit=1000)),
    "patch": ("patch of one node", None, None, 400, _patch),
    "enrol": ("enrolment of a node with two ports", 15, 120, 300, enrol),
}  # fmt: skip


def measure(desk: Desk, clock: Clock, uuids: list[str], case: Case) -> list[Figure]:
    name, target, ironic, repetitions, call = case
    desk.announce()
    for _ in range(12):  # statements are prepared on the server when they come again
        call(desk, uuids)
    before, began = clock.read(), time.perf_counter()
    for _ in range(repetitions):
        call(desk, uuids)
    after, ended = clock.read(), time.perf_counter()
    here, server = ((late - early) / repetitions * 1000 for early, late in zip(before, after, strict=True))
    return [
        Figure(f"{name}: CPU", "ms", here + server, target, ironic),
        Figure("  of that PostgreSQL", "ms", server, None, None),
        Figure("  time", "ms", (ended - began) / repetitions * 1000, None, None),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.inventory", description=__doc__)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--profile", choices=CASES, help="show where the time of one case goes")
    options = parser.parse_args()
    with stage() as (desk, clock):
        uuids = [enrol(desk, []) for _ in range(options.nodes)]
        with desk.database.begin() as transaction:
            transaction.connection.exec_driver_sql("ANALYZE")
        chosen = [CASES[options.profile]] if options.profile else list(CASES.values())
        profiler = cProfile.Profile()
        with profiler if options.profile else contextlib.nullcontext():
            figures = [figure for case in chosen for figure in measure(desk, clock, uuids, case)]
    print(table(figures))
    if options.profile:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
