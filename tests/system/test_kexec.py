"""Instances that their ramdisk's agent starts: no power is switched for them, whatever dies meanwhile."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from steelyard_common.testing import eventually
from steelyard_local.testing import running_suite

from .processes import kill
from .test_rack_deploys import NOT_CLEANED, Fleet, image_of

LOADED = "deploy.execute_deploy_step kexec_instance"
STARTED = "steelyard.start_instance"
LACKS, CANNOT = "this ramdisk has no step deploy.kexec_instance", "GRUB's configuration has no entry"


@pytest.mark.slow
def test_an_agent_starts_the_instance_though_boot_is_killed_and_what_cannot_goes_through_the_firmware() -> None:
    with running_suite("--rack", "4", "--rack-pace", "0.02", environment=NOT_CLEANED) as suite:
        fleet = Fleet(suite)
        well, killed, lacking, failing = fleet.names
        fleet.go("manage", "manageable")
        fleet.go("provide", "available")
        ask_for_kexec(fleet)
        fleet.rack.set_faults(killed, {"slow_agent": 20.0})  # what boot sees of it is written while it is at work
        fleet.rack.set_faults(lacking, {"agent_lacks": "kexec_instance"})
        fleet.rack.set_faults(failing, {"agent_fails": f"kexec_instance={CANNOT}"})

        fleet.rack.clear_record()
        fleet.ask("active")
        # What boot has seen and not yet written would go with it.
        eventually(lambda: attempts(fleet, killed) == [("deploy", "booted")], timeout_s=90, every_s=0.05)
        eventually(lambda: commands(fleet, killed).count(LOADED), timeout_s=90, every_s=0.05)
        kill(suite.pid, "boot")
        fleet.see("active")

        assert [boots(fleet, name) for name in fleet.names] == [1, 1, 2, 2]
        for name in (well, killed):
            assert sum(fleet.rack.power_actions()[name].values()) == 1, "on, into the ramdisk"
            assert STARTED in commands(fleet, name)
            eventually(partial(tells, fleet, name, "the instance is started by kexec: /boot/vmlinuz"), timeout_s=60)
        for name, reason in ((lacking, LACKS), (failing, CANNOT)):
            eventually(partial(tells, fleet, name, reason), timeout_s=60)
            assert STARTED not in commands(fleet, name)
        for machine in fleet.rack.machines():
            assert (machine["power"], machine["disk"]["holds"]) == ("On", "image")
            eventually(partial(runs_instance, fleet, machine["name"]), timeout_s=60)

        assert attempts(fleet, killed) == [("deploy", "booted")]
        fleet.go("rebuild", "active", [well])
        assert boots(fleet, well) == 2, "into the ramdisk once more"
        fleet.go("deleted", "available", [well])
        assert (fleet.rack.machine(well)["power"], boots(fleet, well)) == ("Off", 2)


def ask_for_kexec(fleet: Fleet) -> None:
    info = {**image_of(fleet.rack), "capabilities": {"kexec": "true"}}
    for name in fleet.names:
        fleet.operator.ask("PATCH", f"/v1/nodes/{name}", [{"op": "add", "path": "/instance_info", "value": info}])
    eventually(lambda: all(is_valid(fleet, name) for name in fleet.names), timeout_s=60, every_s=0.2)


def is_valid(fleet: Fleet, name: str) -> bool:
    """For a deployment; a worker may only just be announcing itself."""
    return bool(fleet.operator.ask("GET", f"/v1/nodes/{name}/validate")["deploy"]["result"])


def runs_instance(fleet: Fleet, name: str) -> bool:
    return str(fleet.rack.machine(name)["stage"]).startswith("instance")


def boots(fleet: Fleet, name: str) -> int:
    """How often its firmware has started it."""
    return int(fleet.rack.machine(name)["boots"])


def attempts(fleet: Fleet, name: str) -> list[tuple[str, str]]:
    """Its boots as boot has seen them, the newest first: what for, and how they ended."""
    found = fleet.operator.ask("GET", f"/v1/nodes/{name}/boots")["boots"]
    return [(each["purpose"], each["outcome"]) for each in found]


def commands(fleet: Fleet, name: str) -> list[str]:
    """That its agent has carried out."""
    return [entry["operation"] for entry in fleet.rack.record(name) if entry["outcome"] == "SUCCEEDED"]


def tells(fleet: Fleet, name: str, words: str) -> bool:
    """Whether its timeline says this of a step."""
    rows: list[dict[str, Any]] = fleet.operator.ask("GET", f"/v1/nodes/{name}/timeline?limit=200")["timeline"]
    return any(words in str(row["detail"]) for row in rows if row["kind"] == "step")
