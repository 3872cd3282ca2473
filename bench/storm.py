"""Machines that boot and deploy at once: ``python -m bench.storm [--machines 1000] [--pace 0.2]``.

The whole suite with its simulated rack on one box: the machines' BMCs, their firmware and their agents run on the same
processors as the control plane. All are told to deploy as fast as the API takes it. Times of scripts are told twice,
from the connection to the last byte: as a machine beside the rack sees them, which asks all the time for scripts of the
rack's machines, and as those see them, which all share one process. Memory is the most that was seen of each service
(proportional set size: what processes share is counted once).
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import re
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil
from steelyard_rack.client import RackClient
from steelyard_rack.shelf import IMAGE

from . import suite
from .client import ask, run
from .report import Figure, table

CLIENTS = 32
LOOK_S, SAMPLE_S, PROBE_S = 1.0, 1.0, 0.05
ASK_AGAIN_S, LONGEST_S = 0.2, 1800.0
SCRIPT_MS, STORE_MB = 250, 64
_FETCH = re.compile(r"GET (\S+)")
_TOOK = re.compile(r"in ([0-9.]+) s")
ENVIRONMENT = {"STEELYARD_AUTOMATED_CLEAN": "false"}


@dataclass
class Meanwhile(ABC):
    """``_run`` in a thread of its own, until the end of a ``with`` block sets ``_over``."""

    _over: threading.Event = field(default_factory=threading.Event, kw_only=True)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @abstractmethod
    def _run(self) -> None: ...


@dataclass
class Watch(Meanwhile):
    """Samples of processes and of the artifact store until the end of a ``with`` block."""

    root: int
    store: Path
    memory_mb: dict[str, float] = field(default_factory=dict)
    store_mb: float = 0.0

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._sample()

    def _run(self) -> None:
        while not self._over.wait(SAMPLE_S):
            self._sample()

    def _sample(self) -> None:
        now: dict[str, float] = {}
        for process in psutil.Process(self.root).children(recursive=True):
            try:
                name = _name(process)
                now[name] = now.get(name, 0.0) + process.memory_full_info().pss / 1e6
            except psutil.Error:
                continue
        for name, value in now.items():
            self.memory_mb[name] = max(value, self.memory_mb.get(name, 0.0))
        sizes = (file.stat().st_size for file in self.store.rglob("*") if file.is_file())
        self.store_mb = max(self.store_mb, _sum(sizes) / 1e6)


@dataclass
class Probe(Meanwhile):
    """Asks for these paths in turn until the end of a ``with`` block, each on a new connection. Seconds of each."""

    port: int
    paths: list[str]
    begins: bytes
    times: list[float] = field(default_factory=list)
    failed: int = 0

    def _run(self) -> None:
        for path in itertools.cycle(self.paths):
            if self._over.wait(PROBE_S):
                return
            began = time.perf_counter()
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                connection.request("GET", path, headers={"Connection": "close"})
                answer = connection.getresponse()
                is_good = answer.read().startswith(self.begins) and answer.status == 200
            except (OSError, http.client.HTTPException):
                is_good = False
            finally:
                connection.close()
            self.times.append(time.perf_counter() - began)
            self.failed += not is_good


def _sum(sizes: Any) -> float:
    """Files come and go meanwhile."""
    try:
        return float(sum(sizes))
    except FileNotFoundError:
        return 0.0


def _name(process: psutil.Process) -> str:
    words = process.cmdline()
    ours = next((word for word in words if word.startswith("steelyard_")), "")
    return ours.removeprefix("steelyard_") or process.name()


class Storm:
    """``count`` machines of a suite's rack."""

    def __init__(self, running: suite.Suite, count: int) -> None:
        self.running, self.count, self.api = running, count, running.api
        plan = json.loads((running.data / "rack" / "plan.json").read_text())
        self.control_port = int(plan["control_port"])
        self.rack = RackClient(f"http://127.0.0.1:{self.control_port}")
        self.nodes = self._uuids()

    def prepare(self) -> None:
        """Verified, available, with an image to deploy."""
        image = {
            "image_source": f"{self.rack.url}/files/{IMAGE}", "image_checksum": self.rack.files()[IMAGE]["sha256"],
            "image_download_source": "local",
        }  # fmt: skip
        self._all("manage", "manageable")
        self._all("provide", "available")
        patch = [{"op": "add", "path": "/instance_info", "value": image}]
        run(lambda i: self.api.json("PATCH", f"/v1/nodes/{self.nodes[i]}", patch), self.count, CLIENTS)
        self.rack.clear_record()

    def break_loose(self) -> tuple[float, Counter[str]]:
        """→ seconds until the last node was settled, how many of them are in which state"""
        start = time.perf_counter()
        self._ask("active")
        states = self._settled({"active", "deploy failed", "error"})
        return time.perf_counter() - start, states

    def times(self) -> dict[str, list[float]]:
        """Seconds by what was fetched: entry, script, kernel, ramdisk; ``failed``: what was not."""
        found: dict[str, list[float]] = {"entry": [], "script": [], "file": [], "failed": []}
        for entry in self.rack.record():
            path = _FETCH.match(entry["operation"])
            if entry["protocol"] != "boot" or path is None:
                continue
            took = _TOOK.search(entry["outcome"])
            kind = {"/boot.ipxe": "entry", "/ipxe": "script"}.get(path[1], "file")
            found[kind if took else "failed"].append(float(took[1]) if took else 0.0)
        return found

    def _uuids(self) -> list[str]:
        """Once the rack is enrolled."""
        end = time.monotonic() + LONGEST_S
        while json.loads((self.running.data / "state.json").read_text())["phase"] != "ready":
            if time.monotonic() > end:
                raise RuntimeError("the rack is not enrolled")
            time.sleep(LOOK_S)
        return [node["uuid"] for page in self._pages("uuid") for node in page]

    def _pages(self, fields: str) -> Iterator[list[dict[str, Any]]]:
        marker = ""
        while page := self.api.json("GET", f"/v1/nodes?fields={fields}&limit=1000{marker}")["nodes"]:
            yield page
            marker = f"&marker={page[-1]['uuid']}"

    def _all(self, verb: str, state: str) -> None:
        self._ask(verb)
        states = self._settled({state})
        if states[state] != self.count:
            raise RuntimeError(f"{verb}: {dict(states)}")

    def _ask(self, verb: str) -> None:
        def one(i: int) -> None:
            ask(self.api, self.nodes[i], verb, every_s=ASK_AGAIN_S, longest_s=LONGEST_S)

        run(one, self.count, CLIENTS)

    def _settled(self, ends: set[str]) -> Counter[str]:
        """Until all are in one of these states and nobody holds them, or the longest time is over."""
        end = time.monotonic() + LONGEST_S
        while True:
            states: Counter[str] = Counter()
            for page in self._pages("uuid,provision_state,reservation"):
                states.update(node["provision_state"] for node in page if node["reservation"] is None)
            if sum(states[state] for state in ends) >= self.count or time.monotonic() > end:
                return states
            time.sleep(LOOK_S)


def percentile_ms(values: list[float], share: float) -> float:
    ordered = sorted(values) or [float("nan")]
    return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def figures(count: int, pace: float) -> list[Figure]:
    with suite.running("--rack", str(count), "--rack-pace", str(pace), environment=ENVIRONMENT) as running:
        storm = Storm(running, count)
        print(f"preparing {count} machines …", flush=True)
        storm.prepare()
        before = running.tree.cpu_by_service_s()
        print("all deploy …", flush=True)
        port = int((running.data / "boot-port").read_text())
        scripts = [f"/ipxe?mac={each['macs'][0].replace(':', '-')}" for each in storm.rack.machines()]
        with (
            Watch(running.tree.root, running.data / "artifacts") as watch,
            Probe(port, scripts, b"#!ipxe") as probe,
            Probe(storm.control_port, ["/"], b"{") as rack_itself,
        ):
            seconds, states = storm.break_loose()
        after = running.tree.cpu_by_service_s()
        times = storm.times()
        written = sum(machine["disk"]["holds"] == "image" for machine in storm.rack.machines())
        hundredths = {name: after[name] - before.get(name, 0.0) for name in after}
    return [
        Figure(f"of {count} deployments at once, failed", "", count - states["active"], 0, None),
        Figure("machines whose disk does not hold the image", "", count - written, 0, None),
        Figure("from the first verb to the last active node", "s", seconds, None, None),
        Figure("deployments", "1/s", count / seconds, None, None, more=True),
        Figure("script, p99, beside the rack", "ms", percentile_ms(probe.times, 0.99), SCRIPT_MS, None),
        Figure("script, p50, beside the rack", "ms", percentile_ms(probe.times, 0.5), None, None),
        Figure("scripts beside the rack that failed", "", probe.failed, 0, None),
        Figure("how late the rack itself answers, p99", "ms", percentile_ms(rack_itself.times, 0.99), None, None),
        Figure("how late the rack itself answers, p50", "ms", percentile_ms(rack_itself.times, 0.5), None, None),
        Figure("script, p99, in the rack", "ms", percentile_ms(times["script"], 0.99), None, None),
        Figure("script, p50, in the rack", "ms", percentile_ms(times["script"], 0.5), None, None),
        Figure("entry, p99, in the rack", "ms", percentile_ms(times["entry"], 0.99), None, None),
        Figure("kernel and ramdisk, p99", "ms", percentile_ms(times["file"], 0.99), None, None),
        Figure("fetches that failed and were tried again", "", len(times["failed"]), 0, None),
        Figure("CPU of the control plane per deployment", "ms", 1000 * sum(hundredths.values()) / count, None, None),
        *(
            Figure(f"CPU of {name} per deployment", "ms", 1000 * used / count, None, None)
            for name, used in sorted(hundredths.items(), key=lambda item: -item[1])
            if 1000 * used / count >= 1
        ),
        Figure("artifact store at its largest", "MB", watch.store_mb, STORE_MB, None),
        *(
            Figure(f"memory of {name} at its largest", "MB", value, None, None)
            for name, value in sorted(watch.memory_mb.items(), key=lambda item: -item[1])
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.storm", description=__doc__)
    parser.add_argument("--machines", type=int, default=1000)
    parser.add_argument("--pace", type=float, default=0.2, help="how long machines take, as a share of real ones (0.2)")
    options = parser.parse_args()
    print(table(figures(options.machines, options.pace)))


if __name__ == "__main__":
    main()
