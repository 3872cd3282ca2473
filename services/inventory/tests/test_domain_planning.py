"""The planner: which steps, in which order, from where, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from steelyard_common.contracts.catalogue import StepSpec
from steelyard_common.errors import InvalidRequest
from steelyard_inventory.domain.planning import plan
from steelyard_inventory.domain.plans import NodeFacts, Plan, PlanRules
from steelyard_inventory.domain.transitions import State
from steelyard_inventory.domain.workflows import Kind
from steelyard_inventory.testing_provider import CATALOGUE

FAKE = dict.fromkeys(
    ("power", "management", "vendor", "deploy", "rescue", "inspect", "bios", "raid", "firmware", "console"), "fake"
)
NODE = NodeFacts(uuid="n1", interfaces=FAKE, provision_state=State.MANAGEABLE)
AGENT = replace(NODE, interfaces=FAKE | {"deploy": "direct"})
RESET = {"interface": "bios", "step": "factory_reset"}


def planned(kind: Kind, node: NodeFacts = NODE, rules: PlanRules | None = None, **params: Any) -> Plan:
    return plan(kind, node, CATALOGUE, params, rules or PlanRules())


def labels(found: Plan) -> list[str]:
    return [step.label for step in found.steps]


def step(interface: str, name: str, **kinds: int) -> StepSpec:
    return StepSpec(interface=interface, name=name, description="", kinds=kinds)


def test_automated_cleaning_goes_by_priority_and_ties_by_interface() -> None:
    catalogue = [
        step("raid", "a", clean=10), step("deploy", "b", clean=10), step("vendor", "c", clean=10),
        step("bios", "d", clean=99), step("power", "e", clean=0), step("bios", "f", deploy=50),
    ]  # fmt: skip

    found = plan(Kind.CLEAN, NODE, catalogue, {"automated": True}, PlanRules())

    assert labels(found) == ["bios.d", "vendor.c", "deploy.b", "raid.a"]
    assert {each.source for each in found.steps} == {"driver"}


def test_an_operators_priorities_override_those_of_clean_steps() -> None:
    rules = PlanRules(clean_priorities={"vendor.log_passthrough": 0, "bios.factory_reset": 5})

    assert labels(planned(Kind.CLEAN, rules=rules, automated=True)) == ["bios.factory_reset"]


def test_a_users_deploy_step_wins_over_a_templates_over_a_drivers_and_0_takes_it_out() -> None:
    catalogue = [*CATALOGUE, step("bios", "x", deploy=40), step("bios", "y", deploy=30)]
    template = [{"interface": "bios", "step": "x", "args": {}, "priority": 90}]
    user = [
        {"interface": "bios", "step": "x", "args": {}, "priority": 10},
        {"interface": "bios", "step": "y", "args": {}, "priority": 0},
    ]

    found = plan(Kind.DEPLOY, NODE, catalogue, {"templates": template, "steps": user}, PlanRules())

    assert [(each.label, each.source, each.priority) for each in found.steps] == [
        ("deploy.prepare", "core", 0), ("deploy.deploy", "driver", 100), ("bios.x", "user", 10),
    ]  # fmt: skip


def test_deploy_deploy_may_be_taken_out_but_not_changed() -> None:
    off = {"interface": "deploy", "step": "deploy", "args": {}, "priority": 0}

    assert labels(planned(Kind.DEPLOY, steps=[off])) == ["deploy.prepare"]
    with pytest.raises(InvalidRequest, match="can be disabled"):
        planned(Kind.DEPLOY, steps=[off | {"priority": 5}])


def test_a_user_may_name_a_step_once() -> None:
    twice = {"interface": "bios", "step": "factory_reset", "args": {}, "priority": 5}

    with pytest.raises(InvalidRequest, match="more than once"):
        planned(Kind.DEPLOY, steps=[twice, twice])


def test_lists_keep_their_order_unless_they_say_another() -> None:
    log = {"interface": "vendor", "step": "log_passthrough"}

    assert labels(planned(Kind.CLEAN, steps=[RESET, log])) == ["bios.factory_reset", "vendor.log_passthrough"]
    ordered = [RESET | {"order": 2}, log | {"order": 1}]
    assert labels(planned(Kind.SERVICE, steps=ordered)) == ["vendor.log_passthrough", "bios.factory_reset"]


def test_a_ramdisk_is_prepared_only_when_a_step_needs_it() -> None:
    raid = {"interface": "raid", "step": "create_configuration"}

    assert not planned(Kind.CLEAN, steps=[RESET]).needs_ramdisk
    found = planned(Kind.CLEAN, steps=[raid])
    assert (found.needs_ramdisk, labels(found)[0]) == (True, "deploy.prepare_cleaning")


def test_in_band_steps_are_accepted_when_an_agent_comes_and_judged_then() -> None:
    erase = {"interface": "deploy", "step": "erase_devices"}
    catalogue = [
        replace(each, implementations=("fake", "direct")) if each.interface == "deploy" else each for each in CATALOGUE
    ]

    found = plan(Kind.CLEAN, AGENT, catalogue, {"steps": [erase]}, PlanRules())

    assert labels(found) == [
        "deploy.prepare_cleaning", "power.set_power", "deploy.wait", "deploy.erase_devices", "power.set_power",
        "deploy.tear_down_cleaning",
    ]  # fmt: skip
    assert (found.power_actions, found.needs_ramdisk) == (2, True)
    assert "deploy.erase_devices" in (found.pending or "")
    with pytest.raises(InvalidRequest, match="does not support"):
        plan(Kind.CLEAN, AGENT, catalogue, {"steps": [erase], "disable_ramdisk": True}, PlanRules())
    with pytest.raises(InvalidRequest, match="does not support"):
        planned(Kind.CLEAN, steps=[erase])


def test_a_node_that_may_not_be_switched_off_is_only_rebooted() -> None:
    node = replace(AGENT, disable_power_off=True)

    found = plan(Kind.CLEAN, node, CATALOGUE, {"automated": True}, PlanRules())

    assert [each.args["target"] for each in found.steps if each.name == "set_power"] == ["rebooting"]


def test_adoption_touches_neither_power_nor_boot_device() -> None:
    assert labels(planned(Kind.ADOPT)) == ["power.verify", "deploy.prepare", "deploy.take_over"]


def test_undeploying_takes_back_rescue_and_console() -> None:
    node = replace(NODE, provision_state=State.RESCUE, console_enabled=True)

    assert labels(planned(Kind.UNDEPLOY, node)) == [
        "rescue.clean_up", "console.stop", "deploy.clean_up", "deploy.tear_down",
    ]  # fmt: skip


def test_reserved_steps_run_on_any_interface() -> None:
    steps = [{"interface": "raid", "step": name} for name in ("hold", "wait", "power_off", "power_on", "reboot")]

    found = planned(Kind.SERVICE, steps=steps)

    assert [each.args.get("target", each.name) for each in found.steps] == [
        "hold", "wait", "power off", "power on", "rebooting",
    ]  # fmt: skip
    assert found.steps[2].asked == "raid.power_off"


@pytest.mark.parametrize("seconds", [31, -1, "5", True])
def test_a_wait_is_short_or_for_the_agent(seconds: Any) -> None:
    with pytest.raises(InvalidRequest, match="seconds"):
        planned(Kind.CLEAN, steps=[{"interface": "power", "step": "wait", "args": {"seconds": seconds}}])


def test_only_children_of_the_node_can_be_named() -> None:
    node = replace(NODE, children=("c1", "c2"))
    asked = RESET | {"execute_on_child_nodes": True, "limit_child_node_execution": ["c2"]}

    assert planned(Kind.CLEAN, node, steps=[asked]).steps[0].children == ("c2",)
    with pytest.raises(InvalidRequest, match="c9 is no child"):
        planned(Kind.CLEAN, node, steps=[asked | {"limit_child_node_execution": ["c9"]}])


def test_an_external_providers_steps_are_for_every_node() -> None:
    catalogue = [*CATALOGUE, step("dust", "blow", clean=3)]

    assert "dust.blow" in labels(plan(Kind.CLEAN, NODE, catalogue, {"automated": True}, PlanRules()))


@pytest.mark.parametrize(
    ("args", "says"), [({"settings": "x"}, "type array"), ({"settings": [], "y": 1}, "takes: settings")]
)
def test_arguments_are_what_the_schema_asks_for(args: dict[str, Any], says: str) -> None:
    asked = {"interface": "bios", "step": "apply_configuration", "args": args}

    with pytest.raises(InvalidRequest, match=says):
        planned(Kind.CLEAN, steps=[asked])


def test_tidying_leaves_out_what_nobody_offers() -> None:
    assert plan(Kind.TIDY, NODE, (), {"of": Kind.DEPLOY}, PlanRules()).steps == ()
    assert labels(planned(Kind.TIDY, of=Kind.CLEAN, prepared=True)) == ["deploy.tear_down_cleaning"]
    assert labels(planned(Kind.TIDY, of=Kind.CLEAN, prepared=False)) == []
