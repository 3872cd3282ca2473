"""The instance is started by its ramdisk's agent: who may ask for it, and what becomes of the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from steelyard_inventory.domain import kexec
from steelyard_inventory.domain.estimates import Estimate
from steelyard_inventory.domain.plan_document import document
from steelyard_inventory.domain.plans import NodeFacts
from steelyard_inventory.domain.ramdisks import forgotten
from steelyard_inventory.domain.runs import StepRun
from steelyard_inventory.domain.transitions import State
from steelyard_inventory.domain.workflows import Kind

from services.inventory.tests.test_domain_agent_plans import planned, run_of, says, told, words

INTERFACES = {
    "power": "redfish", "management": "redfish", "deploy": "direct", "boot": "ipxe", "network": "flat",
    "vendor": "fake", "bios": "fake",
}  # fmt: skip
WANTS = {"capabilities": {"kexec": "true"}, "image_source": "http://x"}
NODE = NodeFacts(uuid="n1", interfaces=INTERFACES, provision_state=State.AVAILABLE, instance_info=WANTS)
LEAVING = ["write_image", "prepare_instance_boot", "disk!", "start_by_kexec"]
BY_FIRMWARE = ["tear_down_agent", "power off", "switch_to_tenant_network", "boot_instance", "power on"]


def ahead(node: NodeFacts = NODE, steps: Sequence[dict[str, Any]] = ()) -> list[StepRun]:
    """Of a deployment whose agent has told its steps."""
    run = run_of(Kind.DEPLOY, planned(Kind.DEPLOY, node, steps=steps), "deploy.read_agent_steps")
    return told(run, says({"interface": "deploy", "step": "late", "priority": 0}), node)


def test_the_agent_starts_the_instance_as_the_last_thing_it_does() -> None:
    late = {"interface": "deploy", "step": "late", "args": {}, "priority": 10}

    assert words(ahead()) == [*LEAVING, *BY_FIRMWARE]
    assert words(ahead(steps=[late])) == [*LEAVING[:-1], "late", LEAVING[-1], *BY_FIRMWARE]
    start = next(step for step in ahead() if step.label == "deploy.start_by_kexec")
    assert (start.optional, start.retries, start.alone) == ("any", 0, True)


def test_an_instance_that_was_started_is_not_switched_off_and_on() -> None:
    for node in (NODE, replace(NODE, disable_power_off=True)):
        run = run_of(Kind.DEPLOY, planned(Kind.DEPLOY, node), "deploy.start_by_kexec")

        assert words(told(run, {"kexec": True}, node)) == ["switch_to_tenant_network", "boot_instance"]


def test_a_plan_tells_what_is_spared_if_the_agent_starts_the_instance() -> None:
    told = document(Kind.DEPLOY, planned(Kind.DEPLOY, NODE), {}, Estimate(known=False))

    assert [step["step"] for step in told["steps"] if step["unless_kexec"]] == [
        "tear_down_agent", "set_power", "set_power",
    ]  # fmt: skip


def test_what_somebody_asked_for_is_not_spared() -> None:
    steps = [
        {"interface": "power", "step": "reboot", "args": {}, "priority": 35},
        {"interface": "bios", "step": "factory_reset", "args": {}, "priority": 25},
    ]
    run = run_of(Kind.DEPLOY, planned(Kind.DEPLOY, NODE, steps=steps), "deploy.start_by_kexec")

    assert [step.asked for step in told(run, {"kexec": True}, NODE)] == [
        "power.reboot", "deploy.switch_to_tenant_network", "bios.factory_reset", "deploy.boot_instance",
    ]  # fmt: skip


def test_who_takes_the_leave_of_the_agent_out_goes_through_the_firmware() -> None:
    off = {"interface": "deploy", "step": "tear_down_agent", "args": {}, "priority": 0}

    assert "start_by_kexec" not in words(planned(Kind.DEPLOY, NODE, steps=[off]).steps)


@pytest.mark.parametrize(
    ("instance", "properties", "wanted"),
    [
        ({}, {}, False),
        ({}, {"capabilities": "boot_mode:uefi,kexec:true"}, True),
        ({"capabilities": {"kexec": True}}, {}, True),
        ({"capabilities": {"kexec": "false"}}, {"capabilities": "kexec:true"}, False),
        ({"capabilities": {"kexec": " TRUE "}}, {"capabilities": "kexec:false"}, True),
    ],
)
def test_the_instances_word_counts_before_the_nodes(
    instance: dict[str, Any], properties: dict[str, Any], wanted: bool
) -> None:
    node = replace(NODE, instance_info=instance | {"image_source": "http://x"}, properties=properties)

    assert kexec.is_wanted(node) is wanted
    assert ("start_by_kexec" in words(planned(Kind.DEPLOY, node).steps)) is wanted
    assert not [*kexec.obstacles(node)]


@pytest.mark.parametrize(
    ("changed", "info", "says"),
    [
        ({"deploy": "ramdisk"}, {}, "deploy_interface direct or custom-agent, and this is 'ramdisk'"),
        ({"deploy": "anaconda"}, {}, "and this is 'anaconda'"),
        ({"network": "neutron"}, {}, "network_interface flat or noop, and this is 'neutron'"),
        ({}, {"capabilities": {"kexec": "true", "secure_boot": "true"}}, "secure_boot is true"),
        ({"storage": "external"}, {"image_source": None}, "boots from a volume"),
        ({}, {"capabilities": "kexec:perhaps"}, "kexec is 'perhaps': it can be true or false"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(changed: dict[str, str], info: dict[str, Any], says: str) -> None:
    node = replace(NODE, interfaces=INTERFACES | changed, instance_info=WANTS | info)

    (reason,) = kexec.obstacles(node)

    assert says in reason
    assert "set kexec to false" in reason or "true or false" in reason
    assert not kexec.is_wanted(node)


def test_the_agent_is_forgotten_when_it_has_started_the_instance() -> None:
    assert forgotten([], "8.3", started=True)["agent_url"] is None
    assert forgotten([], "8.3", started=True)["agent_boot"] == "8.3"
    assert forgotten([], "8.3") == {}
