"""Affinity, anti-affinity and zones of allocations."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from steelyard_common.errors import InvalidRequest
from steelyard_inventory.service.matching import Matcher
from steelyard_inventory.store.tables import nodes
from steelyard_inventory.testing import SITE, Desk


@pytest.fixture
def racks(desk: Desk) -> Desk:
    """Four racks of three nodes in two zones, and a node of which nobody knows where it stands."""
    rows = [
        {
            "uuid": str(uuid.uuid4()), "name": f"r{rack}-{number}", "driver": "fake-hardware", "resource_class": "x",
            "provision_state": "available", "power_state": "power off",
            "properties": {"rack": f"r{rack}", "place": {"zone": f"z{rack % 2}"}},
        }
        for rack in range(4)
        for number in range(3)
    ]  # fmt: skip
    with desk.database.begin() as transaction:
        lost = {**rows[0], "uuid": str(uuid.uuid4()), "name": "lost", "properties": {}}
        transaction.connection.execute(nodes.insert(), [*rows, lost])
    return desk


def ask(desk: Desk, **record: Any) -> Any:
    return desk.tell("create-allocation", record={"resource_class": "x", **record})


def settle(desk: Desk, year: int = 9000) -> None:
    """Match all that is due in that year."""
    matcher = Matcher(desk.database, SITE, lambda: datetime(year, 1, 1, tzinfo=UTC), ("place", "zone"))
    while matcher.match_one():
        pass


def node_of(desk: Desk, made: dict[str, Any]) -> str:
    shown = desk.ask("allocation", ident=made["uuid"])
    if shown["state"] != "active":
        return f"{shown['state']}: {shown['last_error']}"
    return str(desk.ask("node", ident=shown["node_uuid"])["name"])


def rack_of(desk: Desk, made: dict[str, Any]) -> str:
    return node_of(desk, made).partition("-")[0]


def test_members_of_a_group_stand_apart_and_when_the_racks_are_used_up_the_next_is_refused(racks: Desk) -> None:
    made = [ask(racks, anti_affinity={"key": "rack", "group": "db"}) for _ in range(5)]
    settle(racks)

    found = [rack_of(racks, each) for each in made]
    assert sorted(found[:4]) == ["r0", "r1", "r2", "r3"]
    assert "no available nodes are where anti_affinity asks for" in node_of(racks, made[4])


def test_members_of_a_group_stand_apart_though_many_matchers_look_at_once(racks: Desk) -> None:
    made = [ask(racks, anti_affinity={"key": "rack", "group": "db"}) for _ in range(4)]
    threads = [threading.Thread(target=settle, args=(racks,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert sorted(rack_of(racks, each) for each in made) == ["r0", "r1", "r2", "r3"]


def test_members_of_a_group_stand_together(racks: Desk) -> None:
    made = [ask(racks, affinity={"key": "rack", "group": "web"}) for _ in range(4)]
    settle(racks)

    assert len({rack_of(racks, each) for each in made[:3]}) == 1
    assert "affinity asks for" in node_of(racks, made[3]), "the rack is full"


def test_the_first_of_a_group_stands_where_others_can_be_near_it(racks: Desk) -> None:
    with racks.database.begin() as transaction:
        transaction.connection.execute(nodes.delete().where(nodes.c.name != "lost"))
    made = ask(racks, affinity={"key": "rack", "group": "web"})
    settle(racks)

    assert "affinity asks for" in node_of(racks, made), "nobody knows where the only node stands"


def test_groups_of_different_owners_are_different(racks: Desk) -> None:
    with racks.database.begin() as transaction:
        transaction.connection.execute(nodes.update().values(owner="a", lessee="b"))
    for owner in ("a", "b"):
        made = [ask(racks, owner=owner, anti_affinity={"key": "rack", "group": "db"}) for _ in range(4)]
        settle(racks)
        assert len({rack_of(racks, each) for each in made}) == 4


def test_allocations_and_nodes_can_be_named(racks: Desk) -> None:
    first = ask(racks, name="first", affinity={"key": "properties.rack", "with": ["r2-0"]})
    second = ask(racks, anti_affinity={"key": "rack", "with": ["first", "r0-0", "r1-1"]})
    settle(racks)

    assert (rack_of(racks, first), rack_of(racks, second)) == ("r2", "r3")
    shown = racks.ask("allocation", ident="first", fields=["affinity", "availability_zone"])
    assert shown["affinity"]["with"] == [racks.ask("node", ident="r2-0")["uuid"]]
    assert "affinity" not in racks.ask("allocation", ident="first")


def test_a_zone_is_any_property_that_the_setting_names(racks: Desk) -> None:
    made = [ask(racks, availability_zone="z1") for _ in range(7)]
    settle(racks)

    assert {rack_of(racks, each) for each in made[:6]} == {"r1", "r3"}
    assert "where availability_zone asks for" in node_of(racks, made[6])


def test_who_names_an_allocation_without_a_node_waits_for_it(racks: Desk) -> None:
    first = ask(racks, name="first", availability_zone="z0")
    second = ask(racks, affinity={"key": "rack", "with": ["first"]})
    with racks.database.begin() as transaction:  # as if another matcher had the first one in hand
        transaction.connection.exec_driver_sql("UPDATE allocations SET due_at = now() + '1 day' WHERE name = 'first'")
    assert racks.inventory.matcher.match_one()
    assert racks.ask("allocation", ident=second["uuid"])["state"] == "allocating"

    settle(racks)
    settle(racks, 9001)
    assert rack_of(racks, first) == rack_of(racks, second)


@pytest.mark.parametrize(
    "record",
    [
        {"affinity": []},
        {"affinity": {"key": "rack"}},
        {"affinity": {"key": "rack", "group": "a", "with": ["b"]}},
        {"affinity": {"key": "a..b", "group": "a"}},
        {"affinity": {"key": 1, "group": "a"}},
        {"anti_affinity": {"key": "rack", "with": []}},
        {"anti_affinity": {"key": "rack", "with": ["nobody"]}},
        {"anti_affinity": {"key": "rack", "group": ""}},
        {"availability_zone": ""},
        {"availability_zone": "z", "node": "r0-0"},
    ],
)
def test_what_is_no_place_is_refused(racks: Desk, record: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        ask(racks, **record)
