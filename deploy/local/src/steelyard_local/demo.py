"""``steelyard demo``: every machine of the rack goes from "a BMC address" to "running an image", before your eyes."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from steelyard_common.errors import Conflict, InvalidRequest, SteelyardError
from steelyard_rack.client import RackClient
from steelyard_rack.shelf import IMAGE

from .api import Api
from .layout import Layout
from .suite import Suite
from .supervisor import beside

PHASE_S = 180.0
LOOK_EVERY_S = 0.5
ASK_AGAIN_S, ASK_TIMES = 0.5, 40
_FIELDS = (
    "uuid,name,driver,provision_state,target_provision_state,power_state,target_power_state,last_error,reservation,"
    "clean_step,deploy_step,inspection_finished_at"
)
Node = dict[str, Any]
Ask = Callable[[Api, Node], None]


@dataclass(frozen=True, kw_only=True)
class Phase:
    """``ask`` each node for it; ``is_done`` once nobody holds the node any more."""

    title: str
    ask: Ask
    is_done: Callable[[Node], bool]


@dataclass(frozen=True, kw_only=True)
class Demo:
    """``rack``: its control API, which serves the image, too; ``layout``: of the suite, for the words at the end."""

    rack: RackClient
    layout: Layout

    def run(self, api: Api, stop: threading.Event) -> int:
        """→ 0 when every machine went through all phases."""
        screen = _Screen()
        began = time.monotonic()
        phases = self._phases()
        for number, phase in enumerate(phases, start=1):
            start = time.monotonic()
            left = _phase(api, stop, screen, f"{number}/{len(phases)} {phase.title}", phase)
            if left:
                screen.say(f"{phase.title}: not reached by {', '.join(left)}")
                return 1
            screen.say(f"{phase.title}: all machines in {time.monotonic() - start:.1f} s")
        machines = self.rack.machines()
        if not _say_disks(screen, machines, self._image()["image_checksum"]):
            return 1
        _say_waterfall(api, screen, machines[0]["name"])
        screen.say(
            f"Done: {len(machines)} machines run the image, {time.monotonic() - began:.0f} s after their enrolment."
        )
        return 0

    def run_and_stay(self, api: Api, stop: threading.Event) -> int:
        """As ``run``; then says how to go on."""
        status = self.run(api, stop)
        print(self._next_words(api), flush=True)
        return status

    def _phases(self) -> Sequence[Phase]:
        image = self._image()

        def deploy(api: Api, node: Node) -> None:
            _change(api, node, "instance_info", image)
            _target("active", configdrive={"meta_data": {"name": node["name"]}})(api, node)

        def inspect(api: Api, node: Node) -> None:
            _change(api, node, "inspect_interface", "agent")
            _target("inspect")(api, node)

        return (
            Phase(title="verify", ask=_target("manage"), is_done=_is("manageable")),
            Phase(
                title="inspect", ask=inspect,
                is_done=lambda node: _is("manageable")(node) and bool(node["inspection_finished_at"]),
            ),
            Phase(title="clean", ask=_target("provide"), is_done=_is("available")),
            Phase(title="deploy", ask=deploy, is_done=_is("active")),
        )  # fmt: skip

    def _image(self) -> dict[str, str]:
        """What the rack serves, fetched and served to the machines by boot."""
        return {
            "image_source": f"{self.rack.url}/files/{IMAGE}", "image_checksum": self.rack.files()[IMAGE]["sha256"],
            "image_download_source": "local",
        }  # fmt: skip

    def _next_words(self, api: Api) -> str:
        first = _nodes(api)[0]
        name, node = first["name"], f"{api.url}/v1/nodes/{first['uuid']}"
        tool = beside("baremetal")
        settings = " ".join(f"--instance-info {key}={value}" for key, value in self._image().items())
        lines = [
            f"export OS_CLIENT_CONFIG_FILE={self.layout.clouds} OS_CLOUD=steelyard",
            f"{tool} node list",
            f"curl -s {node}/explain     # what it does or waits for, and what you may do",
            f"curl -s {node}/timeline    # all that happened to it",
            f"curl -s {node}/boots       # how far each of its boots came, hop by hop",
            f'curl -s -d \'{{"target": "deleted"}}\' {node}/plans    # what undeploying it would do',
            f"{tool} node undeploy {name} --wait    # take the instance down; this erases the disk",
            f"{tool} node set {name} {settings}",
            f"{tool} node deploy {name} --wait      # and have the image on it again",
            f"{beside('steelyard')} rack show {name} --data {self.layout.root}    # the machine itself: its disk",
        ]
        head = f"The API stays up at {api.url}/v1 until Ctrl-C. Next, in another terminal:"
        return "\n  ".join([head, *lines])


def run(suite: Suite, api: Api, stop: threading.Event) -> int:
    """→ 0 when every machine went through all phases. Errors: InvalidRequest without a rack."""
    return _demo(suite).run(api, stop)


def run_and_stay(suite: Suite, api: Api, stop: threading.Event) -> int:
    """As ``run``; then says how to go on."""
    return _demo(suite).run_and_stay(api, stop)


def _demo(suite: Suite) -> Demo:
    if suite.rack is None:
        raise InvalidRequest("the demo needs a rack of at least one machine: --rack N")
    return Demo(rack=RackClient(f"http://127.0.0.1:{suite.rack.control_port}"), layout=suite.layout)


def _phase(api: Api, stop: threading.Event, screen: _Screen, title: str, phase: Phase) -> list[str]:
    """Ask all, watch all. → names of those that did not get there in time."""
    for node in _nodes(api):
        if not phase.is_done(node):
            phase.ask(api, node)
    deadline = time.monotonic() + PHASE_S
    while True:
        nodes = _nodes(api)
        waiting = [node["name"] for node in nodes if not phase.is_done(node)]
        screen.show(title, nodes, len(nodes) - len(waiting))
        is_hopeless = waiting and all(_has_failed(node) for node in nodes if node["name"] in waiting)
        if not waiting or is_hopeless or time.monotonic() > deadline or stop.wait(LOOK_EVERY_S):
            return waiting


def _nodes(api: Api) -> list[Node]:
    nodes: list[Node] = api.get(f"/v1/nodes?fields={_FIELDS}&sort_key=name&limit=1000")["nodes"]
    return nodes


def _is(state: str) -> Callable[[Node], bool]:
    return lambda node: node["provision_state"] == state and not node["reservation"] and not node["target_power_state"]


def _has_failed(node: Node) -> bool:
    return str(node["provision_state"]).endswith(("failed", "error")) or (
        bool(node["last_error"]) and not node["reservation"]
    )


def _target(target: str, **more: Any) -> Ask:
    def ask(api: Api, node: Node) -> None:
        _until_free(lambda: api.put(f"/v1/nodes/{node['uuid']}/states/provision", {"target": target, **more}))

    return ask


def _change(api: Api, node: Node, field: str, value: Any) -> None:
    patch = [{"op": "add", "path": f"/{field}", "value": value}]
    _until_free(lambda: api.call("PATCH", f"/v1/nodes/{node['uuid']}", patch))


def _until_free(ask: Callable[[], Any]) -> None:
    """Somebody else has the node for a moment. Errors: those of the API."""
    for left in reversed(range(ASK_TIMES)):
        try:
            ask()
        except Conflict:
            if not left:
                raise
            time.sleep(ASK_AGAIN_S)
        else:
            return


def _say_disks(screen: _Screen, machines: list[dict[str, Any]], sha256: str) -> bool:
    """→ whether all machines have what they should have: looked at on the machines, not in the API."""
    right = [machine for machine in machines if machine["disk"]["sha256"] == sha256]
    screen.say(f"On the disks: image {sha256[:12]} on {len(right)} of {len(machines)} machines.")
    return len(right) == len(machines)


def _say_waterfall(api: Api, screen: _Screen, name: str) -> None:
    """How one machine booted, hop by hop."""
    try:
        attempts = api.get(f"/v1/nodes/{name}/boots")["boots"]
    except SteelyardError as error:
        screen.say(f"How {name} booted cannot be shown: {error.message}")
        return
    whole = next((each for each in attempts if each["purpose"] == "deploy" and each["outcome"] == "booted"), None)
    if whole is not None:
        hops = " → ".join(f"{hop['hop']} {hop['after_s']:.1f} s" for hop in whole["hops"])
        screen.say(f"How {name} booted to be deployed: {hops}")


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
    step = (node["clean_step"] or node["deploy_step"] or {}).get("step", "")
    error = f"  {node['last_error'][:80]}" if node["last_error"] else ""
    power = f"{node['power_state'] or 'unknown'}{target}"
    return (
        f"{node['name']:<14} {node['driver']:<10} {node['provision_state']:<14} {power:<24} {step:<22}{error}".rstrip()
    )
