"""One fake-hardware node through its whole life, over HTTP, with all seven services."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_local.testing import RunningSuite

from .operator import Operator

INTERFACES = {f"{name}_interface": "fake" for name in ("bios", "boot", "deploy", "inspect", "raid", "rescue", "vendor")}


def _go(operator: Operator, name: str, target: str, state: str, **more: Any) -> dict[str, Any]:
    operator.ask("PUT", f"/v1/nodes/{name}/states/provision", {"target": target, **more})
    return operator.wait(name, lambda node: node["provision_state"] == state)


@pytest.mark.slow
def test_a_fake_node_lives_its_whole_life(shared: RunningSuite) -> None:
    operator = Operator(shared.url)
    (name,) = operator.enrol([{"name": "phoenix", "driver": "fake-hardware", **INTERFACES}])

    inspected = _go(operator, name, "inspect", "manageable")
    assert inspected["properties"]["cpu_arch"] == "x86_64"
    reset = [{"interface": "bios", "step": "factory_reset"}, {"interface": "raid", "step": "delete_configuration"}]
    _go(operator, name, "clean", "manageable", clean_steps=reset)
    _go(operator, name, "provide", "available")
    deployed = _go(operator, name, "active", "active")
    _go(operator, name, "rescue", "rescue", rescue_password="let-me-in")
    _go(operator, name, "unrescue", "active")
    freed = _go(operator, name, "deleted", "available")

    assert (inspected["last_error"], deployed["last_error"], freed["last_error"]) == (None, None, None)
    assert freed["reservation"] is None


@pytest.mark.slow
def test_a_fake_that_is_told_to_fail_says_why_and_can_be_brought_back(shared: RunningSuite) -> None:
    operator = Operator(shared.url)
    told = {"fake_factory_reset_fail": "the BIOS is on fire", "fake_log_passthrough_seconds": 1}
    (name,) = operator.enrol([{"name": "stuck", "driver": "fake-hardware", "driver_info": told, **INTERFACES}])
    steps = [{"interface": "vendor", "step": "log_passthrough"}, {"interface": "bios", "step": "factory_reset"}]

    failed = _go(operator, name, "clean", "clean failed", clean_steps=steps)

    assert "the BIOS is on fire" in failed["last_error"]
    assert (failed["maintenance"], failed["fault"]) == (True, "clean failure")
    operator.ask("DELETE", f"/v1/nodes/{name}/maintenance")
    _go(operator, name, "manage", "manageable")
