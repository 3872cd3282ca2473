"""Changes of nodes' records: what they check, write and tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from steelyard_common.errors import Busy, Conflict, Forbidden, InvalidRequest, NotFound
from steelyard_common.secrets import MASK
from steelyard_common.testing import SetClock
from steelyard_inventory.store.tables import nodes
from steelyard_inventory.testing import Desk

INSTANCE = "6f4a3a52-2f73-4b5a-9f0e-000000000000"
OTHER = "6f4a3a52-2f73-4b5a-9f0e-000000000001"


def set_columns(desk: Desk, name: str, **columns: Any) -> None:
    """Put a node into a state that only the lifecycle brings about."""
    with desk.database.begin() as transaction:
        transaction.connection.execute(sa.update(nodes).where(nodes.c.name == name).values(columns))


def row(desk: Desk, name: str) -> dict[str, Any]:
    with desk.database.read() as connection:
        return dict(connection.execute(sa.select(nodes).where(nodes.c.name == name)).mappings().one())


# ---- create


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


# ---- secrets


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


# ---- patch


def test_a_patch_changes_answers_and_tells(desk: Desk, clock: SetClock) -> None:
    node = desk.create(name="n1", extra={"a": 1})
    clock.advance(5)

    shown = desk.patch("n1", ("replace", "/extra/a", 2), ("add", "/name", "n2"), ("add", "/description", "row 7"))

    assert shown == node | {
        "extra": {"a": 2}, "name": "n2", "description": "row 7", "updated_at": "2026-01-01T00:00:05+00:00",
    }  # fmt: skip
    assert row(desk, "n2")["revision"] == 2
    assert desk.events(node["uuid"])[-1] == (
        "node-updated",
        {
            "uuid": node["uuid"], "name": "n2", "changed": {"description": "row 7", "name": "n2"},
            "changed_objects": ["extra"],
        },
    )  # fmt: skip


def test_a_patch_that_fails_in_its_middle_changes_nothing(desk: Desk) -> None:
    node = desk.create(name="n1")
    with pytest.raises(InvalidRequest):
        desk.patch("n1", ("add", "/extra/a", 1), ("remove", "/extra/nothing"))
    assert desk.ask("node", ident="n1") == node


@pytest.mark.parametrize("operations", [(), (("replace", "/name", "n1"),), (("remove", "/extra"),)])
def test_a_patch_that_changes_nothing_writes_and_tells_nothing(desk: Desk, operations: tuple[Any, ...]) -> None:
    node = desk.create(name="n1")

    assert desk.patch("n1", *operations) == node
    assert [fact for fact, _ in desk.events(node["uuid"])] == ["node-created"]


def test_removing_a_root_gives_it_its_default(desk: Desk) -> None:
    desk.create(name="n1", extra={"a": 1}, owner="ada", maintenance=True, bios_interface="no-bios", retired=True,
                automated_clean=False)  # fmt: skip

    roots = ("extra", "owner", "maintenance", "bios_interface", "retired", "automated_clean", "conductor_group", "name")
    shown = desk.patch("n1", *(("remove", f"/{root}") for root in roots))

    assert [shown[root] for root in roots] == [{}, None, False, "fake", False, None, "", None]


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (("remove", "/driver"), "'driver' is a required property"),
        (("replace", "/uuid", OTHER), "Cannot patch /uuid"),
        (("replace", "/traits", []), "Cannot patch /traits"),
        (("replace", "/power_state", "x"), "Cannot patch /power_state"),
        (("replace", "/extra", "text"), "extra is not of type"),
        (("add", "/driver", "nope"), "Could not find the following driver"),
        (("replace", "/bios_interface", "nope"), "Could not find the following interface"),
        (("replace", "/name", "no way"), "Cannot change name to invalid name 'no way'"),
        (("replace", "/conductor_group", "zz"), "No valid host was found"),
        (("replace", "/protected_reason", "x"), "protected_reason field can only be set"),
        (("replace", "/retired_reason", "x"), "retired_reason field can only be set"),
        (("replace", "/chassis_uuid", OTHER), "Chassis .* could not be found"),
        (("replace", "/parent_node", "n1"), "Unable to apply the requested parent_node"),
        (("replace", "/parent_node", "theirs"), "must have the same owner"),
        (("replace", "/network_data", {"x": 1}), "Invalid network_data: 'links' is a required property"),
    ],
)
def test_a_patch_that_makes_no_sense_is_refused(desk: Desk, operation: tuple[Any, ...], words: str) -> None:
    desk.create(name="n1")
    desk.create(name="theirs", owner="bob")
    with pytest.raises(InvalidRequest, match=words):
        desk.patch("n1", operation)


def test_a_node_that_is_not_there_cannot_be_changed(desk: Desk) -> None:
    with pytest.raises(NotFound):
        desk.patch("nobody", ("add", "/name", "x"))
    with pytest.raises(NotFound):
        desk.tell("delete-node", ident="nobody")
    with pytest.raises(NotFound):
        desk.tell("set-maintenance", ident="nobody", on=True)


def test_a_new_driver_rechecks_interfaces_and_can_reset_those_that_are_not_named(desk: Desk) -> None:
    desk.create(name="n1", driver="fake-hardware")
    with pytest.raises(InvalidRequest, match="does not support"):
        desk.patch("n1", ("replace", "/driver", "redfish"))

    shown = desk.patch(
        "n1", ("replace", "/driver", "redfish"), ("replace", "/boot_interface", "pxe"), reset_interfaces=True
    )

    assert (shown["power_interface"], shown["boot_interface"], shown["bios_interface"]) == ("redfish", "pxe", "redfish")
    with pytest.raises(InvalidRequest, match="reset_interfaces parameter can only be used"):
        desk.patch("n1", ("add", "/extra/a", 1), reset_interfaces=True)


def test_the_instance_name_is_filled_from_the_display_name_once(desk: Desk) -> None:
    desk.create(name="n1")

    assert desk.patch("n1", ("add", "/instance_info", {"display_name": "web-1"}))["instance_name"] == "web-1"
    assert desk.patch("n1", ("add", "/instance_info/display_name", "web-2"))["instance_name"] == "web-1"


def test_an_instance_is_freed_before_another_is_set(desk: Desk) -> None:
    desk.create(name="n1", instance_uuid=INSTANCE)

    with pytest.raises(Conflict, match=f"is associated with instance {INSTANCE}"):
        desk.patch("n1", ("replace", "/instance_uuid", OTHER))
    assert desk.patch("n1", ("remove", "/instance_uuid"))["instance_uuid"] is None
    assert desk.patch("n1", ("add", "/instance_uuid", OTHER))["instance_uuid"] == OTHER


@pytest.mark.parametrize(
    ("columns", "operation", "words"),
    [
        ({"provision_state": "cleaning", "target_provision_state": "available"}, ("add", "/extra/a", 1), "transition"),
        ({"provision_state": "inspecting", "target_provision_state": "manageable"}, ("add", "/extra/a", 1), "while it"),
        ({"provision_state": "active"}, ("replace", "/bios_interface", "no-bios"), "bios_interface updated unless"),
        ({"provision_state": "active", "resource_class": "a"}, ("replace", "/resource_class", "b"), "resource_class"),
        ({"console_enabled": True}, ("replace", "/driver", "ipmi"), "console is enabled"),
        ({"provision_state": "enroll"}, ("replace", "/protected", True), "can only be made protected"),
        ({"provision_state": "available"}, ("replace", "/retired", True), "can not have retired set"),
    ],
)
def test_the_state_forbids(desk: Desk, columns: dict[str, Any], operation: tuple[Any, ...], words: str) -> None:
    desk.create(name="n1")
    set_columns(desk, "n1", **columns)
    with pytest.raises(Conflict, match=words):
        desk.patch("n1", operation, reset_interfaces=operation[1] == "/driver")


@pytest.mark.parametrize(
    ("columns", "operation"),
    [
        ({"provision_state": "clean failed", "target_provision_state": "available"}, ("add", "/extra/a", 1)),
        ({"provision_state": "cleaning", "target_provision_state": "available", "maintenance": True,
          "instance_uuid": INSTANCE}, ("remove", "/instance_uuid")),
        ({"provision_state": "active", "maintenance": True}, ("replace", "/bios_interface", "no-bios")),
        ({"provision_state": "active"}, ("replace", "/protected", True)),
        ({"provision_state": "active"}, ("replace", "/resource_class", "first")),
    ],
)  # fmt: skip
def test_the_state_allows(desk: Desk, columns: dict[str, Any], operation: tuple[Any, ...]) -> None:
    desk.create(name="n1")
    set_columns(desk, "n1", **columns)
    assert desk.patch("n1", operation)["updated_at"] is not None


def test_old_clients_may_update_while_inspecting(desk: Desk) -> None:
    desk.create(name="n1")
    set_columns(desk, "n1", provision_state="inspecting", target_provision_state="manageable")
    assert desk.patch("n1", ("add", "/extra/a", 1), minor=38)["extra"] == {"a": 1}


def test_the_end_of_protection_retirement_and_maintenance_takes_their_reasons(desk: Desk) -> None:
    node = desk.create(name="n1", retired=True, retired_reason="old")
    set_columns(desk, "n1", provision_state="active", maintenance=True, maintenance_reason="disk",
                fault="clean failure", protected=True, protected_reason="mine")  # fmt: skip

    shown = desk.patch("n1", *(("replace", f"/{each}", False) for each in ("maintenance", "protected", "retired")))

    reasons = ("maintenance_reason", "protected_reason", "retired_reason", "fault")
    assert [shown[reason] for reason in reasons] == [None] * 4
    facts = dict(desk.events(node["uuid"]))
    assert facts["maintenance-changed"] == {"on": False, "reason": None}
    assert facts["fault-changed"] == {"from": "clean failure", "to": None}


# ---- locks


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


# ---- maintenance, traits, delete, validate


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
