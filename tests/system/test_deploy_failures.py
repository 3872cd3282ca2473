"""Deployments that cannot go well: each ends in bounded time, says cause and remedy, and the node is used again by API.

A table: what is wrong → what last_error must say. All nodes of a suite fail at once, each with an agent of its own.
"""

from __future__ import annotations

import hashlib
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from steelyard_local.testing import RunningSuite, running_suite

from services.boot.tests.source_server import PIECE, Source, serving

from .agent_life import LivingAgent, living_agent
from .operator import Operator

FAKES = ("bios", "raid", "vendor", "power", "management", "console", "firmware", "boot")
NODE: dict[str, Any] = {
    "driver": "fake-hardware", **{f"{name}_interface": "fake" for name in FAKES}, "deploy_interface": "direct",
    "network_interface": "noop", "automated_clean": False,
}  # fmt: skip
BY_NETWORK = {"boot_interface": "ipxe"}
GOOD, OTHER = os.urandom(1 << 20), os.urandom(1 << 20)
# A wait for an agent ends after WAIT_S; a fetch that may pass is tried for 15 s; the rest is slack of a busy machine.
WAIT_S, BOUND_S = 40, 180
ENDS = ("deploy failed", "active")
SETTINGS = {
    "STEELYARD_ARTIFACTS_MOST_BYTES": "900T", "STEELYARD_DEPLOY_WAIT_TIMEOUT_S": str(WAIT_S),
    "STEELYARD_AGENT_HEARTBEAT_TIMEOUT_S": "20",
}  # fmt: skip
# What ironic-python-agent 13 and qemu-img say.
TOO_SMALL = (
    "Writing image to device /dev/vda failed with exit code 1. stdout: . stderr: qemu-img: error while writing at byte "
    "4294967296: No space left on device"
)
OTHER_SUM = "Image failed to verify against checksum. location: /tmp/i; image ID: i; image checksum: a; verification b"
NO_DISK = "No suitable device was found for deployment using these hints {'serial': 'X'}"
BAD_DRIVE = "Config drive for node n is not base64 encoded (Incorrect padding), and is no URL"


@dataclass(frozen=True, kw_only=True)
class Case:
    """``says``: words of last_error. ``agent_says``: with what its write_image fails; ``dies``: it falls silent then.

    ``after_s``: it cannot fail before.
    """

    says: tuple[str, ...]
    instance_info: dict[str, Any] = field(default_factory=dict)
    node: dict[str, Any] = field(default_factory=dict)
    agent_says: str = ""
    dies: bool = False
    has_agent: bool = True


def local(url: str, sum_of: bytes | str) -> dict[str, Any]:
    """An image that boot fetches and serves."""
    checksum = sum_of if isinstance(sum_of, str) else hashlib.sha256(sum_of).hexdigest()
    return {"image_source": url, "image_checksum": checksum, "image_download_source": "local"}


def cases(source: Source) -> dict[str, Case]:
    good = source.put("/good.img", GOOD)
    cut = source.put("/cut.img", OTHER, cut_at=5 * PIECE, has_ranges=False)
    huge = source.put("/huge.img", OTHER, length=200 << 40)
    page = source.put("/page.img", b"<html>moved</html>", content_type="text/html")
    by_url = {"image_source": good, "image_checksum": hashlib.sha256(GOOD).hexdigest()}
    kernel = {"deploy_kernel": f"{source.url}/kernel", "deploy_ramdisk": source.put("/ramdisk", b"ramdisk")}
    return {
        "wrong-checksum": Case(
            instance_info=local(good, "a" * 64), says=("image_source: ", "a" * 64, "Compare both", "publisher"),
        ),
        "truncated": Case(
            instance_info=local(cut, OTHER),
            says=("image_source: ", f"{len(OTHER)} bytes", f"sent {5 * PIECE}", "published anew"),
        ),
        "no-such-image": Case(
            instance_info=local(f"{source.url}/none.img", "b" * 64), says=("image_source: ", "404", "URL is right"),
        ),
        "web-page": Case(instance_info=local(page, "c" * 64), says=("it is not what was meant", "web page")),
        "disk-full": Case(
            instance_info=local(huge, "d" * 64), says=("do not fit", "STEELYARD_ARTIFACTS_SPARE_BYTES", "Make room"),
        ),
        "nobody-listens": Case(
            instance_info=local("http://127.0.0.1:1/i", "e" * 64), says=("image_source: ", "refused", "network"),
        ),
        "no-kernel": Case(
            instance_info=by_url, node=BY_NETWORK,
            says=("no ramdisk is named", "driver_info deploy_kernel", "STEELYARD_DEPLOY_KERNEL"),
        ),
        "no-such-kernel": Case(
            instance_info=by_url, node={**BY_NETWORK, "driver_info": kernel},
            says=("driver_info deploy_kernel: ", "404", "URL is right"),
        ),
        "too-large": Case(
            instance_info=by_url, agent_says=TOO_SMALL, says=("No space left", "properties.root_device", "larger disk"),
        ),
        "agent-finds-other": Case(
            instance_info=by_url, agent_says=OTHER_SUM, says=("failed to verify", "image_checksum", "deploy again"),
        ),
        "no-disk": Case(instance_info=by_url, agent_says=NO_DISK, says=("'serial': 'X'", "properties.root_device")),
        "bad-drive": Case(instance_info=by_url, agent_says=BAD_DRIVE, says=("Incorrect padding", "gzipped ISO")),
        "agent-dies": Case(instance_info=by_url, dies=True, says=("agent", "console", "again")),
        "nobody-boots": Case(
            instance_info=by_url, has_agent=False, says=("no agent called", "/boots", "right network", "try again"),
        ),
    }  # fmt: skip


@dataclass
class Floor:
    """A suite with a node of each case; ``agents``: by name."""

    suite: RunningSuite
    operator: Operator
    table: dict[str, Case]
    good: dict[str, Any]
    agents: dict[str, LivingAgent] = field(default_factory=dict)

    def node(self, name: str) -> dict[str, Any]:
        return self.operator.node(name)

    def provision(self, name: str, target: str, **more: Any) -> None:
        self.operator.ask("PUT", f"/v1/nodes/{name}/states/provision", {"target": target, **more})


def failing(living: LivingAgent, case: Case) -> Callable[[dict[str, Any], str, dict[str, Any]], None]:
    """What the agent does with a command that it begins: of this case, once."""
    usual, left = living.agent.begun, [1]

    def begun(command: dict[str, Any], name: str, params: dict[str, Any]) -> None:
        is_it = params.get("step", {}).get("step") == "write_image"
        if not is_it or not left or not (case.agent_says or case.dies):
            usual(command, name, params)
            return
        left.clear()
        if case.dies:
            living.stopping.set()
        else:
            living.agent.end(command, "FAILED", case.agent_says)

    return begun


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Floor]:
    with serving() as source, running_suite(environment=SETTINGS) as suite, ExitStack() as agents:
        table = cases(source)
        made = Floor(suite, Operator(suite.url), table, local(source.url + "/good.img", GOOD))
        bodies = []
        for number, (name, case) in enumerate(table.items()):
            port = {"address": f"52:54:00:00:88:{number:02x}"}
            bodies.append({"name": name, **NODE, **case.node, "instance_info": case.instance_info, "ports": [port]})
        made.operator.enrol(bodies)
        for number, (name, case) in enumerate(table.items()):
            made.provision(name, "provide")
            if case.has_agent:
                mac, folder = f"52:54:00:00:88:{number:02x}", tmp_path_factory.mktemp("agent")
                living = agents.enter_context(living_agent(suite.url, mac, folder))
                living.agent.begun = failing(living, case)
                made.agents[name] = living
        yield made


@pytest.mark.slow
def test_each_failure_ends_in_time_with_cause_and_remedy_and_the_node_is_used_again(floor: Floor) -> None:
    operator = floor.operator
    begun = {}
    for name in floor.table:
        operator.wait(name, lambda node: node["provision_state"] == "available")
        begun[name] = time.monotonic()
        floor.provision(name, "active")

    for name, case in floor.table.items():
        within_s = max(1.0, begun[name] + BOUND_S - time.monotonic())
        failed = operator.wait(name, lambda node: node["provision_state"] in ENDS, within_s=within_s)
        assert failed["provision_state"] == "deploy failed", name
        missing = [word for word in case.says if word not in failed["last_error"]]
        assert not missing, f"{name}: {missing} not in: {failed['last_error']}"
        assert not failed["maintenance"]

    for name in floor.table:  # the machine that nobody boots, and the one whose agent died, are started by hand
        _recover(floor, name)


def _recover(floor: Floor, name: str) -> None:
    """By API alone: the right image and deploy again; or give up and undeploy."""
    operator = floor.operator
    operator.wait(name, lambda node: node["reservation"] is None)
    case = floor.table[name]
    if not case.has_agent or case.dies:
        floor.provision(name, "deleted")
        operator.wait(name, lambda node: node["provision_state"] == "available" and node["last_error"] is None)
        return
    change = [{"op": "replace", "path": "/instance_info", "value": floor.good}]
    if case.node:
        url = floor.good["image_source"]
        told = {"deploy_kernel": url, "deploy_ramdisk": url}
        change.append({"op": "add", "path": "/driver_info", "value": told})
    operator.ask("PATCH", f"/v1/nodes/{name}", change)
    floor.provision(name, "active")
    active = operator.wait(name, lambda node: node["provision_state"] == "active", within_s=BOUND_S)
    assert active["last_error"] is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"configdrive": "no base64 !!"}, ("neither a URL nor base64",)),
        ({"configdrive": "aGVsbG8="}, ("not of a gzipped ISO", "gzip -c", "meta_data")),
    ],
)
def test_what_can_be_known_at_once_is_refused_before_anything_starts(
    floor: Floor, body: dict[str, Any], words: tuple[str, ...]
) -> None:
    status, answer = floor.operator.call("PUT", "/v1/nodes/no-kernel/states/provision", {"target": "rebuild", **body})
    assert status == 400
    assert all(word in answer["error_message"] for word in words), answer


@pytest.mark.slow
def test_an_unknown_machine_gets_no_script_and_is_told_what_to_do(floor: Floor) -> None:
    place = (floor.suite.data / "boot-port").read_text().strip()
    port = place.rpartition(":")[2]

    def ask(path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    status, entry = ask("/boot.ipxe")
    assert (status, "Enrol it (a port with this MAC address" in entry) == (200, True)
    for path in ("/ipxe?mac=52-54-00-99-99-99", "/grub.cfg-01-52-54-00-99-99-99", "/pxelinux.cfg/01-52-54-00-99-99-99"):
        status, told = ask(path)
        assert (status, "no boot configuration is kept" in told) == (404, True), path
