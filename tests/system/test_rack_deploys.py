"""Machines of the rack boot, are cleaned and deployed by the whole suite; what kills processes and agents meanwhile."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from steelyard_boot.drivers.iso import files_image
from steelyard_common.testing import eventually
from steelyard_local.testing import RunningSuite, running_suite
from steelyard_rack.client import RackClient
from steelyard_rack.shelf import IMAGE

from services.boot.tests.source_server import serving

from .operator import Operator, Unexpected
from .processes import kill

WRITE = "deploy.execute_deploy_step write_image"
FLEET = int(os.environ.get("STEELYARD_TEST_FLEET", "12"))
NOT_CLEANED = {"STEELYARD_AUTOMATED_CLEAN": "false"}
QUICK = {"STEELYARD_AGENT_HEARTBEAT_TIMEOUT_S": "20"}
BOUND_S = 180.0


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """Faults of a machine (texts may name ``{well}``, a machine that is well), what its node then says, and what its
    boot does."""

    on: dict[str, object] = field(default_factory=dict)
    text: dict[str, str] = field(default_factory=dict)
    says: tuple[str, ...]
    boot: str = ""


NOBODY = ("no agent called", "/boots", "try again")
STRANGER = ("An agent at 127.0.0.1 called at", "agent token", "switch it off", "/boots")
WRONGS = (
    Wrong(text={"agent_dies": "write_image"}, says=("console", "begin this work again")),
    Wrong(text={"agent_fails": "write_image=No space left on device"}, says=("No space left on device", "larger disk")),
    Wrong(on={"no_network": True}, says=NOBODY, boot="no DHCP log is read"),
    Wrong(on={"agent_silent": True}, says=NOBODY, boot="kernel and ramdisk were loaded but no agent called"),
    Wrong(text={"agent_token": "wrong"}, says=STRANGER, boot="was refused (Invalid or missing agent token received.)"),
    Wrong(
        text={"agent_token": "replayed"}, says=STRANGER, boot="was refused (Invalid or missing agent token received.)"
    ),
    Wrong(text={"agent_of": "{well}"}, says=NOBODY, boot="no agent called"),
)
REPLAYS = 5


def rack_of(suite: RunningSuite) -> RackClient:
    """The rack that the suite runs itself."""
    plan = json.loads((suite.data / "rack" / "plan.json").read_text())
    return RackClient(f"http://127.0.0.1:{plan['control_port']}")


def image_of(rack: RackClient) -> dict[str, str]:
    """instance_info of what the rack serves."""
    return {
        "image_source": f"{rack.url}/files/{IMAGE}",
        "image_checksum": rack.files()[IMAGE]["sha256"],
        "image_download_source": "local",
    }


class Fleet:
    """The machines of a suite's rack, as nodes and as hardware."""

    def __init__(self, suite: RunningSuite) -> None:
        self.suite, self.rack, self.operator = suite, rack_of(suite), Operator(suite.url)
        eventually(lambda: json.loads((suite.data / "state.json").read_text())["phase"] == "ready", timeout_s=120)
        self.names = [machine["name"] for machine in self.rack.machines()]

    def go(
        self, target: str, state: str, names: list[str] | None = None, *, within_s: float = 180, **more: Any
    ) -> None:
        """Ask all, then see all there."""
        self.ask(target, names, **more)
        self.see(state, names, within_s=within_s)

    def ask(self, target: str, names: list[str] | None = None, **more: Any) -> None:
        for name in self.names if names is None else names:
            self.operator.ask("PUT", f"/v1/nodes/{name}/states/provision", {"target": target, **more})

    def see(self, state: str, names: list[str] | None = None, *, within_s: float = 180) -> list[dict[str, Any]]:
        wanted = self.names if names is None else names
        return [self._see(name, state, within_s) for name in wanted]

    def _see(self, name: str, state: str, within_s: float) -> dict[str, Any]:
        """Raises Unexpected, which tells what the machine did last."""
        try:
            return self.operator.wait(
                name,
                lambda node: node["provision_state"] == state and node["reservation"] is None,
                within_s=within_s,
            )
        except Unexpected as error:
            did = [(each["operation"], each["outcome"]) for each in self.rack.record(name)[-20:]]
            raise Unexpected(f"{error}; its machine: {self.rack.machine(name)['stage']}; it did: {did}") from error

    def give_image(self, names: list[str] | None = None) -> None:
        patch = [{"op": "add", "path": "/instance_info", "value": image_of(self.rack)}]
        for name in self.names if names is None else names:
            self.operator.ask("PATCH", f"/v1/nodes/{name}", patch)


def writes(fleet: Fleet) -> Counter[str]:
    """Machine → how often an image was written to its end."""
    return Counter(
        entry["machine"]
        for entry in fleet.rack.record()
        if entry["operation"] == WRITE and entry["outcome"] == "SUCCEEDED"
    )


@pytest.mark.slow
def test_machines_boot_by_network_and_by_virtual_media_are_cleaned_and_deployed_and_run_their_instance() -> None:
    """Redfish with virtual media, whose second slot brings the agent its token; IPMI with iPXE."""
    with serving() as source, running_suite("--rack", "2", "--rack-pace", "0.02") as suite:
        fleet = Fleet(suite)
        by_media, _ = fleet.names
        disc = source.put("/deploy.iso", files_image("BOOT", {"boot/kernel": b"a kernel"}))
        patch = [
            {"op": "add", "path": "/boot_interface", "value": "redfish-virtual-media"},
            {"op": "add", "path": "/driver_info/deploy_iso", "value": disc},
        ]
        fleet.operator.ask("PATCH", f"/v1/nodes/{by_media}", patch)
        fleet.go("manage", "manageable")
        fleet.go("provide", "available")
        cleaned = [machine["disk"] for machine in fleet.rack.machines()]
        assert [(disk["holds"], disk["wiped_at"] is not None) for disk in cleaned] == [("nothing", True)] * 2

        fleet.give_image()
        fleet.rack.clear_record()
        fleet.go("active", "active", configdrive={"meta_data": {"x": 1}})

        for machine in fleet.rack.machines():
            assert machine["disk"]["sha256"] == fleet.rack.files()[IMAGE]["sha256"]
            assert machine["disk"]["configdrive"] is True
            assert machine["power"] == "On"
            assert machine["media"] == {"Cd": None, "Usb": None}
        for name in fleet.names:
            eventually(partial(runs_instance, fleet, name), timeout_s=60)
        boot = [entry["operation"] for entry in fleet.rack.record(by_media) if entry["protocol"] == "boot"]
        assert [each.partition("/media/")[0] for each in boot] == ["GET "] * 2, "the ISO, and what is the node's own"


@pytest.mark.slow
def test_every_deployment_completes_though_boot_and_then_inventory_are_killed_while_images_are_written() -> None:
    with running_suite("--rack", str(FLEET), "--rack-pace", "0.02", environment=NOT_CLEANED) as suite:
        fleet = Fleet(suite)
        fleet.go("manage", "manageable")
        fleet.go("provide", "available")
        fleet.give_image()
        fleet.rack.set_faults_of(fleet.names, {"slow_agent": 50.0})

        fleet.ask("active")
        eventually(lambda: at_work(fleet) + sum(writes(fleet).values()) >= FLEET // 3, timeout_s=180, every_s=0.2)
        kill(suite.pid, "boot")
        eventually(lambda: sum(writes(fleet).values()) >= FLEET // 3, timeout_s=180, every_s=0.2)
        kill(suite.pid, "inventory")
        fleet.see("active", within_s=240)

        assert writes(fleet) == dict.fromkeys(fleet.names, 1), "each image was written once"
        image = fleet.rack.files()[IMAGE]["sha256"]
        assert {machine["disk"]["sha256"] for machine in fleet.rack.machines()} == {image}


def runs_instance(fleet: Fleet, name: str) -> bool:
    return bool(fleet.rack.machine(name)["stage"].startswith("instance"))


def at_work(fleet: Fleet) -> int:
    """How many agents write an image just now."""
    nodes = fleet.operator.ask("GET", "/v1/nodes?fields=provision_state,deploy_step&limit=1000")["nodes"]
    return sum((node["deploy_step"] or {}).get("step") == "write_image" for node in nodes)


@pytest.mark.slow
def test_what_agents_and_networks_do_wrong_fails_in_bounded_time_with_cause_and_remedy_and_can_be_mended() -> None:
    settings = {**QUICK, **NOT_CLEANED, "STEELYARD_DEPLOY_WAIT_TIMEOUT_S": "30", "STEELYARD_BOOT_PATIENCE_S": "8"}
    with running_suite("--rack", str(len(WRONGS) + 1), "--rack-pace", "0.02", environment=settings) as suite:
        fleet = Fleet(suite)
        *wrong, well = fleet.names
        fleet.go("manage", "manageable")
        of_before = wrong[REPLAYS]
        patch = [{"op": "add", "path": "/inspect_interface", "value": "agent"}]
        fleet.operator.ask("PATCH", f"/v1/nodes/{of_before}", patch)
        fleet.ask("inspect", [of_before])
        fleet.operator.wait(of_before, lambda node: bool(node["inspection_finished_at"]) and not node["reservation"])
        fleet.go("provide", "available")
        fleet.give_image()
        for name, case in zip(wrong, WRONGS, strict=True):
            fleet.rack.set_faults(
                name, {fault: value.format(well=well) for fault, value in case.text.items()} | case.on
            )

        fleet.ask("active", [well])
        # The token of its boot is its own, before another machine's agent asks for it.
        fleet.operator.wait(well, lambda node: has_agent(node) or node["provision_state"] == "active")
        fleet.ask("active", wrong)
        fleet.see("active", [well], within_s=BOUND_S)
        failed = fleet.see("deploy failed", wrong, within_s=BOUND_S)

        for name, case, node in zip(wrong, WRONGS, failed, strict=True):
            for words in case.says:
                assert words in node["last_error"], (name, case, node["last_error"])
            assert fleet.rack.machine(name)["power"] == "Off"
            if case.boot:
                eventually(partial(says, fleet, name, case.boot), timeout_s=60)
            logs = list((suite.data / "agent-logs").glob(f"{node['uuid']}_*_failure.tar.gz"))
            assert len(logs) == ("agent_fails" in case.text), "an agent that lives tells what it has seen"

        for name in wrong:
            fleet.rack.clear_faults(name)
        fleet.go("active", "active", wrong)
        assert {machine["disk"]["holds"] for machine in fleet.rack.machines()} == {"image"}


def has_agent(node: dict[str, Any]) -> bool:
    return "agent_url" in node["driver_internal_info"]


def says(fleet: Fleet, name: str, words: str) -> bool:
    """Whether one of its boots tells this as the reason."""
    attempts = fleet.operator.ask("GET", f"/v1/nodes/{name}/boots")["boots"]
    return any(words in str(attempt["reason"]) for attempt in attempts)


@pytest.mark.slow
def test_on_the_fast_track_one_boot_serves_inspection_cleaning_and_deployment() -> None:
    with running_suite("--rack", "1", "--rack-pace", "0.02", environment={"STEELYARD_FAST_TRACK": "true"}) as suite:
        fleet = Fleet(suite)
        (name,) = fleet.names
        fleet.go("manage", "manageable")
        patch = [{"op": "add", "path": "/inspect_interface", "value": "agent"}]
        fleet.operator.ask("PATCH", f"/v1/nodes/{name}", patch)
        fleet.ask("inspect")
        fleet.operator.wait(name, lambda node: bool(node["inspection_finished_at"]) and not node["reservation"])
        fleet.rack.clear_record()

        fleet.go("provide", "available")
        assert fleet.rack.machine(name)["power"] == "On"
        assert fleet.rack.machine(name)["disk"]["wiped_at"] is not None
        fleet.give_image()
        fleet.go("active", "active")

        resets = [each["operation"] for each in fleet.rack.record(name) if each["operation"].startswith("Reset")]
        # The agent may have switched its machine off before the BMC is asked to.
        assert [each for each in resets if each != "Reset ForceOff"] == ["Reset On"], "only the instance was started"
        purposes = [each["purpose"] for each in fleet.operator.ask("GET", f"/v1/nodes/{name}/boots")["boots"]]
        assert purposes == ["inspect"]
