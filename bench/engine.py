"""What the workflow engine costs alone: ``python -m bench.engine [--changes 2000] [--lives 0] [--rate 0] [--profile]``.

Inventory's lifecycle in this process, on a real PostgreSQL and nats-server, with a provider in another process that
takes no time; the gateway and BMCs are left out. ``--rate 0``: 16 callers as fast as they can; else so many a second.
``--lives``: whole lives on fake hardware (manage, provide with cleaning, active, deleted with cleaning) instead.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import pstats
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import psutil
import sqlalchemy as sa
from steelyard_common.bus import Delivery, Message, connect
from steelyard_common.contracts import subjects
from steelyard_common.contracts.steps import Done, Outcome, ResultMessage, StepMessage
from steelyard_common.db import Database, Relay
from steelyard_common.embedded import EmbeddedNats, EmbeddedPostgres
from steelyard_common.testing import eventually
from steelyard_inventory.handlers import lifecycle as handlers
from steelyard_inventory.service.catalogue import Catalogue
from steelyard_inventory.service.engine import Engine
from steelyard_inventory.service.leases import Leases
from steelyard_inventory.service.lifecycle import Caller, Lifecycle
from steelyard_inventory.service.observations import Observations
from steelyard_inventory.service.starting import Rules, ServiceMap, Starter
from steelyard_inventory.service.workers import Workers
from steelyard_inventory.store.tables import metadata, nodes
from steelyard_inventory.store.workers import announce
from steelyard_inventory.testing_provider import FAKE_INTERFACES, SERVICES, announcements

from .report import Figure, table

SITE = "bench"
CALLERS = 16


def provider(url: str) -> None:
    """Answers every step at once, until its input is closed."""
    bus = connect(url, SITE, "provider")

    def run(batch: list[Delivery]) -> None:
        messages = []
        for delivery in batch:
            step = StepMessage.from_dict(delivery.body)
            facts = {"power_state": step.steps[0].args.get("target", "power on")}
            result = ResultMessage(
                workflow=step.workflow, node=step.node["uuid"], fence=step.fence, provider="bench",
                outcomes=[Outcome(index=s.index, attempt=s.attempt, result=Done(facts=facts)) for s in step.steps],
            )  # fmt: skip
            messages.append(
                Message(
                    subject=subjects.result(SITE, step.workflow),
                    body=orjson.dumps(result.to_dict()),
                    msg_id=f"{step.workflow}.{step.steps[0].index}.{step.steps[0].attempt}",
                )
            )
        bus.publish(messages)

    for interface in (name for names in SERVICES.values() for name in names):
        bus.consume_batches(
            subjects.STEPS_STREAM, f"step-{interface}", [subjects.step(SITE, interface, "*")], run
        )  # fmt: skip
    sys.stdin.read()
    bus.close()


@contextlib.contextmanager
def stage(count: int, state: str = "available") -> Iterator[tuple[Lifecycle, Database, list[str], dict[str, int]]]:
    """(verbs, database, node UUIDs, process ids by name)."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        postgres, nats = EmbeddedPostgres(Path(folder) / "pg"), EmbeddedNats(Path(folder) / "nats")
        database_url, nats_url = postgres.start(), nats.start()
        stack.callback(postgres.stop)
        stack.callback(nats.stop)
        command = [sys.executable, "-m", "bench.engine", "--provider", nats_url]
        other = stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE))
        _create(database_url)
        database = Database(database_url, "inventory")
        bus = connect(nats_url, SITE, "inventory")
        stack.callback(bus.close)
        relay = Relay(database, bus).start()
        stack.callback(relay.stop)

        def now() -> datetime:
            return datetime.now(UTC)

        starter = Starter(
            site=SITE, holder="bench", rules=Rules(), services=ServiceMap(), catalogue=Catalogue(Workers(database, now))
        )
        engine = Engine(database, starter, now).start()
        stack.callback(engine.stop)
        lifecycle = Lifecycle(database, starter, now, engine.wake)
        handlers.consume(bus, SITE, engine, Observations(database, starter, now, engine.wake))
        bus.serve("inventory", handlers.endpoints(SITE, lifecycle, Leases(database, "bench", now, site=SITE)))
        uuids = [str(uuid.uuid4()) for _ in range(count)]
        with database.begin() as transaction:
            for word in announcements():
                announce(transaction.connection, word, now() + timedelta(hours=1))
            row = {
                "driver": "fake-hardware", "provision_state": state, "power_state": "power off",
                **FAKE_INTERFACES, "network_interface": "noop",
                "properties": {"memory_mb": 4096, "cpus": 8, "capabilities": "boot_mode:uefi"},
            }  # fmt: skip
            transaction.connection.execute(nodes.insert(), [{"uuid": each, **row} for each in uuids])
        assert postgres.process is not None
        assert nats.process is not None
        pids = {"inventory": psutil.Process().pid, "postgres": postgres.process.pid, "nats": nats.process.pid}
        yield lifecycle, database, uuids, pids | {"provider": other.pid}


def _create(url: str) -> None:
    engine = sa.create_engine(
        sa.make_url(url).set(drivername="postgresql+psycopg"), connect_args={"options": "-c search_path=inventory"}
    )
    with engine.begin() as connection:
        connection.execute(sa.schema.CreateSchema("inventory"))
        metadata.create_all(connection)
    engine.dispose()


def _cpu_s(pids: dict[str, int]) -> dict[str, float]:
    totals = {}
    for name, pid in pids.items():
        process = psutil.Process(pid)
        family = [process] if name == "inventory" else [process, *process.children(recursive=True)]
        totals[name] = sum(sum(each.cpu_times()[:2]) for each in family)
    return totals


def _wait_for(database: Database, count: int) -> None:
    query = sa.text("SELECT count(*) >= :count AND bool_and(finished_at IS NOT NULL) FROM workflows")

    def all_ended() -> bool:
        with database.read() as connection:
            return bool(connection.execute(query, {"count": count}).scalar_one())

    eventually(all_ended, timeout_s=120, every_s=0.05)


def measure(changes: int, rate: float, profile: bool) -> list[Figure]:
    warm_up = 100
    with stage(changes + warm_up) as (lifecycle, database, uuids, pids), ThreadPoolExecutor(CALLERS) as pool:
        for each in uuids[changes:]:
            lifecycle.set_power(each, "power on", None, Caller(request_id=each))
        _wait_for(database, warm_up)
        profiler = cProfile.Profile() if profile else None
        threading.setprofile(None)
        before, began = _cpu_s(pids), time.monotonic()
        if profiler:
            profiler.enable()
        calls = []
        for index, each in enumerate(uuids[:changes]):
            if rate:
                time.sleep(max(0.0, began + index / rate - time.monotonic()))
            calls.append(pool.submit(lifecycle.set_power, each, "power on", None, Caller(request_id=each)))
        for call in calls:
            call.result()
        accepted_s = time.monotonic() - began
        _wait_for(database, changes + warm_up)
        took_s = time.monotonic() - began
        if profiler:
            profiler.disable()
            pstats.Stats(profiler).sort_stats("cumulative").print_stats(40)
        after = _cpu_s(pids)
    used = {name: (after[name] - before[name]) * 1000 / changes for name in pids}
    figures = [Figure(f"CPU of {name} per power change", "ms", value, None, None) for name, value in used.items()]
    return [
        *figures,
        Figure("CPU per power change, all of these", "ms", sum(used.values()), None, 60),
        Figure("power changes accepted", "1/s", changes / accepted_s, 100, None, more=True),
        Figure("power changes done", "1/s", changes / took_s, None if rate else 150, 26, more=True),
    ]


LIFE = (("manage", "manageable"), ("provide", "available"), ("active", "active"), ("deleted", "available"))


def measure_lives(lives: int) -> list[Figure]:
    """CPU and rate of whole lives, each verb asked of all nodes before the next."""
    with stage(lives, "enroll") as (lifecycle, database, uuids, pids), ThreadPoolExecutor(CALLERS) as pool:
        before, began = _cpu_s(pids), time.monotonic()
        for verb, reached in LIFE:
            calls = [pool.submit(lifecycle.set_provision, each, verb, Caller(request_id=each)) for each in uuids]
            for call in calls:
                call.result()
            _wait_for_state(database, reached, lives)
        took_s = time.monotonic() - began
        after = _cpu_s(pids)
    used = {name: (after[name] - before[name]) * 1000 / lives for name in pids}
    return [
        *(Figure(f"CPU of {name} per life", "ms", value, None, None) for name, value in used.items()),
        Figure("CPU per life, all of these", "ms", sum(used.values()), 60, 320),
        Figure("lives", "1/s", lives / took_s, 25, 4.7, more=True),
    ]


def _wait_for_state(database: Database, state: str, count: int) -> None:
    query = sa.text("SELECT count(*) FROM nodes WHERE provision_state = :state AND reservation IS NULL")

    def are_there() -> bool:
        with database.read() as connection:
            return bool(connection.execute(query, {"state": state}).scalar_one() >= count)

    eventually(are_there, timeout_s=300, every_s=0.05)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__)
    parser.add_argument("--changes", type=int, default=2_000)
    parser.add_argument("--lives", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--provider", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.provider:
        provider(options.provider)
    elif options.lives:
        print(table(measure_lives(options.lives)))
    else:
        print(table(measure(options.changes, options.rate, options.profile)))


if __name__ == "__main__":
    main()
