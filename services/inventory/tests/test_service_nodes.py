"""Nodes are made, kept secret of, locked, put into maintenance, and deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from steelyard_common.errors import Busy, Conflict, Forbidden, InvalidRequest, NotFound
from steelyard_common.secrets import MASK
from steelyard_common.testing import SetClock
from steelyard_inventory.testing import Desk

from .node_rows import row, set_columns

INSTANCE = "6f4a3a52-2f73-4b5a-9f0e-000000000000"
OTHER = "6f4a3a52-2f73-4b5a-9f0e-000000000001"


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ({"driver": "nope"}, "Could not find the following driver"),
        ({"conductor_group": "elsewhere"}, 'for conductor group "elsewhere"'),
        ({"boot_interface": "nope"}, "Could not find the following interface"),
        ({"chassis_uuid": INSTANCE}, f"Chassis {INSTANCE} could not be found"),
        ({"parent_node": "nobody"}, "Unable to apply the requested parent_node 'nobody'"),
        ({"retired_reason": "old"}, "retired_reason field can only be set when retired"),
    ],
)
def test_a_node_that_cannot_be_is_refused_and_nothing_is_kept(desk: Desk, node: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        desk.create(**node)
    assert desk.list_nodes() == {"nodes": []}
    assert desk.events() == []


def test_a_driver_needs_a_live_worker(desk: Desk, clock: SetClock) -> None:
    clock.advance(61)
    with pytest.raises(InvalidRequest, match="No valid host was found"):
        desk.create(driver="redfish")

    desk.announce(drivers=["redfish"])
    assert desk.create(driver="redfish")["driver"] == "redfish"
    with pytest.raises(InvalidRequest, match="No valid host was found"):
        desk.create(driver="ipmi")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("uuid", OTHER, f"A node with UUID {OTHER} already exists"),
        ("name", "n1", "A node with name n1 already exists"),
        ("instance_uuid", INSTANCE, f"Instance {INSTANCE} is already associated"),
    ],
)
def test_what_is_taken_cannot_be_taken_again(desk: Desk, field: str, value: str, words: str) -> None:
    desk.create(uuid=OTHER, name="n1", instance_uuid=INSTANCE)

    taken: dict[str, Any] = {field: value}
    with pytest.raises(Conflict, match=words):
        desk.create(**taken)
    desk.create(name="n2")
    if field != "uuid":
        with pytest.raises(Conflict, match=words):
            desk.patch("n2", ("add", f"/{field}", value))


def test_a_default_resource_class_is_given_to_those_that_name_none(desk: Desk) -> None:
    classed = Desk(desk.database, type(desk.bus)(), desk.inventory.workers._clock, default_resource_class="baremetal")

    assert classed.create()["resource_class"] == "baremetal"
    assert classed.create(resource_class="gpu")["resource_class"] == "gpu"


def test_creation_is_told_without_objects(desk: Desk) -> None:
    node = desk.create(name="n1", extra={"secret plan": 1}, owner="ada")

    [(fact, data)] = desk.events(node["uuid"])
    assert (fact, data["uuid"], data["name"], data["changed"]["owner"]) == ("node-created", node["uuid"], "n1", "ada")
    assert data["changed_objects"] == ["extra"]
    assert b"secret plan" not in desk.bus.published[-1].body


def test_a_secret_is_masked_kept_and_never_told(desk: Desk) -> None:
    token = "sealed:k1:AAAA"
    node = desk.create(name="n1", driver_info={"redfish_password": token, "redfish_username": "root"})

    assert node["driver_info"] == {"redfish_password": MASK, "redfish_username": "root"}
    assert row(desk, "n1")["sealed"] == {"driver_info": {"/redfish_password": token}}
    provided = desk.ask("node-for-provider", ident="n1")["node"]
    assert provided["sealed"] == {"/redfish_password": token}
    assert desk.ask("power-targets", shard=row(desk, "n1")["id"] % 64)["targets"][0]["sealed"] == provided["sealed"]
    assert not any(token.encode() in message.body for message in desk.bus.published)

    shown = desk.patch("n1", ("replace", "/driver_info", {"redfish_password": MASK, "redfish_username": "admin"}))
    assert shown["driver_info"]["redfish_username"] == "admin"
    assert row(desk, "n1")["sealed"] == {"driver_info": {"/redfish_password": token}}

    desk.patch("n1", ("replace", "/driver_info/redfish_password", "sealed:k1:BBBB"))
    assert row(desk, "n1")["sealed"] == {"driver_info": {"/redfish_password": "sealed:k1:BBBB"}}
    assert desk.events(node["uuid"])[-1][1]["changed_objects"] == ["driver_info"]

    assert desk.patch("n1", ("remove", "/driver_info/redfish_password"))["driver_info"] == {"redfish_username": "admin"}
    assert row(desk, "n1")["sealed"] == {}


def test_a_config_drive_is_never_shown(desk: Desk) -> None:
    node = desk.create(name="n1")

    shown = desk.patch("n1", ("add", "/instance_info/configdrive", "H4sIAAAA"))

    assert shown["instance_info"] == {"configdrive": MASK}
    assert row(desk, "n1")["sealed"] == {"instance_info": {"/configdrive": "H4sIAAAA"}}
    assert desk.ask("node", ident=node["uuid"])["instance_info"] == {"configdrive": MASK}


def held(desk: Desk, name: str) -> None:
    desk.tell("take-lease", ident=name, purpose="set boot device", ttl_s=30)


def test_whatever_changes_a_node_waits_for_its_holder(desk: Desk, clock: SetClock) -> None:
    node = desk.create(name="n1")
    held(desk, "n1")
    attempts: list[Callable[[], Any]] = [
        lambda: desk.patch("n1", ("add", "/extra/a", 1)),
        lambda: desk.tell("delete-node", ident="n1"),
        lambda: desk.tell("set-maintenance", ident="n1", on=True),
        lambda: desk.tell("set-traits", ident="n1", mode="clear"),
        lambda: desk.tell("create-port", port={"address": "aa:bb:cc:dd:ee:01", "node_uuid": node["uuid"]}),
    ]

    for attempt in attempts:
        with pytest.raises(Busy, match=f"Node {node['uuid']} is locked by host .* \\(set boot device since"):
            attempt()

    assert desk.ask("node", ident="n1")["reservation"] == "inventory-1.here"
    clock.advance(31)  # nobody keeps a node by dying
    for attempt in (attempts[4], attempts[0]):
        attempt()


def test_maintenance_is_set_with_a_reason_and_cleared_with_the_fault(desk: Desk) -> None:
    node = desk.create(name="n1")

    desk.tell("set-maintenance", ident="n1", on=True, reason="disk")
    shown = desk.ask("node", ident="n1")
    assert (shown["maintenance"], shown["maintenance_reason"]) == (True, "disk")

    set_columns(desk, "n1", fault="power failure")
    desk.tell("set-maintenance", ident="n1", on=False)
    shown = desk.ask("node", ident="n1")
    assert (shown["maintenance"], shown["maintenance_reason"], shown["fault"]) == (False, None, None)
    assert [fact for fact, _ in desk.events(node["uuid"])] == [
        "node-created", "node-updated", "maintenance-changed", "node-updated", "maintenance-changed", "fault-changed",
    ]  # fmt: skip

    desk.tell("set-maintenance", ident="n1", on=False)
    assert len(desk.events(node["uuid"])) == 6


def test_traits_are_kept_sorted_and_shown_with_the_node(desk: Desk) -> None:
    desk.create(name="n1")

    desk.tell("set-traits", ident="n1", mode="replace", traits=["CUSTOM_B", "CUSTOM_A"])
    desk.tell("set-traits", ident="n1", mode="add", traits=["HW_CPU_X86_VMX"])

    assert desk.ask("traits", ident="n1") == {"traits": ["CUSTOM_A", "CUSTOM_B", "HW_CPU_X86_VMX"]}
    assert desk.ask("node", ident="n1")["traits"] == ["CUSTOM_A", "CUSTOM_B", "HW_CPU_X86_VMX"]
    with pytest.raises(NotFound, match="doesn't have a trait"):
        desk.tell("set-traits", ident="n1", mode="remove", traits=["CUSTOM_Z"])
    desk.tell("set-traits", ident="n1", mode="clear")
    assert desk.ask("traits", ident="n1") == {"traits": []}


def test_a_deleted_node_is_gone_with_its_ports_and_both_are_told(desk: Desk) -> None:
    node = desk.create(name="n1")
    desk.tell("create-port", port={"address": "aa:bb:cc:dd:ee:01", "node_uuid": node["uuid"]})

    assert desk.raw("here.inventory.cmd.delete-node", ident="n1") == orjson.dumps(None)

    assert desk.list_nodes() == {"nodes": []}
    assert desk.list_ports() == {"ports": []}
    assert [fact for fact, _ in desk.events(node["uuid"])][-2:] == ["port-deleted", "node-deleted"]


@pytest.mark.parametrize(
    ("columns", "error"),
    [
        ({"instance_uuid": INSTANCE}, Conflict),
        ({"protected": True}, Forbidden),
        ({"provision_state": "active"}, Conflict),
        ({"provision_state": "clean failed"}, Conflict),
        ({"provision_state": "clean failed", "maintenance": True}, None),
        ({"instance_uuid": INSTANCE, "maintenance": True}, None),
        ({"provision_state": "adopt failed"}, None),
        ({"provision_state": "available"}, None),
        ({"protected": True, "maintenance": True}, Forbidden),
    ],
)
def test_deleting_is_guarded_by_the_state(desk: Desk, columns: dict[str, Any], error: type[Exception] | None) -> None:
    desk.create(name="n1")
    set_columns(desk, "n1", **columns)
    if error is None:
        desk.tell("delete-node", ident="n1")
    else:
        with pytest.raises(error):
            desk.tell("delete-node", ident="n1")
    assert len(desk.list_nodes()["nodes"]) == (error is not None)


def test_validation_says_for_each_interface_what_is_missing(desk: Desk) -> None:
    desk.create(name="fake")
    desk.create(name="bare", driver="redfish")
    desk.create(
        name="good", driver="redfish", console_interface="no-console",
        driver_info={"redfish_address": "https://192.0.2.1", "redfish_username": "u", "redfish_password": "sealed:k:x"},
    )  # fmt: skip

    good, bare = desk.ask("validate-node", ident="good"), desk.ask("validate-node", ident="bare")

    assert good["power"] == good["management"] == good["network"] == good["storage"] == {"result": True}
    assert good["console"]["result"] is False
    assert "does not support console" in good["console"]["reason"]
    assert good["deploy"]["result"] is False
    assert "No live worker provides the deploy interface 'direct'." in good["deploy"]["reason"]
    assert bare["power"]["result"] is False
    assert "redfish_address" in bare["power"]["reason"]
    assert all(result == {"result": True} for result in desk.ask("validate-node", ident="fake").values())
    assert set(good) == {
        "bios", "boot", "console", "deploy", "firmware", "inspect", "management", "network", "power", "raid", "rescue",
        "storage",
    }  # fmt: skip
