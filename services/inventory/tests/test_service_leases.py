"""Leases: taken, shown, released, expired, taken over, fenced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from steelyard_common.contracts.steps import Done
from steelyard_common.errors import Busy, InvalidRequest, NotFound
from steelyard_inventory.service.lifecycle import Caller

if TYPE_CHECKING:
    from .conftest import Stage


def test_a_lease_gives_the_node_and_locks_it_for_others(stage: Stage) -> None:
    node = stage.add_node(name="n1", sealed={"driver_info": {"/redfish_password": "sealed:k1:x"}})

    lease = stage.leases.take("n1", "set boot device", 30, holder="power-1.here")

    assert lease["node"]["uuid"] == node
    assert lease["node"]["sealed"] == {"/redfish_password": "sealed:k1:x"}
    assert stage.node(node)["reservation"] == "power-1.here"
    with pytest.raises(Busy, match=r"locked by host power-1.here.*\(set boot device since"):
        stage.lifecycle.set_power(node, "power on", None, Caller())
    with pytest.raises(Busy):
        stage.leases.take(node, "inject NMI", 30)


def test_a_released_lease_frees_the_node(stage: Stage) -> None:
    node = stage.add_node()
    lease = stage.leases.take(node, "inject NMI", 30)

    stage.leases.release(node, lease["fence"])
    stage.leases.release(node, lease["fence"])

    assert stage.node(node)["reservation"] is None
    stage.lifecycle.set_power(node, "power on", None, Caller())


def test_an_expired_lease_is_taken_over_and_its_old_holder_releases_nothing(stage: Stage) -> None:
    node = stage.add_node()
    old = stage.leases.take(node, "inject NMI", 30)
    stage.clock.advance(31)

    new = stage.leases.take(node, "set boot device", 30)
    stage.leases.release(node, old["fence"])

    assert new["fence"] > old["fence"]
    with pytest.raises(Busy):
        stage.leases.take(node, "inject NMI", 30)


def test_an_expired_lease_gives_way_to_a_workflow(stage: Stage) -> None:
    node = stage.add_node()
    old = stage.leases.take(node, "inject NMI", 30)
    stage.clock.advance(31)

    stage.lifecycle.set_power(node, "power on", None, Caller())
    stage.leases.release(node, old["fence"])

    assert stage.node(node)["reservation"] == "inventory-1.here"
    stage.answer(stage.sent(node)[0], Done(facts={"power_state": "power on"}))
    assert stage.rows("SELECT * FROM locks") == []


def test_an_expired_lease_is_not_shown_for_long(stage: Stage) -> None:
    node = stage.add_node()
    stage.leases.take(node, "inject NMI", 30)

    stage.tick(after_s=29)
    assert stage.node(node)["reservation"] is not None
    stage.tick(after_s=5)

    assert stage.node(node)["reservation"] is None
    assert stage.rows("SELECT * FROM locks") == []


def test_a_lease_asked_for_twice_by_one_call_is_given_once(stage: Stage) -> None:
    node = stage.add_node()

    first = stage.leases.take(node, "inject NMI", 30, request_id="r1")
    again = stage.leases.take(node, "inject NMI", 30, request_id="r1")

    assert first["fence"] == again["fence"]
    with pytest.raises(Busy):
        stage.leases.take(node, "inject NMI", 30, request_id="r2")


def test_a_workflow_keeps_leases_away(stage: Stage) -> None:
    node = stage.add_node()
    stage.lifecycle.set_power(node, "power on", None, Caller(request_id="r1"))

    with pytest.raises(Busy, match="power: power on"):
        stage.leases.take(node, "inject NMI", 30, request_id="r1")


@pytest.mark.parametrize("ttl_s", [0, -1, 301, float("nan")])
def test_a_lease_has_a_sensible_length(stage: Stage, ttl_s: float) -> None:
    with pytest.raises(InvalidRequest):
        stage.leases.take(stage.add_node(), "inject NMI", ttl_s)


def test_an_unknown_node_can_be_neither_leased_nor_shown(stage: Stage) -> None:
    with pytest.raises(NotFound):
        stage.leases.take("nobody", "inject NMI", 30)
    with pytest.raises(NotFound):
        stage.leases.node("nobody")
