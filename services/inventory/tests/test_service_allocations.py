"""Allocations: what is refused, backfilled, changed and listed, and when they go."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from steelyard_common.errors import Busy, Conflict, InvalidRequest, NotFound
from steelyard_inventory.testing import Desk

from .allocating import CLASS, NOWHERE, add_node, ask_for, listed, matched, patch, set_columns, shown


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
