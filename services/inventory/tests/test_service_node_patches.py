"""Patches of nodes: what they check, change and tell."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_common.errors import Conflict, InvalidRequest, NotFound
from steelyard_common.testing import SetClock
from steelyard_inventory.testing import Desk

from .node_rows import row, set_columns

INSTANCE = "6f4a3a52-2f73-4b5a-9f0e-000000000000"
OTHER = "6f4a3a52-2f73-4b5a-9f0e-000000000001"


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
