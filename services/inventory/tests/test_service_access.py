"""Whose something is, for the policy in the gateway and for the stream of events."""

from __future__ import annotations

from uuid import uuid4

from steelyard_inventory.testing import Desk


def test_owners_are_told_of_many_nodes_at_once_and_of_none_that_is_not_there(desk: Desk) -> None:
    mine = desk.create(name="n1", owner="p1", lessee="p2")["uuid"]
    nobodys = desk.create(name="n2")["uuid"]
    found = desk.ask("owners", nodes=[mine, nobodys, str(uuid4())])["owners"]
    assert sorted(found) == sorted([[mine, "p1", "p2"], [nobodys, None, None]])
    assert desk.ask("owners", nodes=[]) == {"owners": []}
