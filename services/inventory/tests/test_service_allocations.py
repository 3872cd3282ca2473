"""Allocations: which node they get, when they go, and that two never get the same one."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import pytest
import sqlalchemy as sa
from steelyard_common.contracts.recipes import ALLOCATION_FIELDS
from steelyard_common.db import Database
from steelyard_common.errors import Busy, Conflict, InvalidRequest, NotFound
from steelyard_common.testing import SetClock
from steelyard_inventory.service.matching import Matcher
from steelyard_inventory.store.tables import nodes
from steelyard_inventory.testing import BASE_URL, SITE, Desk, operations_of

NOWHERE = "6f4a3a52-2f73-4b5a-9f0e-000000000000"
CLASS = "baremetal"
FREE = {"provision_state": "available", "power_state": "power off", "resource_class": CLASS}


def add_node(desk: Desk, name: str, **columns: Any) -> str:
    """A free node of the class; its UUID."""
    values = {"uuid": str(uuid.uuid4()), "name": name, "driver": "fake-hardware", **FREE, **columns}
    with desk.database.begin() as transaction:
        transaction.connection.execute(nodes.insert().values(values))
    return str(values["uuid"])


def set_columns(desk: Desk, name: str, **columns: Any) -> None:
    with desk.database.begin() as transaction:
        transaction.connection.execute(sa.update(nodes).where(nodes.c.name == name).values(columns))


def ask_for(desk: Desk, minor: int = 115, **allocation: Any) -> Any:
    record = {"resource_class": CLASS, **allocation}
    return desk.tell("create-allocation", minor=minor, record={k: v for k, v in record.items() if v is not None})


def matched(desk: Desk, **allocation: Any) -> Any:
    """The allocation after the matcher has looked once."""
    made = ask_for(desk, **allocation)
    assert desk.inventory.matcher.match_one()
    return shown(desk, made["uuid"])


def shown(desk: Desk, ident: str) -> Any:
    return desk.ask("allocation", ident=ident)


def patch(desk: Desk, ident: str, *operations: tuple[Any, ...]) -> Any:
    return desk.tell("update-allocation", ident=ident, patch=operations_of(operations))


def listed(desk: Desk, **filters: Any) -> list[str]:
    answer = desk.ask("allocations", resource_url="allocations", filters=filters)
    return [each["name"] for each in answer["allocations"]]


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
        thread.join(60)
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
        deadline = threading.Event()
        for _ in range(500):
            if shown(desk, made["uuid"])["state"] != "allocating":
                break
            deadline.wait(0.02)
    finally:
        matcher.stop()
    assert shown(desk, made["uuid"])["node_uuid"] == node


@pytest.mark.parametrize(
    ("record", "error", "words"),
    [
        ({"resource_class": None}, InvalidRequest, "resource_class field is mandatory"),
        ({"resource_class": "x" * 81}, InvalidRequest, "longer than 80"),
        ({"name": "in valid"}, InvalidRequest, "invalid name"),
        ({"name": "taken"}, Conflict, "An allocation with name taken already exists"),
        ({"candidate_nodes": ["nobody"]}, InvalidRequest, "Node nobody could not be found"),
        ({"candidate_nodes": "n1"}, InvalidRequest, "not a list of strings"),
        ({"traits": ["gold"]}, InvalidRequest, "Invalid trait"),
        ({"node": "nobody"}, InvalidRequest, "Node nobody could not be found"),
    ],
)
def test_an_allocation_that_cannot_be_is_refused(
    desk: Desk, record: dict[str, Any], error: type[Exception], words: str
) -> None:
    ask_for(desk, name="taken")
    with pytest.raises(error, match=words):
        ask_for(desk, **record)
    assert listed(desk) == ["taken"]


def test_a_backfill_records_who_has_a_node_in_use(desk: Desk) -> None:
    instance = str(uuid.uuid4())
    node = add_node(desk, "n1", provision_state="active", instance_uuid=instance, traits=["CUSTOM_A"])

    made = ask_for(desk, resource_class=None, node="n1", traits=["CUSTOM_A"])

    assert (made["uuid"], made["state"], made["node_uuid"]) == (instance, "active", node)
    assert made["resource_class"] == CLASS
    taken = desk.ask("node", ident="n1")
    assert (taken["allocation_uuid"], taken["instance_info"]) == (instance, {"traits": ["CUSTOM_A"]})


@pytest.mark.parametrize(
    ("columns", "record", "words"),
    [
        ({"provision_state": "available"}, {}, "must be in the provision state 'active'"),
        ({"instance_uuid": str(uuid.uuid4())}, {"uuid": NOWHERE}, "is associated with instance"),
        ({}, {"resource_class": "gpu"}, "not the requested one"),
        ({}, {"traits": ["CUSTOM_A"]}, "does not have the requested trait"),
        ({}, {"owner": "ada"}, "neither belongs nor is leased"),
    ],
)
def test_a_backfill_that_does_not_fit_is_refused_and_leaves_nothing(
    desk: Desk, columns: dict[str, Any], record: dict[str, Any], words: str
) -> None:
    add_node(desk, "n1", **{"provision_state": "active", **columns})
    with pytest.raises(Conflict, match=words):
        ask_for(desk, node="n1", **record)
    assert listed(desk) == []
    assert desk.ask("node", ident="n1")["allocation_uuid"] is None


def test_deleting_an_allocation_frees_its_node(desk: Desk) -> None:
    add_node(desk, "n1")
    made = matched(desk, traits=[])

    desk.tell("delete-node-allocation", ident="n1")

    node = desk.ask("node", ident="n1")
    assert (node["instance_uuid"], node["allocation_uuid"], node["instance_info"]) == (None, None, {})
    with pytest.raises(NotFound, match="could not be found"):
        shown(desk, made["uuid"])
    with pytest.raises(NotFound, match="Allocation for node"):
        desk.ask("node-allocation", ident="n1")
    assert desk.events(made["uuid"])[-1][0] == "allocation-deleted"
    assert matched(desk)["state"] == "active"


@pytest.mark.parametrize(
    ("columns", "error"),
    [
        ({"provision_state": "active"}, Conflict),
        ({"provision_state": "deploying", "target_provision_state": "active"}, Conflict),
        ({"provision_state": "active", "maintenance": True}, None),
        ({"provision_state": "deploy failed", "target_provision_state": "active"}, None),
    ],
)
def test_an_allocation_in_use_cannot_be_deleted_unless_in_maintenance(
    desk: Desk, columns: dict[str, Any], error: type[Exception] | None
) -> None:
    add_node(desk, "n1")
    made = matched(desk)
    set_columns(desk, "n1", **columns)
    if error is None:
        desk.tell("delete-allocation", ident=made["uuid"])
        assert desk.ask("node", ident="n1")["instance_uuid"] is None
    else:
        with pytest.raises(error, match="Cannot remove allocation"):
            desk.tell("delete-allocation", ident=made["uuid"])
        assert desk.ask("node", ident="n1")["instance_uuid"] == made["uuid"]


def test_a_locked_node_keeps_its_allocation(desk: Desk) -> None:
    add_node(desk, "n1")
    made = matched(desk)
    desk.tell("take-lease", ident="n1", purpose="test", ttl_s=60, holder="me")
    with pytest.raises(Busy, match="is locked by host me"):
        desk.tell("delete-allocation", ident=made["uuid"])


def test_taking_the_instance_from_a_node_ends_its_allocation(desk: Desk) -> None:
    add_node(desk, "n1")
    made = matched(desk, name="web")

    set_columns(desk, "n1", provision_state="active")
    with pytest.raises(Conflict, match="Cannot remove allocation"):
        desk.patch("n1", ("remove", "/instance_uuid"))
    set_columns(desk, "n1", provision_state="available")
    node = desk.patch("n1", ("remove", "/instance_uuid"))

    assert (node["instance_uuid"], node["allocation_uuid"]) == (None, None)
    assert listed(desk) == []
    assert desk.events(made["uuid"])[-1][0] == "allocation-deleted"


def test_an_allocation_goes_with_its_node(desk: Desk) -> None:
    add_node(desk, "n1")
    made = matched(desk)
    set_columns(desk, "n1", maintenance=True)
    desk.tell("delete-node", ident="n1")
    assert listed(desk) == []
    assert desk.events(made["uuid"])[-1][0] == "allocation-deleted"


def test_name_and_extra_can_be_changed(desk: Desk) -> None:
    ask_for(desk, name="old")
    after = patch(desk, "old", ("replace", "/name", "new"), ("add", "/extra/a", 1))
    assert (after["name"], after["extra"]) == ("new", {"a": 1})
    assert patch(desk, "new", ("remove", "/name"))["name"] is None
    with pytest.raises(InvalidRequest, match="Only the following can be updated"):
        patch(desk, after["uuid"], ("replace", "/owner", "ada"))
    ask_for(desk, name="taken")
    with pytest.raises(Conflict, match="name taken already exists"):
        patch(desk, after["uuid"], ("add", "/name", "taken"))


def test_allocations_are_listed_by_node_class_state_and_owner(desk: Desk) -> None:
    node = add_node(desk, "n1")
    matched(desk, name="a")
    ask_for(desk, name="b", resource_class="gpu", owner="ada")

    assert listed(desk) == ["a", "b"]
    assert listed(desk, node="n1") == listed(desk, node=node) == ["a"]
    assert listed(desk, resource_class="gpu") == listed(desk, owner="ada") == ["b"]
    assert listed(desk, state="allocating") == ["b"]
    assert listed(desk, state="unknown") == []
    with pytest.raises(InvalidRequest, match="Node nobody could not be found"):
        listed(desk, node="nobody")


@pytest.mark.parametrize(("minor", "is_shown"), [(59, False), (60, True)])
def test_the_owner_is_shown_from_its_version_on(desk: Desk, minor: int, is_shown: bool) -> None:
    made = ask_for(desk)
    assert ("owner" in desk.ask("allocation", ident=made["uuid"], minor=minor)) is is_shown
