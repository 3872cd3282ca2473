"""Whole lives while everything breaks in turn: nobody is lost or stuck, and no BMC is told anything twice.

``STEELYARD_CHAOS_LIVES=500`` for the long run (8 minutes and more); figures are printed (``pytest -s``).
"""

from __future__ import annotations

import itertools
import json
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from steelyard_common.embedded import EmbeddedNats
from steelyard_local.testing import RunningSuite, running_suite
from steelyard_rack.testing import RunningRack, running_rack

from .chaos import Echo, Line
from .lives import POWER_ACTIONS_OF_A_LIFE, Lives, fake_body, rack_body
from .operator import Operator
from .processes import kill

LIVES = int(os.environ.get("STEELYARD_CHAOS_LIVES", "24"))
IS_LONG = LIVES > 100
NODES = 60 if IS_LONG else 12
PAUSE_S = 4.0 if IS_LONG else 1.0
BACK_WITHIN_S = 90.0  # on a machine that may be busy; what was measured is printed
KILLED = ("inventory", "power", "boot", "gateway", "PostgreSQL")


@dataclass(frozen=True, kw_only=True)
class Room:
    """The machine room: suite, rack, and the bus behind a line that may be cut."""

    suite: RunningSuite
    rack: RunningRack
    nats: EmbeddedNats
    line: Line
    echo: Echo

    def faults(self) -> dict[str, Callable[[], None]]:
        kills = {f"kill -9 {each}": lambda each=each: kill(self.suite.pid, each) for each in KILLED}
        return kills | {
            "kill -9 nats-server": self._kill_nats,
            "bus connections cut": self.line.cut,
            "bus stands still for 3 s": lambda: self.line.hold(3.0),
            "database connections cut": self._cut_database,
        }

    def _kill_nats(self) -> None:
        assert self.nats.process is not None
        self.nats.process.kill()
        self.nats.process.wait()
        self.nats.start()

    def _cut_database(self) -> None:
        state = json.loads((self.suite.data / "state.json").read_text())
        (url,) = (child["url"] for child in state["children"] if child["name"] == "postgres")
        with psycopg.connect(url) as connection:
            cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            row = connection.execute(f"{cut} AND backend_type = 'client backend'").fetchone()
        assert row is not None
        assert row[0] > 0


@contextmanager
def _room(machines: int) -> Iterator[Room]:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        nats = EmbeddedNats(Path(folder) / "nats")
        url = nats.start()
        stack.callback(nats.stop)
        line = Line(nats.port)
        stack.callback(line.close)
        there = urlsplit(url)
        through = there._replace(netloc=there.netloc.replace(str(there.port), str(line.port))).geturl()
        environment = {"STEELYARD_NATS_URL": through, "STEELYARD_POWER_SYNC_INTERVAL_S": "5"}
        rack = stack.enter_context(running_rack(machines=machines, fast=False, power_on="0.5-1", power_off="0.5-1"))
        suite = stack.enter_context(running_suite(environment=environment))
        echo = Echo(url, ["*.step.>", "*.result.*", "*.power.evt.>", "*.inventory.evt.>"])
        stack.callback(echo.close)
        yield Room(suite=suite, rack=rack, nats=nats, line=line, echo=echo)


@dataclass(kw_only=True)
class Tally:
    """``back``: seconds until in stride again, by fault; ``lived``: finished lives by node.

    ``finished``: all lives are over; ``struck``: each fault has struck once.
    """

    back: dict[str, list[float]] = field(default_factory=dict)
    lived: Counter[str] = field(default_factory=Counter)
    finished: threading.Event = field(default_factory=threading.Event)
    struck: threading.Event = field(default_factory=threading.Event)


def _break_in_turn(room: Room, witness: Lives, tally: Tally) -> None:
    """Each fault at least once; after each one the witness must get through gateway, inventory, boot and power."""
    verbs = itertools.cycle(("active", "deleted"))
    faults = room.faults()
    for what, strike in itertools.cycle(faults.items()):
        if tally.finished.wait(PAUSE_S):
            return
        strike()
        start = time.monotonic()
        witness.go(next(verbs))
        tally.back.setdefault(what, []).append(time.monotonic() - start)
        if len(tally.back) == len(faults):
            tally.struck.set()


def _live(all_lives: Lives, todo: Iterator[int], tally: Tally, over: threading.Event) -> None:
    """Until the lives that were wanted are lived, and on while there is a fault that has not struck."""
    while next(todo, None) is not None or not (tally.struck.is_set() or over.is_set()):
        all_lives.live()
        tally.lived[all_lives.name] += 1


@pytest.mark.slow
def test_lives_go_on_while_everything_breaks_in_turn() -> None:
    tally, over = Tally(), threading.Event()
    with _room(NODES // 2) as room:
        operator = Operator(room.suite.url)
        machines = [Lives(operator, rack_body(body), over, has_machine=True) for body in room.rack.nodes()]
        fakes = [Lives(operator, fake_body(f"fake-{i}"), over, has_machine=False) for i in range(NODES // 2)]
        witness = Lives(operator, fake_body("witness"), over, has_machine=False)
        witness.begin()
        witness.go("manage")
        witness.go("provide")
        start = time.monotonic()
        with ThreadPoolExecutor(NODES + 1) as pool:
            breaker = pool.submit(_break_in_turn, room, witness, tally)
            breaker.add_done_callback(lambda done: over.set() if done.exception() else None)
            todo = [iter(range(LIVES // 2)), iter(range(LIVES - LIVES // 2))]
            lives = [pool.submit(_live, each, todo[0], tally, over) for each in machines]
            lives += [pool.submit(_live, each, todo[1], tally, over) for each in fakes]
            try:
                for life in as_completed(lives):
                    life.result()
            except BaseException:
                over.set()
                if breaker.done():
                    breaker.result()  # which may be why
                raise
            finally:
                tally.finished.set()
            breaker.result()
        _report(tally, room, operator, time.monotonic() - start)

        assert tally.struck.is_set()
        assert tally.lived.total() >= LIVES
        told = {name: sum(actions.values()) for name, actions in room.rack.power_actions().items()}
        wanted = {each.name: POWER_ACTIONS_OF_A_LIFE * tally.lived[each.name] for each in machines}
        assert told == wanted, "each power action reached its BMC exactly once"
        assert max(max(each) for each in tally.back.values()) <= BACK_WITHIN_S
        assert room.echo.said > LIVES
        (left,) = operator.ask("GET", "/v1/nodes")["nodes"]
        assert left["name"] == "witness"
        assert set(operator.seen) <= {0, 200, 201, 202, 204, 400, 404, 409, 500, 502, 503, 504}


def _report(tally: Tally, room: Room, operator: Operator, took_s: float) -> None:
    print(f"\n{tally.lived.total()} lives in {took_s:.0f} s; {room.echo.said} messages said twice; {operator.seen}")
    for what, seconds in tally.back.items():
        print(f"{what:28} {len(seconds):3} times, back in stride after at most {max(seconds):.1f} s")
