"""What whole lives on fake hardware cost: ``python -m bench.lifecycle [--lives 1000] [--nodes 10000] [--ironic 200]``.

A suite of its own, of ``--replicas`` processes a service. ``--ironic``: so many lives on a real Ironic 39 first (as
``make differential`` starts it), by the same client on the same machine; its figures then stand beside ours.
 A life is: enrolled, manage, provide (with cleaning), active, deleted (with cleaning); each verb is
asked of all nodes at once, so that all their workflows meet. Once on an empty suite, once among ``--nodes`` idle ones.
CPU is that of the whole control plane, PostgreSQL and nats-server included; the client's is not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

import nats
import psutil
from nats.aio.msg import Msg

from tests.differential import real_ironic

from . import api, suite
from .accounting import Tree
from .client import Api, Load, ask, run
from .report import Figure, table

CLIENTS = 16
LOOK_S = 0.5
ASK_AGAIN_S = 0.5
LONGEST_S = 300.0
LIFE = (("manage", "manageable"), ("provide", "available"), ("active", "active"), ("deleted", "available"))
FAKES = {f"{name}_interface": "fake" for name in ("bios", "boot", "deploy", "inspect", "raid", "rescue", "vendor")}


class Follower:
    """An integration that follows all events, and how late each of them is: seconds from ``time`` until it is here."""

    def __init__(self, running: suite.Suite) -> None:
        self.lags: list[float] = []
        self._me = json.loads((running.data / "bus" / "integration.json").read_text())
        self._ready, self._loop, self._end = threading.Event(), asyncio.new_event_loop(), asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._follow()], daemon=True)

    def __enter__(self) -> Follower:
        self._thread.start()
        assert self._ready.wait(30), "the bus does not take us"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(30)
        self._loop.close()

    async def _follow(self) -> None:
        me = self._me
        tls = ssl.create_default_context(cafile=me["ca"]) if me.get("ca") else None
        client = await nats.connect(
            me["url"], user=me["user"], password=me["password"], inbox_prefix=me["inbox_prefix"], tls=tls
        )

        async def take(message: Msg) -> None:
            told_at = datetime.fromisoformat(json.loads(message.data)["time"])
            self.lags.append((datetime.now(UTC) - told_at).total_seconds())

        await client.subscribe("local.*.evt.>", cb=take)
        await client.flush()
        self._ready.set()
        await self._end.wait()
        await client.close()


class Lives:
    """``lives`` nodes that go through a life together."""

    def __init__(self, there: Api, tree: Tree, lives: int, prefix: str) -> None:
        self._api, self._tree = there, tree
        self._names = [f"{prefix}-{i:05d}" for i in range(lives)]
        self._refused: Counter[int] = Counter()  # by node: each has a client of its own
        self.cpu_by_service_s: dict[str, float] = {}
        self.seconds = self.cpu_s = 0.0
        self.accepted: list[Load] = []

    @property
    def refused(self) -> int:
        return self._refused.total()

    def live(self) -> None:
        before, start = self._tree.cpu_by_service_s(), time.perf_counter()
        run(self._enrol, len(self._names), CLIENTS)
        for verb, state in LIFE:
            self.accepted.append(run(lambda i, verb=verb: self._ask(i, verb), len(self._names), CLIENTS))  # type: ignore[misc]
            self._wait(state)
        self.seconds = time.perf_counter() - start
        after = self._tree.cpu_by_service_s()
        self.cpu_by_service_s = {name: after[name] - before.get(name, 0.0) for name in after}
        self.cpu_s = sum(self.cpu_by_service_s.values())

    def _enrol(self, i: int) -> None:
        body = {"name": self._names[i], "driver": "fake-hardware", "automated_clean": True, "resource_class": "lives"}
        self._api.json("POST", "/v1/nodes", body | FAKES)

    def _ask(self, i: int, verb: str) -> None:
        self._refused[i] += ask(self._api, self._names[i], verb, every_s=ASK_AGAIN_S, longest_s=LONGEST_S)

    def _wait(self, state: str) -> None:
        """Until all are there and nobody holds them."""
        prefix, end = self._names[0].rsplit("-", 1)[0], time.monotonic() + LONGEST_S
        path = f"/v1/nodes?resource_class=lives&provision_state={state}&limit=1000&fields=uuid,name,reservation"
        while time.monotonic() < end:
            there, marker = 0, ""
            while page := self._api.json("GET", path + marker)["nodes"]:
                there += sum(node["name"].startswith(prefix) and node["reservation"] is None for node in page)
                marker = f"&marker={page[-1]['uuid']}"
                if len(page) < 1000:
                    break
            if there == len(self._names):
                return
            time.sleep(LOOK_S)
        raise RuntimeError(f"only {there} of {len(self._names)} became {state} within {LONGEST_S:.0f} s")


@dataclass(frozen=True, kw_only=True)
class Peer:
    """What a life takes a real Ironic 39: CPU seconds, lives a second, verbs refused. Without one: known figures."""

    cpu_s: float = 0.320
    rate: float = 4.7
    refused: int | None = None


KNOWN = Peer()


def ironic(lives: int) -> Peer:
    """``lives`` at once on a real Ironic 39: one process, SQLite, and no bus to pay for."""
    with real_ironic.running_ironic() as url:
        (process,) = (each for each in psutil.Process().children() if "ironic" in " ".join(each.cmdline()))
        there = Lives(Api(url), Tree(root=process.pid), lives, "ironic")
        there.live()
    return Peer(cpu_s=there.cpu_s / lives, rate=lives / there.seconds, refused=there.refused)


def figures(lives: int, nodes: int, replicas: int = 1, peer: Peer = KNOWN) -> list[Figure]:
    with suite.running("--replicas", str(replicas)) as running:
        api_, tree = running.api, running.tree
        Lives(api_, tree, 50, "warm").live()
        with Follower(running) as follower:
            alone = Lives(api_, tree, lives, "alone")
            alone.live()
        print(f"enrolling {nodes} idle nodes …", flush=True)
        run(lambda i: api.enrol(api_, i), nodes, CLIENTS)
        among = Lives(api_, tree, lives, "among")
        among.live()
    lags = Load(each=follower.lags)
    return [
        *(
            Figure(f"CPU of {name} per life", "ms", 1000 * used / lives, None, None)
            for name, used in sorted(alone.cpu_by_service_s.items(), key=lambda item: -item[1])
            if 1000 * used / lives >= 0.1
        ),
        Figure("CPU per whole life on fake hardware", "ms", 1000 * alone.cpu_s / lives, 60, round(1000 * peer.cpu_s)),
        Figure(f"whole lives, {lives} at once", "1/s", lives / alone.seconds, 25, round(peer.rate, 1), more=True),
        Figure(f"verbs of {8 * lives} that were refused at first", "", alone.refused + among.refused, 0, peer.refused),
        Figure("verb accepted, p99", "ms", max(load.percentile_ms(0.99) for load in alone.accepted), None, None),
        Figure("event lag, p99", "s", lags.percentile_ms(0.99) / 1000, 1, None),
        Figure("events followed per life", "", len(follower.lags) / lives, None, None),
        Figure(f"CPU per life among {nodes} nodes", "ms", 1000 * among.cpu_s / lives, 60, None),
        Figure(f"whole lives among {nodes} nodes", "1/s", lives / among.seconds, 25, None, more=True),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.lifecycle", description=__doc__)
    parser.add_argument("--lives", type=int, default=1_000, help="nodes that live at once (1000)")
    parser.add_argument("--nodes", type=int, default=10_000, help="idle nodes beside them in the second round (10000)")
    parser.add_argument("--replicas", type=int, default=1, help="processes of each service (1)")
    parser.add_argument("--ironic", type=int, default=0, help="so many lives on a real Ironic 39 first (0: none)")
    options = parser.parse_args()
    peer = ironic(options.ironic) if options.ironic else KNOWN
    print(table(figures(options.lives, options.nodes, options.replicas, peer)))


if __name__ == "__main__":
    main()
