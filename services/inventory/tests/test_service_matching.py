"""The matcher: which node an allocation gets, and that two never get the same one."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from steelyard_common.contracts.recipes import ALLOCATION_FIELDS
from steelyard_common.db import Database
from steelyard_common.testing import SetClock, eventually
from steelyard_inventory.service.matching import Matcher
from steelyard_inventory.testing import BASE_URL, SITE, Desk

from .allocating import NOWHERE, add_node, ask_for, matched, set_columns, shown


def test_an_allocation_is_answered_at_once_and_gets_its_node_afterwards(desk: Desk) -> None:
    node = add_node(desk, "n1", traits=["CUSTOM_GOLD", "CUSTOM_X"], instance_info={"a": 1})

    made = ask_for(desk, name="web", traits=["CUSTOM_GOLD"])
    found = desk.inventory.matcher.match_one()

    assert set(made) == set(ALLOCATION_FIELDS) | {"links"}
    assert (made["state"], made["node_uuid"], made["candidate_nodes"], made["extra"]) == ("allocating", None, [], {})
    assert made["links"][0]["href"] == f"{BASE_URL}/v1/allocations/{made['uuid']}"
    assert found
    after = shown(desk, "web")
    assert (after["state"], after["node_uuid"], after["last_error"]) == ("active", node, None)
    taken = desk.ask("node", ident="n1")
    assert taken["instance_uuid"] == taken["allocation_uuid"] == made["uuid"]
    assert taken["instance_info"] == {"a": 1, "traits": ["CUSTOM_GOLD"]}
    assert desk.ask("node-allocation", ident="n1") == after
    assert [fact for fact, _ in desk.events(made["uuid"])] == ["allocation-created", "allocation-matched"]
    assert desk.events(node)[-1][1]["changed"] == {"instance_uuid": made["uuid"], "allocation_uuid": made["uuid"]}
    assert not desk.inventory.matcher.match_one()


@pytest.mark.parametrize(
    ("columns", "wanted", "words"),
    [
        ({"resource_class": "gpu"}, {}, "no available nodes match the resource class"),
        ({"provision_state": "active"}, {}, "no available nodes"),
        ({"power_state": None}, {}, "no available nodes"),
        ({"maintenance": True}, {}, "no available nodes"),
        ({"instance_uuid": NOWHERE}, {}, "no available nodes"),
        ({}, {"traits": ["CUSTOM_GOLD"]}, "no suitable nodes have the requested traits CUSTOM_GOLD"),
        ({}, {"owner": "ada"}, "no available nodes"),
        ({}, {"candidate_nodes": ["other"]}, "none of the requested nodes are available"),
    ],
)
def test_what_does_not_suit_is_not_taken(
    desk: Desk, columns: dict[str, Any], wanted: dict[str, Any], words: str
) -> None:
    add_node(desk, "n1", **columns)
    add_node(desk, "other", provision_state="manageable")

    after = matched(desk, **wanted)

    assert (after["state"], after["node_uuid"]) == ("error", None)
    assert words in after["last_error"]
    assert desk.ask("node", ident="n1")["allocation_uuid"] is None
    assert desk.events(after["uuid"])[-1][0] == "allocation-failed"


@pytest.mark.parametrize("columns", [{"owner": "ada"}, {"lessee": "ada"}])
def test_an_owner_gets_nodes_that_are_owned_by_or_leased_to_it(desk: Desk, columns: dict[str, Any]) -> None:
    add_node(desk, "n1")
    node = add_node(desk, "n2", **columns)
    assert matched(desk, owner="ada")["node_uuid"] == node


def test_candidates_are_named_by_uuid_or_name_and_shown_as_uuids(desk: Desk) -> None:
    for name in ("n1", "n2"):
        add_node(desk, name)
    node = add_node(desk, "n3")
    after = matched(desk, candidate_nodes=["n3", node])
    assert (after["candidate_nodes"], after["node_uuid"]) == ([node], node)


def test_a_node_of_the_same_name_comes_first(desk: Desk) -> None:
    for number in range(20):
        add_node(desk, f"n{number}")
    assert matched(desk, name="n7")["node_uuid"] == desk.ask("node", ident="n7")["uuid"]


def test_nodes_are_taken_in_no_order(desk: Desk) -> None:
    made = [add_node(desk, f"n{number:02}", uuid=f"{number:x}" + NOWHERE[1:]) for number in range(16)]
    taken = [matched(desk)["node_uuid"] for _ in range(16)]
    assert sorted(taken) == sorted(made)
    assert taken != sorted(made)


def test_locked_nodes_are_looked_at_again_and_given_up_after_three_looks(desk: Desk, clock: SetClock) -> None:
    add_node(desk, "n1", reservation="somebody")
    matcher = desk.inventory.matcher

    after = matched(desk, name="late")
    waiting = [after["state"], matcher.match_one()]
    clock.advance(1)
    set_columns(desk, "n1", reservation=None)
    matcher.match_one()
    got = shown(desk, "late")["state"]

    set_columns(desk, "n1", reservation="somebody", instance_uuid=None)
    never = ask_for(desk)
    for _ in range(3):
        matcher.match_one()
        clock.advance(1)

    assert waiting == ["allocating", False]
    assert got == "active"
    assert "could not reserve any of 1 suitable nodes" in shown(desk, never["uuid"])["last_error"]


def test_many_who_look_at_once_never_take_one_node_twice(desk: Desk, database_url: str, clock: SetClock) -> None:
    names = [f"n{number}" for number in range(40)]
    for name in names:
        add_node(desk, name)
    made = [ask_for(desk)["uuid"] for _ in range(60)]
    wide = Database(database_url, "inventory", pool_size=32)
    wide.hand_over = lambda messages, ids: None
    replicas = [Matcher(wide, SITE, clock) for _ in range(4)]
    start = threading.Barrier(32)

    def look(number: int) -> None:
        start.wait()
        while replicas[number % 4].match_one():
            pass

    threads = [threading.Thread(target=look, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    for _ in range(3):
        clock.advance(1)
        while desk.inventory.matcher.match_one():
            pass
    wide.close()

    got = [shown(desk, each) for each in made]
    given = [each["node_uuid"] for each in got if each["state"] == "active"]
    assert len(given) == len(set(given)) == 40
    assert sorted({each["state"] for each in got}) == ["active", "error"]
    for each in got:
        if each["state"] == "active":
            assert desk.ask("node", ident=each["node_uuid"])["allocation_uuid"] == each["uuid"]


def test_what_a_killed_process_left_is_found_by_another(desk: Desk, database: Database, clock: SetClock) -> None:
    node = add_node(desk, "n1")
    made = ask_for(desk)  # answered, and its process never looked

    other = Matcher(database, SITE, clock)
    assert other.match_one()

    assert shown(desk, made["uuid"])["node_uuid"] == node


def test_the_matcher_s_thread_wakes_for_what_is_asked(desk: Desk, database: Database) -> None:
    node = add_node(desk, "n1")
    matcher = desk.inventory.matcher.start()
    try:
        made = ask_for(desk)
        eventually(lambda: shown(desk, made["uuid"])["state"] != "allocating")
    finally:
        matcher.stop()
    assert shown(desk, made["uuid"])["node_uuid"] == node
