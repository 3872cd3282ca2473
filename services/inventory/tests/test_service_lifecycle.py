"""Verbs, on a real database: what they check, start, write and say."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from steelyard_common.contracts.steps import Done, Failed
from steelyard_common.errors import Busy, Conflict, DeviceUnreachable, InvalidRequest, NotFound
from steelyard_common.testing import eventually
from steelyard_inventory.service.lifecycle import Caller

if TYPE_CHECKING:
    from .conftest import Stage

ANYONE = Caller()


def test_a_power_change_is_dispatched_shown_and_locked_before_it_is_accepted(stage: Stage, caller: Caller) -> None:
    node = stage.add_node(last_error="old trouble", name="n1")

    stage.lifecycle.set_power("n1", "power on", None, caller)

    shown = stage.node(node)
    assert (shown["target_power_state"], shown["power_state"]) == ("power on", "power off")
    assert (shown["reservation"], shown["last_error"], shown["fence"]) == ("inventory-1.here", None, 1)
    [message] = stage.sent()
    assert [(step.interface, step.name, step.attempt) for step in message.steps] == [("power", "set_power", 1)]
    assert message.steps[0].args == {"target": "power on", "timeout_s": 60}
    assert message.node["interfaces"] == {"power": "fake", "management": "fake"}
    assert message.cause["user"] == "ada"
    assert stage.facts(node) == ["workflow-started"]


def test_a_power_change_that_succeeds_shows_the_new_state_and_frees_the_node(stage: Stage) -> None:
    node = stage.add_node()
    stage.lifecycle.set_power(node, "power on", None, ANYONE)

    stage.answer(stage.sent()[0], Done(facts={"power_state": "power on"}))

    shown = stage.node(node)
    assert (shown["power_state"], shown["target_power_state"], shown["reservation"]) == ("power on", None, None)
    assert shown["power_changed_at"] == stage.clock.now
    assert stage.facts(node) == ["workflow-started", "power-state-changed", "workflow-finished"]
    assert stage.rows("SELECT * FROM locks") == []


def test_a_power_change_that_fails_says_why_and_frees_the_node(stage: Stage) -> None:
    node = stage.add_node()
    stage.lifecycle.set_power(node, "power on", None, ANYONE)
    message = stage.sent()[0]
    stage.answer(message, Failed(error=DeviceUnreachable("the BMC at 192.0.2.1 did not answer")))
    stage.tick(after_s=2)

    stage.answer(stage.sent()[1], Failed(error=DeviceUnreachable("the BMC at 192.0.2.1 did not answer")))

    shown = stage.node(node)
    assert shown["last_error"] == "Changing power to power on failed: the BMC at 192.0.2.1 did not answer"
    assert (shown["power_state"], shown["target_power_state"], shown["reservation"]) == ("power off", None, None)
    assert "power-change-failed" in stage.facts(node)


@pytest.mark.parametrize(
    ("target", "leads_to", "timeout_s"),
    [
        ("power on", "power on", 60), ("power off", "power off", 60), ("rebooting", "power on", 60),
        ("soft power off", "power off", 600), ("soft rebooting", "power on", 600),
    ],
)  # fmt: skip
def test_each_power_target_leads_somewhere(stage: Stage, target: str, leads_to: str, timeout_s: int) -> None:
    node = stage.add_node()

    stage.lifecycle.set_power(node, target, None, ANYONE)

    assert stage.node(node)["target_power_state"] == leads_to
    assert stage.sent()[0].steps[0].args == {"target": target, "timeout_s": timeout_s}


@pytest.mark.parametrize(
    ("columns", "target", "timeout_s", "kind"),
    [
        ({}, "power sideways", None, InvalidRequest),
        ({}, "power on", 0, InvalidRequest),
        ({"provision_state": "cleaning"}, "power on", None, InvalidRequest),
        ({"provision_state": "clean wait"}, "power on", None, InvalidRequest),
        ({"disable_power_off": True}, "power off", None, Conflict),
        ({"disable_power_off": True}, "soft power off", None, Conflict),
        ({"power_interface": "redfish", "driver_info": {}}, "power on", None, InvalidRequest),
    ],
)
def test_a_power_change_that_makes_no_sense_changes_nothing(
    stage: Stage, columns: dict[str, Any], target: str, timeout_s: int | None, kind: type[Exception]
) -> None:
    node = stage.add_node(**columns)

    with pytest.raises(kind):
        stage.lifecycle.set_power(node, target, timeout_s, ANYONE)

    assert stage.node(node)["reservation"] is None
    assert stage.sent() == []


def test_a_node_without_power_off_can_be_rebooted(stage: Stage) -> None:
    node = stage.add_node(disable_power_off=True, power_state="power on")

    stage.lifecycle.set_power(node, "rebooting", None, ANYONE)
    stage.answer(stage.sent()[0], Done(facts={"power_state": "power on"}))

    assert "power-state-changed" in stage.facts(node)


def test_an_unknown_node_is_not_found(stage: Stage) -> None:
    with pytest.raises(NotFound):
        stage.lifecycle.set_power("nobody", "power on", None, ANYONE)


def test_a_locked_node_names_its_holder_the_purpose_and_since_when(stage: Stage) -> None:
    node = stage.add_node()
    stage.lifecycle.set_power(node, "power on", None, ANYONE)

    with pytest.raises(Busy) as caught:
        stage.lifecycle.set_power(node, "power off", None, ANYONE)

    assert caught.value.message == (
        f"Node {node} is locked by host inventory-1.here, please retry after the current operation is completed. "
        "(power: power on since 2026-01-01T00:00:00+00:00)"
    )


def test_a_repeated_call_finds_its_first_workflow(stage: Stage, caller: Caller) -> None:
    node = stage.add_node()
    stage.lifecycle.set_power(node, "power on", None, caller)

    stage.lifecycle.set_power(node, "power on", None, caller)
    stage.answer(stage.sent()[0], Done(facts={"power_state": "power on"}))
    stage.lifecycle.set_power(node, "power on", None, caller)

    assert len(stage.rows("SELECT 1 FROM workflows")) == 1


def test_manage_verifies_an_enrolled_node(stage: Stage) -> None:
    node = stage.add_node(provision_state="enroll", power_state=None)

    stage.lifecycle.set_provision(node, "manage", ANYONE)

    shown = stage.node(node)
    assert (shown["provision_state"], shown["target_provision_state"]) == ("verifying", "manageable")
    [message] = stage.sent()
    assert [step.name for step in message.steps] == ["verify", "observe"]

    facts = {"boot_mode": "uefi", "secure_boot": False, "health": "OK", "vendor": "Contoso"}
    stage.answer(message, Done(facts={"power_state": "power on"}), Done(facts=facts))

    shown = stage.node(node)
    assert (shown["provision_state"], shown["target_provision_state"]) == ("manageable", None)
    assert (shown["power_state"], shown["boot_mode"], shown["secure_boot"]) == ("power on", "uefi", False)
    assert (shown["health"], shown["properties"]) == ("OK", {"vendor": "Contoso"})
    assert shown["provision_updated_at"] == stage.clock.now
    assert stage.facts(node).count("provision-state-changed") == 2


def test_a_node_that_cannot_be_verified_goes_back_to_enroll_with_the_reason(stage: Stage) -> None:
    node = stage.add_node(provision_state="enroll", power_state=None)
    stage.lifecycle.set_provision(node, "manage", ANYONE)

    stage.answer(stage.sent()[0], Failed(error=InvalidRequest("redfish_address is missing")))

    shown = stage.node(node)
    assert (shown["provision_state"], shown["target_provision_state"]) == ("enroll", None)
    assert shown["last_error"] == "Verifying the node failed: redfish_address is missing"


@pytest.mark.parametrize("state", ["available", "clean failed", "inspect failed", "adopt failed"])
def test_manage_is_a_plain_move_from_elsewhere(stage: Stage, state: str, caller: Caller) -> None:
    node = stage.add_node(provision_state=state, target_provision_state="available")

    stage.lifecycle.set_provision(node, "manage", caller)
    stage.lifecycle.set_provision(node, "manage", caller)

    shown = stage.node(node)
    assert (shown["provision_state"], shown["target_provision_state"]) == ("manageable", None)
    assert shown["reservation"] is None
    assert stage.sent() == []
    assert stage.facts(node) == ["provision-state-changed", "workflow-started", "workflow-finished"]


def test_provide_makes_a_node_available_when_it_is_not_to_be_cleaned(stage: Stage) -> None:
    node = stage.add_node(provision_state="manageable", automated_clean=False)

    stage.lifecycle.set_provision(node, "provide", ANYONE)

    assert stage.node(node)["provision_state"] == "available"
    changes = [data for fact, data in stage.events(node) if fact == "provision-state-changed"]
    assert changes == [{"from": "manageable", "to": "available", "target": None, "event": "provide"}]


@pytest.mark.parametrize(
    ("state", "verb", "says"),
    [
        ("available", "active", "deploy_interface unset"), ("manageable", "inspect", "inspect_interface unset"),
        ("manageable", "active", "can not be performed"), ("enroll", "provide", "can not be performed"),
        ("clean hold", "unhold", "Nothing holds"), ("active", "abort", "can not be performed"),
        ("active", "sing", "is not known"),
    ],
)  # fmt: skip
def test_a_verb_that_cannot_be_done_says_why(stage: Stage, state: str, verb: str, says: str) -> None:
    node = stage.add_node(provision_state=state)

    with pytest.raises(InvalidRequest, match=says):
        stage.lifecycle.set_provision(node, verb, ANYONE)

    assert stage.node(node)["provision_state"] == state


def test_a_retired_node_is_not_provided(stage: Stage) -> None:
    node = stage.add_node(provision_state="manageable", retired=True)

    with pytest.raises(InvalidRequest, match="retired"):
        stage.lifecycle.set_provision(node, "provide", ANYONE)


@pytest.mark.parametrize("verb", ["active", "abort"])
def test_an_illegal_verb_on_a_locked_node_is_busy(stage: Stage, verb: str) -> None:
    node = stage.add_node(provision_state="manageable")
    stage.lifecycle.set_power(node, "power on", None, ANYONE)

    with pytest.raises(Busy):
        stage.lifecycle.set_provision(node, verb, ANYONE)


def test_boot_mode_and_secure_boot_are_set_by_workflows(stage: Stage) -> None:
    node = stage.add_node()

    stage.lifecycle.set_boot_mode(node, "uefi", ANYONE)
    stage.answer(stage.sent()[0], Done(facts={"boot_mode": "uefi"}))
    stage.lifecycle.set_secure_boot(node, True, ANYONE)
    stage.answer(stage.sent()[1], Failed(error=Conflict("the BMC refused")))

    shown = stage.node(node)
    assert (shown["boot_mode"], shown["secure_boot"]) == ("uefi", None)
    assert shown["last_error"] == "Setting secure boot to True failed: the BMC refused"


def test_boot_settings_wait_for_a_stable_state_and_known_words(stage: Stage) -> None:
    node = stage.add_node(provision_state="deploying")

    with pytest.raises(Conflict):
        stage.lifecycle.set_boot_mode(node, "uefi", ANYONE)
    with pytest.raises(Conflict):
        stage.lifecycle.set_secure_boot(node, True, ANYONE)
    with pytest.raises(InvalidRequest):
        stage.lifecycle.set_boot_mode(node, "coreboot", ANYONE)


def test_verbs_that_are_handled_together_meet_what_the_earlier_left(stage: Stage) -> None:
    busy, other = stage.add_node(), stage.add_node()
    node = stage.add_node(provision_state="available", automated_clean=False)
    with ThreadPoolExecutor(4) as pool:
        with stage.database.begin() as transaction:
            transaction.connection.execute(sa.text("SELECT 1 FROM nodes WHERE uuid = :node FOR UPDATE"), {"node": busy})
            first = pool.submit(stage.lifecycle.set_power, busy, "power on", None, ANYONE)
            eventually(lambda: stage.lifecycle._verbs._is_led and not stage.lifecycle._verbs._queue)
            calls = []
            for uuid, verb in [(node, "manage"), (node, "provide"), (other, "active")]:
                calls.append(pool.submit(stage.lifecycle.set_provision, uuid, verb, ANYONE))
                eventually(lambda: len(stage.lifecycle._verbs._queue) == len(calls))
        errors = [call.exception(60) for call in [first, *calls]]

    assert [type(error) for error in errors] == [type(None), type(None), type(None), InvalidRequest]
    shown = stage.node(node)
    assert (shown["provision_state"], shown["fence"]) == ("available", 2)
    assert stage.facts(node).count("provision-state-changed") == 2
