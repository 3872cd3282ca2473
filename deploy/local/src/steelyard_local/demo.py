"""``steelyard demo``: every machine of the rack is verified and power cycled, before your eyes."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from steelyard_common.errors import Conflict

from .api import Api

PHASE_S = 180.0
LOOK_EVERY_S = 0.5
_FIELDS = "uuid,name,driver,provision_state,power_state,target_power_state,last_error"
Node = dict[str, Any]
Ask = Callable[[Api, Node], None]


def run(api: Api, stop: threading.Event) -> int:
    """→ 0 when every machine went through all phases."""
    screen = _Screen()
    phases: Sequence[tuple[str, Ask, Callable[[Node], bool]]] = (
        ("verify", _manage, lambda node: node["provision_state"] == "manageable"),
        ("power on", _power("power on"), lambda node: node["power_state"] == "power on"),
        ("power off", _power("power off"), lambda node: node["power_state"] == "power off"),
        ("power on again", _power("power on"), lambda node: node["power_state"] == "power on"),
    )
    for number, (title, ask, is_done) in enumerate(phases, start=1):
        began = time.monotonic()
        left = _phase(api, stop, screen, f"{number}/{len(phases)} {title}", ask, is_done)
        if left:
            screen.say(f"{title}: not reached by {', '.join(left)}")
            return 1
        screen.say(f"{title}: all machines in {time.monotonic() - began:.1f} s")
    screen.say("Done: every machine was verified and power cycled.")
    return 0


def run_and_stay(api: Api, stop: threading.Event) -> int:
    """As ``run``; then says how to go on."""
    status = run(api, stop)
    print(f"The API stays up at {api.url}/v1 until Ctrl-C. Next, in another terminal: the commands above.", flush=True)
    return status


def _phase(
    api: Api, stop: threading.Event, screen: _Screen, title: str, ask: Ask, is_done: Callable[[Node], bool]
) -> list[str]:
    """Ask all, watch all. → names of those that did not get there in time."""
    for node in _nodes(api):
        if not is_done(node):
            ask(api, node)
    deadline = time.monotonic() + PHASE_S
    while True:
        nodes = _nodes(api)
        waiting = [node["name"] for node in nodes if not (is_done(node) and node["target_power_state"] is None)]
        screen.show(title, nodes, len(nodes) - len(waiting))
        if not waiting or time.monotonic() > deadline or stop.wait(LOOK_EVERY_S):
            return waiting


def _nodes(api: Api) -> list[Node]:
    nodes: list[Node] = api.get(f"/v1/nodes?fields={_FIELDS}&sort_key=name")["nodes"]
    return nodes


def _manage(api: Api, node: Node) -> None:
    api.put(f"/v1/nodes/{node['uuid']}/states/provision", {"target": "manage"})


def _power(target: str) -> Ask:
    def ask(api: Api, node: Node) -> None:
        for _ in range(20):
            try:
                api.put(f"/v1/nodes/{node['uuid']}/states/power", {"target": target})
            except Conflict:  # somebody else has it for a moment
                time.sleep(0.5)
            else:
                return

    return ask


class _Screen:
    """A table that is drawn again in place on a terminal; changed lines only, elsewhere."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._height = 0
        self._last: dict[str, str] = {}

    def say(self, line: str) -> None:
        print(line, flush=True)
        self._height = 0

    def show(self, title: str, nodes: list[Node], done: int) -> None:
        lines = {node["name"]: _line(node) for node in nodes}
        if self._is_terminal:
            width = shutil.get_terminal_size().columns - 1  # a line that wraps would spoil the count
            table = [line[:width] for line in (f"── {title}: {done} of {len(nodes)} ", *lines.values())]
            up = f"\x1b[{self._height}A" if self._height else ""
            sys.stdout.write(up + "".join(f"\x1b[2K{line}\n" for line in table))
            self._height = len(table)
        else:
            for name, line in lines.items():
                if self._last.get(name) != line:
                    sys.stdout.write(f"{title}: {line}\n")
        self._last = lines
        sys.stdout.flush()


def _line(node: Node) -> str:
    target = f" → {node['target_power_state']}" if node["target_power_state"] else ""
    error = f"  {node['last_error'][:80]}" if node["last_error"] else ""
    power = f"{node['power_state'] or 'unknown'}{target}"
    return f"{node['name']:<14} {node['driver']:<10} {node['provision_state']:<12} {power:<24}{error}"
