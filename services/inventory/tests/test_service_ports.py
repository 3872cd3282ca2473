"""Ports: their records, where they are, and what the node's state forbids."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from steelyard_common.contracts.api import PORT_FIELDS
from steelyard_common.errors import Busy, Conflict, InvalidRequest, NotFound
from steelyard_inventory.store.tables import nodes, ports
from steelyard_inventory.testing import BASE_URL, Desk, operations_of

NOWHERE = "6f4a3a52-2f73-4b5a-9f0e-000000000000"
LINK = {"port_id": "1", "switch_id": "0a:00:00:00:00:01"}


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """With two nodes."""
    desk.create(name="n1", shard="s1")
    desk.create(name="n2", driver="redfish")
    return desk


def add(desk: Desk, number: int = 1, node: str = "n1", **port: Any) -> Any:
    return desk.tell("create-port", port={"address": f"AA:BB:CC:DD:EE:{number:02x}", "node_ident": node, **port})


def patch(desk: Desk, ident: str, *operations: tuple[Any, ...], minor: int = 115) -> Any:
    return desk.tell("update-port", ident=ident, patch=operations_of(operations), minor=minor)


def set_columns(desk: Desk, name: str, **columns: Any) -> None:
    with desk.database.begin() as transaction:
        transaction.connection.execute(sa.update(nodes).where(nodes.c.name == name).values(columns))


def addresses(answer: dict[str, Any]) -> list[str]:
    return [port["address"][-2:] for port in answer["ports"]]


def test_a_new_port_is_answered_whole_and_told(desk: Desk) -> None:
    node = desk.ask("node", ident="n1")["uuid"]

    port = add(desk, name="eth0", local_link_connection=LINK)

    assert set(port) == set(PORT_FIELDS) | {"links"}
    assert (port["address"], port["node_uuid"], port["pxe_enabled"]) == ("aa:bb:cc:dd:ee:01", node, True)
    assert port["links"][0] == {"href": f"{BASE_URL}/v1/ports/{port['uuid']}", "rel": "self"}
    assert desk.ask("port", ident="eth0") == desk.ask("port", ident=port["uuid"]) == port
    fact, data = desk.events(node)[-1]
    assert (fact, data["uuid"], data["address"]) == ("port-created", port["uuid"], "aa:bb:cc:dd:ee:01")


@pytest.mark.parametrize("minor", [1, 18, 19, 52, 53, 99, 111])
def test_fields_newer_than_the_request_are_left_out(desk: Desk, minor: int) -> None:
    port = add(desk)
    shown = desk.ask("port", ident=port["uuid"], minor=minor)
    assert set(shown) == {name for name, field in PORT_FIELDS.items() if field.since <= minor} | {"links"}


@pytest.mark.parametrize(
    ("port", "error", "words"),
    [
        ({"node_ident": "nobody"}, InvalidRequest, "Node nobody could not be found"),
        ({"node_ident": None, "node_uuid": NOWHERE}, InvalidRequest, f"Node {NOWHERE} could not be found"),
        ({"node_ident": None}, InvalidRequest, "exactly one of node_uuid and node_ident"),
        ({"address": "aa:bb:cc:dd:ee:99"}, Conflict, "A port with MAC address aa:bb:cc:dd:ee:99 already exists"),
        ({"name": "taken"}, Conflict, "A port with name taken already exists"),
        ({"portgroup_uuid": NOWHERE}, InvalidRequest, f"Portgroup {NOWHERE} could not be found"),
        ({"is_smartnic": True, "local_link_connection": LINK}, InvalidRequest, "must have port_id and hostname"),
        ({"local_link_connection": {"port_id": "1"}}, InvalidRequest, "'switch_id' are required"),
    ],
)
def test_a_port_that_cannot_be_is_refused(desk: Desk, port: dict[str, Any], error: type[Exception], words: str) -> None:
    add(desk, 0x99, name="taken")
    with pytest.raises(error, match=words):
        add(desk, **port)
    assert len(desk.list_ports()["ports"]) == 1


def test_ports_are_listed_by_node_address_shard_group_and_words(desk: Desk) -> None:
    node = desk.ask("node", ident="n1")["uuid"]
    for number, name in ((1, "n1"), (2, "n1"), (3, "n2")):
        add(desk, number, name, description=f"Port {number}")

    def listed(**filters: Any) -> list[str]:
        return addresses(desk.list_ports(filters=filters))

    assert listed() == ["01", "02", "03"]
    assert listed(node_ident="n1") == listed(node="n1") == listed(node_uuid=node) == ["01", "02"]
    assert listed(node="n1", node_ident="n2") == []
    assert listed(address="aa:bb:cc:dd:ee:02") == ["02"]
    assert listed(address="aa:bb:cc:dd:ee:77") == []
    assert listed(shard=["s1", "s9"]) == ["01", "02"]
    assert listed(conductor_groups=[""]) == ["01", "02", "03"]
    assert listed(conductor_groups=["x"]) == []
    assert listed(description_contains="port 3") == ["03"]
    for filters in ({"node": "nobody"}, {"node_ident": NOWHERE}, {"portgroup": NOWHERE}):
        with pytest.raises(NotFound):
            desk.list_ports(filters=filters)


def test_port_lists_go_by_pages(desk: Desk) -> None:
    for number in range(5):
        add(desk, number)

    first = desk.list_ports(limit=3, resource_url="nodes/n1/ports", filters={"node_ident": "n1"})

    marker = first["ports"][-1]["uuid"]
    assert first["next"] == f"{BASE_URL}/v1/nodes/n1/ports?sort_key=id&sort_dir=asc&limit=3&marker={marker}"
    assert addresses(desk.list_ports(limit=3, marker=marker)) == ["03", "04"]
    assert set(first["ports"][0]) == {"uuid", "address", "links"}
    assert "extra" in desk.list_ports(detail=True)["ports"][0]
    assert addresses(desk.list_ports(sort_key="address", sort_dir="desc"))[0] == "04"
    with pytest.raises(NotFound):
        desk.list_ports(marker=NOWHERE)


def test_a_patch_changes_answers_and_tells(desk: Desk) -> None:
    port = add(desk, extra={"a": 1}, pxe_enabled=False, local_link_connection=LINK)

    shown = patch(
        desk, port["uuid"], ("add", "/extra/b", 2), ("remove", "/pxe_enabled"), ("replace", "/name", "eth0"),
        ("remove", "/local_link_connection"),
    )  # fmt: skip

    assert (shown["extra"], shown["pxe_enabled"], shown["name"]) == ({"a": 1, "b": 2}, True, "eth0")
    assert shown["local_link_connection"] == {}
    assert shown["updated_at"] is not None
    fact, data = desk.events(port["node_uuid"])[-1]
    assert (fact, data["changed"]) == (
        "port-updated", {"name": "eth0", "pxe_enabled": True, "local_link_connection": {}},
    )  # fmt: skip
    told = len(desk.bus.published)
    assert patch(desk, "eth0") == shown
    assert patch(desk, "eth0", ("remove", "/node_uuid")) == shown
    assert len(desk.bus.published) == told


@pytest.mark.parametrize(
    ("operation", "error", "words"),
    [
        (("remove", "/address"), InvalidRequest, "'address' is a required property"),
        (("replace", "/uuid", NOWHERE), InvalidRequest, "Cannot patch /uuid"),
        (("replace", "/internal_info", {}), InvalidRequest, "Cannot patch /internal_info"),
        (("replace", "/address", "aa:bb:cc:dd:ee:99"), Conflict, "already exists"),
        (("replace", "/node_uuid", "nobody"), InvalidRequest, "Unable to apply the requested node_uuid 'nobody'"),
        (("replace", "/node_uuid", 5), InvalidRequest, "Unable to apply the requested node_uuid"),
        (("replace", "/physical_network", ""), InvalidRequest, "non-empty value"),
        (("replace", "/extra/none", 1), InvalidRequest, "Couldn't apply patch"),
    ],
)
def test_a_patch_that_makes_no_sense_is_refused(
    desk: Desk, operation: tuple[Any, ...], error: type[Exception], words: str
) -> None:
    add(desk, 0x99)
    port = add(desk)
    with pytest.raises(error, match=words):
        patch(desk, port["uuid"], operation)
    assert desk.ask("port", ident=port["uuid"]) == port


@pytest.mark.parametrize("root", ["node_uuid", "node_ident"])
def test_a_port_moves_to_another_node(desk: Desk, root: str) -> None:
    port = add(desk)
    target = desk.ask("node", ident="n2")["uuid"]

    assert patch(desk, port["uuid"], ("add", f"/{root}", "n2"))["node_uuid"] == target
    assert addresses(desk.list_ports(filters={"node": "n2"})) == ["01"]
    assert desk.events(target)[-1][0] == "port-updated"


def test_a_port_is_not_moved_to_a_node_that_somebody_holds(desk: Desk) -> None:
    port = add(desk)
    desk.tell("take-lease", ident="n2", purpose="boot device", ttl_s=30)
    with pytest.raises(Busy):
        patch(desk, port["uuid"], ("add", "/node_uuid", "n2"))


@pytest.mark.parametrize(
    ("columns", "operation", "allowed"),
    [
        ({"provision_state": "inspecting"}, ("add", "/extra/a", 1), False),
        ({"provision_state": "available"}, ("replace", "/pxe_enabled", False), False),
        ({"provision_state": "available"}, ("replace", "/physical_network", "x"), False),
        ({"provision_state": "available", "maintenance": True}, ("replace", "/pxe_enabled", False), True),
        ({"provision_state": "manageable"}, ("replace", "/pxe_enabled", False), True),
        ({"provision_state": "available"}, ("add", "/extra/a", 1), True),
        ({"provision_state": "active"}, ("replace", "/address", "aa:bb:cc:dd:ee:02"), False),
        ({"instance_uuid": NOWHERE}, ("replace", "/address", "aa:bb:cc:dd:ee:02"), False),
        ({"provision_state": "active", "maintenance": True}, ("replace", "/address", "aa:bb:cc:dd:ee:02"), True),
    ],
)
def test_the_state_of_the_node_guards_its_ports(
    desk: Desk, columns: dict[str, Any], operation: tuple[Any, ...], allowed: bool
) -> None:
    port = add(desk)
    set_columns(desk, "n1", **columns)
    if allowed:
        assert patch(desk, port["uuid"], operation)["updated_at"] is not None
    else:
        with pytest.raises(Conflict):
            patch(desk, port["uuid"], operation)


def test_a_port_is_deleted_unless_a_tenant_uses_it(desk: Desk) -> None:
    port = add(desk)
    with desk.database.begin() as transaction:
        bound = {"internal_info": {"tenant_vif_port_id": NOWHERE}}
        transaction.connection.execute(sa.update(ports).values(bound))
    with pytest.raises(Conflict, match="bound to a VIF"):
        desk.tell("delete-port", ident=port["uuid"])

    set_columns(desk, "n1", maintenance=True)
    desk.tell("delete-port", ident=port["uuid"])

    assert desk.events(port["node_uuid"])[-1][0] == "port-deleted"
    with pytest.raises(NotFound):
        desk.tell("delete-port", ident=port["uuid"])
