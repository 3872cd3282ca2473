"""A sick BMC is named, harms no other, and is noticed when it is well again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from steelyard_local.testing import RunningSuite, running_suite
from steelyard_rack.testing import RunningRack

from .operator import Operator
from .shared import clear_away


@pytest.fixture(scope="module")
def suite() -> Iterator[RunningSuite]:
    """Recorded is what is seen, so that a pressed button shows how fresh the record is."""
    settings = {
        "STEELYARD_POWER_SYNC_INTERVAL_S": "5",
        "STEELYARD_POWER_RECOVERY_INTERVAL_S": "5",
        "STEELYARD_FORCE_POWER_STATE_DURING_SYNC": "false",
    }
    with running_suite(environment=settings) as suite:
        yield suite


@pytest.fixture
def operator(suite: RunningSuite) -> Iterator[Operator]:
    """Each test has a rack of its own, and finds no nodes."""
    operator = Operator(suite.url)
    yield operator
    clear_away(operator)


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
        operator.wait(name, lambda node: node["power_state"] == "power on", within_s=120)
    node = operator.wait(sick, lambda node: node["fault"] == "power failure", within_s=120)
    assert node["maintenance"]
    assert node["last_error"]

    rack.clear_faults(sick)
    node = operator.wait(sick, lambda node: node["fault"] is None, within_s=180)
    assert not node["maintenance"]
