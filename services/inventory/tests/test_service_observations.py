"""Observations of the power service, through the bus, on a real database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from steelyard_common.contracts.steps import Done, Failed
from steelyard_common.errors import DeviceRefused
from steelyard_inventory.domain.judgement import PowerSeen
from steelyard_inventory.service.lifecycle import Caller

if TYPE_CHECKING:
    from .conftest import Stage


def test_a_node_that_was_switched_behind_our_back_is_switched_back(stage: Stage) -> None:
    node = stage.add_node(power_state="power on")

    stage.see("power-observed", node, power_state="power off", seen_at=stage.clock.now.timestamp())

    [message] = stage.sent(node)
    assert (message.steps[0].args["target"], message.cause) == ("power on", {"origin": "sync"})
    assert stage.node(node)["power_corrections"] == 1
    stage.clock.advance(1)
    stage.answer(message, Done(facts={"power_state": "power on"}))
    assert stage.node(node)["reservation"] is None


def test_what_was_seen_before_the_nodes_own_change_is_old_news(stage: Stage) -> None:
    node = stage.add_node()
    seen_at = stage.clock.now.isoformat()
    stage.clock.advance(1)
    stage.lifecycle.set_power(node, "power on", None, Caller())
    stage.answer(stage.sent(node)[0], Done(facts={"power_state": "power on"}))

    stage.see("power-observed", node, power_state="power off", seen_at=seen_at)

    assert len(stage.sent(node)) == 1


def test_the_third_correction_that_fails_puts_the_node_into_maintenance(stage: Stage) -> None:
    node = stage.add_node(power_state="power on")
    for _ in range(3):
        stage.clock.advance(60)
        stage.see("power-observed", node, power_state="power off")
        stage.answer(stage.sent(node)[-1], Failed(error=DeviceRefused("relay is stuck")))

    shown = stage.node(node)
    assert (shown["maintenance"], shown["fault"]) == (True, "power failure")
    assert "after 3 corrections" in shown["maintenance_reason"]
    assert "relay is stuck" in shown["last_error"]

    stage.clock.advance(300)
    stage.see("power-observed", node, power_state="power off")
    shown = stage.node(node)
    assert (shown["maintenance"], shown["fault"], shown["power_state"]) == (False, None, "power off")


def test_an_unreachable_bmc_faults_and_its_return_mends(stage: Stage) -> None:
    node = stage.add_node()
    stage.see("bmc-unreachable", node, failures=3, error="no route")
    assert stage.node(node)["fault"] == "power failure"

    stage.see("bmc-recovered", node)

    assert stage.node(node)["fault"] is None
    assert stage.facts(node) == ["fault-changed", "maintenance-changed"] * 2


def test_several_observations_of_a_node_in_one_batch_meet_what_the_earlier_left(stage: Stage) -> None:
    node, other = stage.add_node(power_state=None), stage.add_node(power_state=None)
    on, off = (PowerSeen(power_state=state, seen_at=stage.clock.now) for state in ("power on", "power off"))

    stage.observations.take([(node, on), (other, off), (node, off)])

    assert stage.node(other)["power_state"] == "power off"
    assert [message.steps[0].args["target"] for message in stage.sent()] == ["power on"]


@pytest.mark.parametrize(
    ("fact", "data"),
    [
        ("power-observed", {"power_state": None}), ("power-observed", {}), ("power-observed", {"seen_at": "soon"}),
        ("bmc-unreachable", {"failures": "many"}), ("sensors", {"readings": []}), ("health-changed", {"health": 7}),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_dropped(stage: Stage, fact: str, data: dict[str, object]) -> None:
    node = stage.add_node()
    before = stage.node(node)

    stage.see(fact, node, **data)

    assert stage.bus.failures == []
    assert stage.node(node) == before


def test_health_is_recorded_even_of_a_locked_node(stage: Stage) -> None:
    node = stage.add_node()
    stage.lifecycle.set_power(node, "power on", None, Caller())

    stage.see("health-changed", node, health="WARNING")

    assert stage.node(node)["health"] == "WARNING"
