"""Announcements, and what the API shows of them: drivers and conductors."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_common.contracts.api import INTERFACES
from steelyard_common.errors import InvalidRequest, NotFound
from steelyard_common.testing import SetClock
from steelyard_inventory.testing import BASE_URL, Desk


def conductors(desk: Desk, **asked: Any) -> Any:
    return desk.ask("conductors", **{"resource_url": "conductors", **asked})


def test_workers_are_shown_as_conductors(desk: Desk) -> None:
    desk.announce("power-2.here", ["redfish"], conductor_group="Rack-A")

    assert conductors(desk)["conductors"][1] == {
        "hostname": "power-2.here", "conductor_group": "rack-a", "alive": True,
        "links": [
            {"href": f"{BASE_URL}/v1/conductors/power-2.here", "rel": "self"},
            {"href": f"{BASE_URL}/conductors/power-2.here", "rel": "bookmark"},
        ],
    }  # fmt: skip
    shown = desk.ask("conductor", hostname="power-2.here")
    assert (shown["drivers"], shown["created_at"]) == (["redfish"], "2026-01-01T00:00:00+00:00")
    assert conductors(desk, detail=True)["conductors"][1] == shown
    assert set(desk.ask("conductor", hostname="power-2.here", fields=["alive"])) == {"alive", "links"}
    with pytest.raises(NotFound, match="Conductor nobody could not be found"):
        desk.ask("conductor", hostname="nobody")


def test_a_worker_is_alive_until_it_says_goodbye_or_falls_silent(desk: Desk, clock: SetClock) -> None:
    desk.announce("power-2.here")
    desk.announce("power-2.here", online=False)
    clock.advance(3)
    assert [each["alive"] for each in conductors(desk)["conductors"]] == [True, False]

    clock.advance(56)
    desk.announce("power-2.here")
    clock.advance(2)
    assert [each["alive"] for each in conductors(desk)["conductors"]] == [False, True]
    assert desk.ask("driver", name="redfish")["hosts"] == ["power-2.here"]


def test_conductors_go_by_pages_and_order(desk: Desk) -> None:
    for number in (3, 2):
        desk.announce(f"power-{number}.here")

    first = conductors(desk, limit=2, sort_key="hostname", sort_dir="desc")

    assert [each["hostname"] for each in first["conductors"]] == ["power-3.here", "power-2.here"]
    assert first["next"].endswith("/v1/conductors?sort_key=hostname&sort_dir=desc&limit=2&marker=power-2.here")
    rest = conductors(desk, limit=2, sort_key="hostname", sort_dir="desc", marker="power-2.here")
    assert [each["hostname"] for each in rest["conductors"]] == ["power-1.here"]
    for key in ("id", "created_at", "updated_at", "conductor_group"):
        assert len(conductors(desk, sort_key=key)["conductors"]) == 3
    with pytest.raises(InvalidRequest):
        conductors(desk, sort_key="drivers")
    with pytest.raises(NotFound):
        conductors(desk, marker="nobody")


def test_drivers_are_what_live_workers_serve(desk: Desk) -> None:
    listed = desk.ask("drivers")["drivers"]

    assert [each["name"] for each in listed] == ["fake-hardware", "ipmi", "redfish"]
    assert set(listed[0]) == {"name", "hosts", "links", "properties", "type"}
    assert listed[0]["properties"][0]["href"] == f"{BASE_URL}/v1/drivers/fake-hardware/properties"
    assert (listed[0]["hosts"], listed[0]["type"]) == (["power-1.here"], "dynamic")
    assert desk.ask("drivers", type="classic") == {"drivers": []}
    assert len(desk.ask("drivers", type="dynamic")["drivers"]) == 3


def test_a_driver_tells_its_interfaces_as_far_as_the_version_knows_them(desk: Desk) -> None:
    shown = desk.ask("driver", name="redfish")

    assert shown == desk.ask("drivers", detail=True)["drivers"][2]
    for interface in INTERFACES:
        assert shown[f"default_{interface}_interface"] == shown[f"enabled_{interface}_interfaces"][0]
    old = desk.ask("driver", name="redfish", minor=30)
    assert {"default_power_interface", "default_network_interface"} < set(old)
    assert not {"default_bios_interface", "default_rescue_interface", "default_firmware_interface"} & set(old)
    assert set(desk.ask("driver", name="redfish", minor=13)) == {"name", "hosts", "links"}
    assert set(desk.ask("driver", name="redfish", fields=["hosts"])) == {"hosts", "links"}
    with pytest.raises(NotFound, match="Could not find the following driver"):
        desk.ask("driver", name="nope")


def test_a_replica_learns_of_other_workers_within_seconds(desk: Desk, clock: SetClock) -> None:
    elsewhere = Desk(desk.database, type(desk.bus)(), clock)
    assert len(conductors(elsewhere)["conductors"]) == 1
    desk.announce("power-2.here")

    clock.advance(2)

    assert len(conductors(elsewhere)["conductors"]) == 2
