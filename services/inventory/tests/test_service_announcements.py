"""Who may announce what: no service speaks for another, and a step provider only for itself."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_common.contracts import subjects
from steelyard_common.errors import Conflict, Forbidden, InvalidRequest, SteelyardError
from steelyard_common.testing import SetClock
from steelyard_inventory.testing import SITE, Desk

STEP = {"interface": "burn-in", "name": "stress", "description": "", "kinds": {"clean": 0}, "timeout_s": 60}


@pytest.fixture
def desk(desk: Desk) -> Desk:
    desk.announce("power-1.here")
    return desk


def announce(desk: Desk, user: str = "acme", **word: Any) -> None:
    """As a step provider does it, over the subject that is its own."""
    whole = {"instance": f"{user}-1.here", "service": user, "provides": {"burn-in": [user]}, "steps": [STEP]} | word
    desk.tell(f"announce-steps.{user}", **whole)


def workers(desk: Desk) -> dict[str, str]:
    directory = desk.inventory.workers.directory(fresh=True)
    return {worker.instance: worker.service for worker in directory.live()}


def test_a_step_provider_announces_an_interface_of_its_own(desk: Desk) -> None:
    announce(desk)

    assert workers(desk) == {"acme-1.here": "acme", "power-1.here": "power"}


@pytest.mark.parametrize(
    ("word", "error", "text"),
    [
        ({"service": "power"}, Forbidden, "the service of what acme announces is acme"),
        ({"provides": {"power": ["redfish"]}}, Forbidden, "power: Ironic's interfaces"),
        ({"steps": [STEP | {"interface": "deploy"}]}, Forbidden, "deploy: Ironic's interfaces"),
        ({"hardware_types": ["redfish"]}, Forbidden, "no hardware types"),
        ({"instance": "power-1.here"}, Conflict, "another service has a worker that is called power-1.here"),
        ({"instance": "a b"}, InvalidRequest, "'a b'"),
        ({"provides": {"burn-in": ["x" * 300]}}, InvalidRequest, "up to 255"),
        ({"provides": {"burn-in": ["x"] * 101}}, InvalidRequest, "at most 100"),
        ({"provides": {f"own-{number}": [] for number in range(51)}}, InvalidRequest, "50 interfaces"),
        ({"provides": {"Burn.In": []}}, InvalidRequest, "'Burn.In'"),
        ({"steps": [STEP] * 501}, InvalidRequest, "at most 500 steps"),
        ({"steps": [STEP | {"description": "x" * 300_000}]}, InvalidRequest, "at most 262144 bytes"),
        ({"steps": [{"name": "stress"}]}, InvalidRequest, "'None'"),
        ({"steps": [STEP | {"timeout_s": 1e300}]}, InvalidRequest, "1e\\+300"),
        ({"steps": [STEP | {"timeout_s": "inf"}]}, InvalidRequest, "'inf'"),
        ({"steps": [STEP | {"kinds": {"clean": -1}}]}, InvalidRequest, "'-1'"),
    ],
)
def test_what_a_step_provider_may_not_say_is_refused_and_not_kept(
    desk: Desk, word: dict[str, Any], error: type[SteelyardError], text: str
) -> None:
    with pytest.raises(error, match=text):
        announce(desk, **word)

    assert workers(desk) == {"power-1.here": "power"}


def test_an_interface_belongs_to_the_provider_that_serves_it_while_it_is_alive(desk: Desk, clock: SetClock) -> None:
    announce(desk)
    with pytest.raises(Conflict, match="burn-in: served by acme"):
        announce(desk, "other")

    clock.advance(61)
    announce(desk, "other")

    assert workers(desk) == {"other-1.here": "other"}


def test_a_step_provider_fills_no_table_with_workers(desk: Desk, clock: SetClock) -> None:
    for number in range(200):
        announce(desk, instance=f"a{number}.here")
    with pytest.raises(Forbidden, match="at most 200 workers"):
        announce(desk, instance="one-more.here")
    announce(desk, instance="a7.here")

    clock.advance(24 * 3600 + 1)
    announce(desk, instance="one-more.here")

    with desk.database.read() as connection:
        kept = connection.exec_driver_sql("SELECT instance FROM workers WHERE service = 'acme'").scalars().all()
    assert kept == ["one-more.here"]


@pytest.mark.parametrize(
    ("word", "error", "text"),
    [
        ({"service": "acme", "provides": {}}, Forbidden, "'acme' is no service of Steelyard's"),
        ({"service": "inventory", "provides": {}}, Forbidden, "'inventory' is no service"),
        ({"provides": {"deploy": ["direct"]}}, Forbidden, "power does not serve deploy"),
        ({"steps": [STEP]}, Forbidden, "power does not serve burn-in"),
        ({"service": "console", "provides": {}}, Conflict, "called power-1.here"),
    ],
)
def test_a_service_announces_only_its_own(
    desk: Desk, word: dict[str, Any], error: type[SteelyardError], text: str
) -> None:
    with pytest.raises(error, match=text):
        desk.announce("power-1.here", **word)

    assert workers(desk) == {"power-1.here": "power"}


def test_a_service_gets_the_name_back_that_a_step_provider_has_taken(desk: Desk) -> None:
    announce(desk, instance="power-2.here")

    desk.announce("power-2.here")

    assert workers(desk) == {"power-1.here": "power", "power-2.here": "power"}


def test_no_service_s_name_makes_a_step_provider(desk: Desk) -> None:
    with pytest.raises(Forbidden):
        desk.bus.request(
            subjects.command(SITE, "inventory", "announce-steps.power"),
            {"instance": "x", "service": "power"}, timeout_s=5,
        )  # fmt: skip
