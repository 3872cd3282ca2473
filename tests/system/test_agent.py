"""A node cleaned, deployed, rescued and inspected by an agent that calls home, with all services."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from steelyard_local.testing import RunningSuite

from .agent_life import LivingAgent, living_agent
from .operator import Operator

MAC = "52:54:00:00:77:01"
FAKES = ("bios", "boot", "raid", "vendor", "power", "management", "console", "firmware")
NODE: dict[str, Any] = {
    "driver": "fake-hardware", **{f"{name}_interface": "fake" for name in FAKES}, "deploy_interface": "direct",
    "rescue_interface": "agent", "inspect_interface": "agent", "network_interface": "noop",
}  # fmt: skip
IMAGE = {"image_source": "https://images.example/cloud.qcow2", "image_checksum": "a" * 64}
FOUND = {"interfaces": [{"name": "eth0", "mac_address": MAC}], "cpu": {"architecture": "aarch64"}}


def _go(operator: Operator, name: str, target: str, state: str, **more: Any) -> dict[str, Any]:
    operator.ask("PUT", f"/v1/nodes/{name}/states/provision", {"target": target, **more})
    return operator.wait(name, lambda node: node["provision_state"] == state)


def _names(living: LivingAgent) -> list[str]:
    names = living.agent.names
    living.agent.received.clear()
    return names


@pytest.mark.slow
def test_an_agent_that_calls_home_cleans_deploys_and_rescues_its_node(shared: RunningSuite, tmp_path: Path) -> None:
    operator = Operator(shared.url)
    (name,) = operator.enrol([{"name": "worker", **NODE, "instance_info": IMAGE}])
    operator.ask("POST", "/v1/ports", {"node_uuid": operator.node(name)["uuid"], "address": MAC})
    with living_agent(shared.url, MAC, tmp_path) as living:
        cleaned = _go(operator, name, "provide", "available")
        assert _names(living) == ["clean.get_clean_steps"] + ["clean.execute_clean_step"] * 2
        assert "agent_url" not in cleaned["driver_internal_info"]

        deployed = _go(operator, name, "active", "active", configdrive={"meta_data": {"x": 1}})
        assert _names(living) == [
            "deploy.get_deploy_steps", "deploy.execute_deploy_step", "standby.get_partition_uuids",
            "image.install_bootloader", "standby.sync", "standby.power_off",
        ]  # fmt: skip
        assert deployed["last_error"] is None

        _go(operator, name, "rescue", "rescue", rescue_password="let-me-in")
        assert _names(living) == ["rescue.finalize_rescue"]
        assert living.lookups == 3
        assert set(living.refused) <= {400, 409}


@pytest.mark.slow
def test_a_ramdisk_that_tells_what_it_found_ends_the_inspection(shared: RunningSuite, tmp_path: Path) -> None:
    operator = Operator(shared.url)
    (name,) = operator.enrol([{"name": "unknown", **NODE}])
    operator.ask("POST", "/v1/ports", {"node_uuid": operator.node(name)["uuid"], "address": MAC})
    operator.ask("PUT", f"/v1/nodes/{name}/states/provision", {"target": "inspect"})
    operator.wait(name, lambda node: node["provision_state"] == "inspect wait")
    with living_agent(shared.url, MAC, tmp_path) as living:
        status, answer = living.ask("POST", "/v1/continue_inspection", {"inventory": FOUND}, version="")

    inspected = operator.wait(name, lambda node: node["provision_state"] == "manageable")

    assert (status, answer) == (202, {"uuid": inspected["uuid"]})
    assert inspected["properties"]["cpu_arch"] == "aarch64"
