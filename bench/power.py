"""What the power service costs alone: ``python -m bench.power [steps|sync] [--machines 1000] [--minutes 3]``.

The real service in its own process, on a real PostgreSQL and nats-server; this process plays inventory.
``steps``: power changes on fake hardware. ``sync``: a rack of Redfish BMCs over TLS, kept under a minute of age.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psutil
from prometheus_client.parser import text_string_to_metric_families
from steelyard_common.bus import Bus, Delivery, Message, connect
from steelyard_common.contracts import subjects
from steelyard_common.contracts.steps import Step, StepMessage
from steelyard_common.embedded import EmbeddedNats, EmbeddedPostgres
from steelyard_common.secrets import MASK, Sealer
from steelyard_power.testing import InventoryTwin, node
from steelyard_rack.testing import running_rack

from .report import Figure, table

SITE = "bench"
START_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The service and what is around it. ``pids``: process ids by name."""

    bus: Bus
    sealer: Sealer
    url: str
    pids: dict[str, int]

    def cpu_s(self) -> dict[str, float]:
        totals = {}
        for name, pid in self.pids.items():
            process = psutil.Process(pid)
            family = [process, *process.children(recursive=True)]
            totals[name] = sum(sum(each.cpu_times()[:2]) for each in family)
        return totals

    def metrics(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as answer:  # noqa: S310  our own
            text = answer.read().decode()
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


@contextlib.contextmanager
def stage(twin: InventoryTwin, **settings: str) -> Iterator[Stage]:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        postgres, nats = EmbeddedPostgres(Path(folder) / "pg"), EmbeddedNats(Path(folder) / "nats")
        database_url, nats_url = postgres.start(), nats.start()
        stack.callback(postgres.stop)
        stack.callback(nats.stop)
        key, port_file = Sealer.new_key(), Path(folder) / "port"
        environ = os.environ | {
            "STEELYARD_SITE": SITE, "STEELYARD_NATS_URL": nats_url, "STEELYARD_DATABASE_URL": database_url,
            "STEELYARD_SEAL_KEYS": key, "STEELYARD_PORT_FILE": str(port_file), "STEELYARD_LOG_LEVEL": "warning",
        }  # fmt: skip
        environ |= settings
        bus = connect(nats_url, SITE, "bench")
        stack.callback(bus.close)
        twin.serve(bus, SITE)
        command = [sys.executable, "-m", "steelyard_power"]
        subprocess.run([*command, "migrate"], env=environ, check=True)
        service = subprocess.Popen(command, env=environ)
        stack.callback(service.wait)
        stack.callback(service.terminate)
        _wait(lambda: bool(twin.announced), "the service did not announce itself")
        assert postgres.process is not None
        assert nats.process is not None
        pids = {"power": service.pid, "postgres": postgres.process.pid, "nats": nats.process.pid}
        url = f"http://127.0.0.1:{port_file.read_text()}"
        yield Stage(bus=bus, sealer=Sealer.from_text(key), url=url, pids=pids)


def steps(count: int) -> list[Figure]:
    """CPU of power for one power change on fake hardware."""
    answered: set[str] = set()
    done = threading.Event()
    with stage(InventoryTwin(), STEELYARD_POWER_SYNC_INTERVAL_S="0", STEELYARD_POWER_SENSOR_INTERVAL_S="0") as at:

        def take(batch: list[Delivery]) -> None:
            answered.update(delivery.body["workflow"] for delivery in batch)
            if len(answered) >= wanted[0]:
                done.set()

        def run(number: int) -> float:
            wanted[0] = len(answered) + number
            done.clear()
            began = time.monotonic()
            at.bus.publish([_set_power() for _ in range(number)], timeout_s=60)
            if not done.wait(120):
                raise SystemExit("not all steps were answered within two minutes")
            return time.monotonic() - began

        wanted = [0]
        at.bus.consume_batches(subjects.RESULTS_STREAM, "engine", [subjects.result(SITE, "*")], take)
        run(200)
        before = at.cpu_s()
        took_s = run(count)
        after = at.cpu_s()
    used = {name: (after[name] - before[name]) * 1000 / count for name in before}
    return [
        Figure("CPU of power per fake power change", "ms", used["power"], 1.0, None),
        Figure("CPU of nats per fake power change (both streams)", "ms", used["nats"], None, None),
        Figure("CPU of postgres per fake power change", "ms", used["postgres"], None, None),
        Figure("fake power changes done by one replica", "1/s", count / took_s, 150, 26, more=True),
    ]


def sync(machines: int, minutes: float) -> list[Figure]:
    """Share of a core and age of power states with many Redfish BMCs over TLS."""
    twin = InventoryTwin()
    with running_rack(machines=machines, protocols="redfish", fast=False) as rack, stage(twin) as at:
        for number, body in enumerate(rack.nodes()):
            twin.add(_of_rack(body, at.sealer), shard=number % 64, recorded="power off")
        _wait(lambda: _polls(at.metrics()) >= machines, "not all BMCs were read", timeout_s=180)
        first, before, began = at.metrics(), at.cpu_s(), time.monotonic()
        time.sleep(minutes * 60)
        last, after, took_s = at.metrics(), at.cpu_s(), time.monotonic() - began
    polls = _polls(last) - _polls(first)
    used = {name: after[name] - before[name] for name in before}
    return [
        Figure("sync reads", "1/s", polls / took_s, None, None),
        Figure("CPU of power per sync read over TLS", "ms", used["power"] * 1000 / polls, 5, 1520),
        Figure(
            "CPU of postgres and nats per sync read", "ms", (used["postgres"] + used["nats"]) * 1000 / polls, None, None
        ),
        Figure(f"share of a core for {machines} BMCs", "%", 100 * used["power"] / took_s, 40, None),
        Figure("… with postgres and nats", "%", 100 * sum(used.values()) / took_s, 40, None),
        Figure("age of power states, p99 at most", "s", _quantile(first, last, 0.99), 60, None),
        Figure("BMCs that could not be read", "", _polls(last, seen=False) - _polls(first, seen=False), 0, None),
    ]


def _set_power() -> Message:
    on = node("fake", driver="fake-hardware", power_state="power off")
    step = Step(index=0, interface="power", name="set_power", args={"target": "power on", "timeout_s": 60})
    message = StepMessage(workflow=str(uuid.uuid4()), fence=1, node=on, steps=[step])
    subject = subjects.step(SITE, "power", on["uuid"])
    return Message(subject=subject, body=orjson.dumps(message.to_dict()), msg_id=message.workflow)


def _of_rack(body: dict[str, Any], sealer: Sealer) -> dict[str, Any]:
    info = body["driver_info"] | {"redfish_password": MASK}
    sealed = {"/redfish_password": sealer.seal(body["driver_info"]["redfish_password"])}
    return node("redfish", name=body["name"], driver_info=info, sealed=sealed)


def _polls(metrics: dict[Any, float], *, seen: bool = True) -> float:
    return sum(
        value
        for (name, labels), value in metrics.items()
        if name == "steelyard_power_polls_total" and (dict(labels)["outcome"] == "seen") is seen
    )


def _quantile(first: dict[Any, float], last: dict[Any, float], share: float) -> float:
    """The upper edge of the bucket that holds the quantile of the ages between two looks."""
    name = "steelyard_power_state_age_seconds_bucket"
    grown = {
        float(dict(labels)["le"]): value - first.get((name, labels), 0.0)
        for (each, labels), value in last.items()
        if each == name
    }
    return min(edge for edge, count in grown.items() if count >= share * grown[float("inf")])


def _wait(is_so: Any, complaint: str, timeout_s: float = START_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > deadline:
            raise SystemExit(complaint)
        time.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.power", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["steps", "sync", "all"], default="all")
    parser.add_argument("--changes", type=int, default=3_000)
    parser.add_argument("--machines", type=int, default=1_000)
    parser.add_argument("--minutes", type=float, default=3)
    options = parser.parse_args()
    figures: list[Figure] = []
    if options.what in ("steps", "all"):
        figures += steps(options.changes)
    if options.what in ("sync", "all"):
        figures += sync(options.machines, options.minutes)
    print(table(figures))


if __name__ == "__main__":
    main()
