"""A sick BMC is named, harms no other, and is noticed when it is well again."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_rack.testing import RunningRack

from .operator import Operator


@pytest.fixture
def settings() -> dict[str, str]:
    """Recorded is what is seen, so that a pressed button shows how fresh the record is."""
    return {
        "STEELYARD_POWER_SYNC_INTERVAL_S": "5",
        "STEELYARD_POWER_RECOVERY_INTERVAL_S": "5",
        "STEELYARD_FORCE_POWER_STATE_DURING_SYNC": "false",
    }


@pytest.mark.slow
@pytest.mark.parametrize("fault", [{"hang": True}, {"http_error": 500}], ids=["hangs", "answers 500"])
def test_a_sick_bmc_gets_a_fault_while_the_others_stay_fresh_and_recovers_by_itself(
    operator: Operator, rack: RunningRack, fault: dict[str, Any]
) -> None:
    names = operator.enrol(node for node in rack.nodes() if node["driver"] == "redfish")
    sick, *others = names

    rack.fault(sick, **fault)
    for name in others:
        rack.press(name, "on")

    for name in others:
        operator.wait(name, lambda node: node["power_state"] == "power on", within_s=60)
    node = operator.wait(sick, lambda node: node["fault"] == "power failure", within_s=120)
    assert node["maintenance"]
    assert node["last_error"]

    rack.clear_faults(sick)
    node = operator.wait(sick, lambda node: node["fault"] is None, within_s=180)
    assert not node["maintenance"]
