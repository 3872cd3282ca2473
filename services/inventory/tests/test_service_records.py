"""Chassis and port groups: their records, references, guards and what is told."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_common.contracts.records import (
    CHASSIS_FIELDS,
    PORTGROUP_FIELDS,
)
from steelyard_common.errors import Conflict, InvalidRequest, NotFound
from steelyard_inventory.testing import BASE_URL, Desk

from .recording import add, add_port, listed, patch, set_columns, uuid_of

NOWHERE = "6f4a3a52-2f73-4b5a-9f0e-000000000000"


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """With two nodes."""
    desk.create(name="n1", shard="s1", network_interface="flat")
    desk.create(name="n2", network_interface="noop")
    return desk


def test_a_chassis_is_answered_whole_changed_told_and_holds_nodes(desk: Desk) -> None:
    made = desk.tell("create-chassis", record={"description": "rack 1"})

    assert made.keys() == CHASSIS_FIELDS.keys() | {"links", "nodes"}
    assert made["nodes"][0][0]["href"] == f"{BASE_URL}/v1/chassis/{made['uuid']}/nodes"
    changed = patch(desk, "chassis", made["uuid"], ("add", "/extra/a", 1), ("remove", "/description"))
    assert (changed["extra"], changed["description"]) == ({"a": 1}, None)
    assert desk.ask("chassis", ident=made["uuid"], fields=["nodes"]).keys() == {"nodes", "links"}

    node = desk.create(name="n3", chassis_uuid=made["uuid"])
    assert [each["name"] for each in desk.list_nodes(filters={"chassis_uuid": made["uuid"]})["nodes"]] == ["n3"]
    with pytest.raises(InvalidRequest, match="contains nodes"):
        desk.tell("delete-chassis", ident=made["uuid"])
    desk.patch(node["uuid"], ("remove", "/chassis_uuid"))
    desk.tell("delete-chassis", ident=made["uuid"])
    with pytest.raises(NotFound):
        desk.ask("chassis", ident=made["uuid"])
    assert [fact for fact, _ in desk.events(made["uuid"])] == ["chassis-created", "chassis-updated", "chassis-deleted"]


def test_a_chassis_that_is_not_there_is_no_reference_and_no_filter(desk: Desk) -> None:
    with pytest.raises(InvalidRequest, match=f"Chassis {NOWHERE} could not be found"):
        desk.create(chassis_uuid=NOWHERE)
    with pytest.raises(InvalidRequest, match=f"Chassis {NOWHERE} could not be found"):
        desk.patch("n1", ("add", "/chassis_uuid", NOWHERE))
    with pytest.raises(NotFound):
        desk.list_nodes(filters={"chassis_uuid": NOWHERE})
    made = desk.tell("create-chassis", record={})
    with pytest.raises(InvalidRequest, match="Cannot overwrite UUID"):
        patch(desk, "chassis", made["uuid"], ("replace", "/uuid", NOWHERE))
    assert patch(desk, "chassis", made["uuid"], ("replace", "/uuid", made["uuid"])) == made
    with pytest.raises(Conflict, match="already exists"):
        desk.tell("create-chassis", record={"uuid": made["uuid"]})


def test_a_new_port_group_is_answered_whole_with_its_defaults_and_told(desk: Desk) -> None:
    group = add(desk, "portgroup", name="bond0", address="AA:BB:CC:00:00:01")

    assert group.keys() == PORTGROUP_FIELDS.keys() | {"links", "ports"}
    assert (group["mode"], group["standalone_ports_supported"], group["properties"]) == ("active-backup", True, {})
    assert (group["address"], group["dynamic_portgroup"]) == ("aa:bb:cc:00:00:01", False)
    assert desk.ask("portgroup", ident="bond0") == group
    fact, data = desk.events(group["node_uuid"])[-1]
    assert (fact, data["uuid"], data["changed"]["name"]) == ("portgroup-created", group["uuid"], "bond0")


@pytest.mark.parametrize(("minor", "missing"), [(25, {"mode", "properties"}), (102, {"category"}), (115, set())])
def test_fields_of_a_port_group_newer_than_the_request_are_left_out(desk: Desk, minor: int, missing: set[str]) -> None:
    group = desk.ask("portgroup", ident=add(desk, "portgroup")["uuid"], minor=minor)
    assert missing.isdisjoint(group)
    assert set(PORTGROUP_FIELDS) & group.keys() == {n for n, field in PORTGROUP_FIELDS.items() if field.since <= minor}


@pytest.mark.parametrize(
    ("record", "error", "words"),
    [
        ({"node_uuid": NOWHERE}, InvalidRequest, f"Node {NOWHERE} could not be found"),
        ({"name": "taken"}, Conflict, "A portgroup with name taken already exists"),
        ({"address": "aa:bb:cc:00:00:99"}, Conflict, "A portgroup with MAC address"),
        ({"name": "no spaces"}, InvalidRequest, "cannot be the name"),
        ({"name": "detail"}, InvalidRequest, "cannot be the name"),
        ({"physical_network": ""}, InvalidRequest, "non-empty value"),
    ],
)
def test_a_port_group_that_cannot_be_is_refused(
    desk: Desk, record: dict[str, Any], error: type[Exception], words: str
) -> None:
    add(desk, "portgroup", name="taken", address="aa:bb:cc:00:00:99")
    node = None if "node_uuid" in record else "n1"
    with pytest.raises(error, match=words):
        add(desk, "portgroup", node, **record)


def test_port_groups_are_listed_by_node_address_shard_and_group_in_pages(desk: Desk) -> None:
    for number, node in ((1, "n1"), (2, "n1"), (3, "n2")):
        add(desk, "portgroup", node, name=f"g{number}", address=f"aa:bb:cc:00:00:0{number}")

    def names(**asked: Any) -> list[str]:
        return [group["name"] for group in listed(desk, "portgroups", "portgroups", **asked)]

    assert names() == ["g1", "g2", "g3"]
    assert names(filters={"node": "n1"}) == names(filters={"shard": ["s1"]}) == ["g1", "g2"]
    assert names(filters={"address": "aa:bb:cc:00:00:03"}) == ["g3"]
    assert names(filters={"conductor_groups": ["x"]}) == []
    assert names(sort_key="name", sort_dir="desc", limit=2) == ["g3", "g2"]
    with pytest.raises(NotFound):
        names(filters={"node": "nobody"})
    first = desk.ask("portgroups", resource_url="portgroups", limit=2)
    assert names(marker=first["portgroups"][-1]["uuid"]) == ["g3"]
    assert first["portgroups"][0].keys() == {"uuid", "address", "name", "links"}


def test_ports_join_a_group_of_their_node_on_its_physical_network(desk: Desk) -> None:
    group = add(desk, "portgroup", name="bond0", physical_network="green")
    stranger = add(desk, "portgroup", "n2")

    joined = add_port(desk, 1, portgroup_uuid=group["uuid"], physical_network="green")

    assert [port["uuid"] for port in desk.list_ports(filters={"portgroup": "bond0"})["ports"]] == [joined["uuid"]]
    with pytest.raises(Conflict, match="cannot become a member"):
        add_port(desk, 2, portgroup_uuid=group["uuid"], physical_network="red")
    with pytest.raises(InvalidRequest, match="belonging to a different node"):
        add_port(desk, 2, portgroup_uuid=stranger["uuid"])
    with pytest.raises(InvalidRequest, match="physical_network cannot be changed"):
        patch(desk, "port", joined["uuid"], ("replace", "/physical_network", "red"))
    loose = add_port(desk, 3)
    with pytest.raises(Conflict, match="cannot become a member"):
        patch(desk, "port", loose["uuid"], ("add", "/portgroup_uuid", group["uuid"]))
    with pytest.raises(InvalidRequest, match="belonging to a different node"):
        patch(desk, "port", joined["uuid"], ("replace", "/node_uuid", uuid_of(desk, "n2")))


def test_a_group_takes_the_network_of_its_first_port_and_takes_its_ports_along(desk: Desk) -> None:
    group = add(desk, "portgroup", name="bond0")
    port = add_port(desk, 1, portgroup_uuid=group["uuid"], physical_network="green")
    assert desk.ask("portgroup", ident="bond0")["physical_network"] == "green"

    patch(desk, "portgroup", "bond0", ("replace", "/physical_network", "red"))
    assert desk.ask("port", ident=port["uuid"])["physical_network"] == "red"
    patch(desk, "portgroup", "bond0", ("remove", "/physical_network"))
    assert desk.ask("port", ident=port["uuid"])["physical_network"] is None


def test_a_group_without_standalone_ports_refuses_ports_that_boot_alone(desk: Desk) -> None:
    group = add(desk, "portgroup", name="bond0", standalone_ports_supported=False)
    with pytest.raises(Conflict, match="doesn't support standalone ports"):
        add_port(desk, 1, portgroup_uuid=group["uuid"], pxe_enabled=True)
    quiet = add_port(desk, 1, portgroup_uuid=group["uuid"], pxe_enabled=False)
    with pytest.raises(Conflict, match="doesn't support standalone ports"):
        patch(desk, "port", quiet["uuid"], ("replace", "/pxe_enabled", True))
    free = add(desk, "portgroup", name="bond1")
    add_port(desk, 2, portgroup_uuid=free["uuid"])
    with pytest.raises(Conflict, match="standalone_ports_supported can not be set to False"):
        patch(desk, "portgroup", "bond1", ("replace", "/standalone_ports_supported", False))
    noop = add(desk, "portgroup", "n2", standalone_ports_supported=False)
    port = add_port(desk, 3, "n2", portgroup_uuid=noop["uuid"], pxe_enabled=False)
    assert patch(desk, "port", port["uuid"], ("replace", "/pxe_enabled", True))["pxe_enabled"] is True


def test_a_group_with_ports_neither_moves_nor_goes(desk: Desk) -> None:
    group = add(desk, "portgroup", name="bond0")
    port = add_port(desk, 1, portgroup_uuid=group["uuid"])
    away = ("replace", "/node_uuid", uuid_of(desk, "n2"))

    with pytest.raises(InvalidRequest, match="contains ports"):
        desk.tell("delete-portgroup", ident="bond0")
    with pytest.raises(InvalidRequest, match="there are ports"):
        patch(desk, "portgroup", "bond0", away)
    patch(desk, "port", port["uuid"], ("remove", "/portgroup_uuid"))
    assert patch(desk, "portgroup", "bond0", away)["node_uuid"] == away[2]
    set_columns(desk, "n1", provision_state="active")
    with pytest.raises(Conflict, match="can not be associated"):
        patch(desk, "portgroup", "bond0", ("replace", "/node_uuid", uuid_of(desk, "n1")))
    desk.tell("delete-portgroup", ident="bond0")
    assert listed(desk, "portgroups", "portgroups") == []


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (("replace", "/uuid", NOWHERE), "Cannot patch /uuid"),
        (("replace", "/internal_info", {}), "Cannot patch /internal_info"),
        (("replace", "/node_uuid", NOWHERE), "Unable to apply the requested node_uuid"),
        (("replace", "/node_uuid", 5), "Unable to apply the requested node_uuid"),
        (("replace", "/properties/no", 5), "Couldn't apply patch"),
    ],
)
def test_a_patch_of_a_group_that_cannot_be_is_refused(desk: Desk, operation: tuple[Any, ...], words: str) -> None:
    group = add(desk, "portgroup")
    with pytest.raises(InvalidRequest, match=words):
        patch(desk, "portgroup", group["uuid"], operation)


def test_a_group_is_not_changed_while_its_node_is_inspected(desk: Desk) -> None:
    group = add(desk, "portgroup")
    set_columns(desk, "n1", provision_state="inspecting")
    with pytest.raises(Conflict, match="while it is in state"):
        patch(desk, "portgroup", group["uuid"], ("add", "/extra/a", 1))
    assert patch(desk, "portgroup", group["uuid"], ("add", "/extra/a", 1), minor=38)["extra"] == {"a": 1}
