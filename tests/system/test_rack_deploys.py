"""Machines of the rack boot, are cleaned and deployed by the whole suite; what kills processes and agents meanwhile."""

from __future__ import annotations

import json
from typing import Any

import pytest
from steelyard_common.testing import eventually
from steelyard_local.testing import RunningSuite, running_suite
from steelyard_rack.client import RackClient
from steelyard_rack.shelf import IMAGE

from .operator import Operator


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
        return [
            self.operator.wait(
                name,
                lambda node: node["provision_state"] == state and node["reservation"] is None,
                within_s=within_s,
            )
            for name in wanted
        ]

    def give_image(self, names: list[str] | None = None) -> None:
        patch = [{"op": "add", "path": "/instance_info", "value": image_of(self.rack)}]
        for name in self.names if names is None else names:
            self.operator.ask("PATCH", f"/v1/nodes/{name}", patch)


@pytest.mark.slow
def test_machines_boot_are_cleaned_and_deployed_and_run_their_instance_from_disk() -> None:
    with running_suite("--rack", "4", "--rack-pace", "0.02") as suite:
        fleet = Fleet(suite)
        fleet.go("manage", "manageable")
        fleet.go("provide", "available")
        cleaned = fleet.rack.machine(fleet.names[0])
        assert cleaned["disk"]["holds"] == "nothing"
        assert cleaned["disk"]["wiped_at"]

        fleet.give_image()
        fleet.go("active", "active", configdrive={"meta_data": {"x": 1}})

        for name in fleet.names:
            machine = fleet.rack.machine(name)
            assert machine["disk"]["sha256"] == fleet.rack.files()[IMAGE]["sha256"]
            assert machine["disk"]["configdrive"] is True
            assert machine["power"] == "On"
