"""Deployments whose agent starts the instance: the engine, its database, and a provider that speaks for the agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from steelyard_common.contracts.steps import Again, Done, Failed, StepResult, Wait
from steelyard_common.errors import InvalidRequest, Unsupported
from steelyard_inventory.domain.progress import REDISPATCH_S
from steelyard_inventory.store.tables import nodes
from steelyard_inventory.testing_provider import FakeProvider

from .test_service_agents import agent_says, beat, machine, ran

if TYPE_CHECKING:
    from .conftest import Stage

WANTS = {"image_source": "http://x/i", "capabilities": {"kexec": "true"}}
STARTS = "the instance is started by kexec: /boot/vmlinuz is loaded"
ARMED = Again(after_s=0, memo={"armed": 1}, progress=STARTS)
INTO_RAMDISK = ["power off", "power on"]


@pytest.fixture
def provider(stage: Stage) -> FakeProvider:
    return stage.announce_all(agents=True)


@pytest.fixture
def node(stage: Stage) -> str:
    return machine(stage, "available", instance_info=WANTS)


def deploy(
    stage: Stage, node: str, provider: FakeProvider, *results: StepResult, verb: str = "active", answers: bool = True
) -> None:
    """Up to where nothing goes on by itself, but for the last ``answers``. ``results``: of the step that starts the
    instance, slice by slice."""
    agent_says(provider)
    provider.behaviour["deploy.start_by_kexec"] = list(results)
    stage.verb(node, verb)
    provider.run()
    beat(stage, node, provider)
    stage.tick()
    if answers:
        provider.run()


def power(provider: FakeProvider) -> list[str]:
    return [word for word in ran(provider) if word.startswith(("power o", "reboot"))]


def test_an_instance_that_the_agent_started_is_left_alone(stage: Stage, provider: FakeProvider, node: str) -> None:
    deploy(stage, node, provider, ARMED, Done(facts={"kexec": True}))

    row = stage.node(node)
    assert (row["provision_state"], row["power_state"], row["last_error"]) == ("active", "power on", None)
    assert power(provider) == INTO_RAMDISK
    assert ran(provider)[-3:] == ["start_by_kexec", "switch_to_tenant_network", "boot_instance"]
    told = [data["progress"] for fact, data in stage.events(node) if fact == "workflow-progressed"]
    assert STARTS in told

    provider.seen.clear()
    stage.verb(node, "deleted")
    provider.run()
    assert power(provider)[0] == "power off"


def test_an_instance_that_the_agent_cannot_start_goes_through_the_firmware_and_the_reason_is_kept(
    stage: Stage, provider: FakeProvider, node: str
) -> None:
    deploy(stage, node, provider, Failed(error=Unsupported("this ramdisk has no step deploy.kexec_instance")))

    assert stage.node(node)["provision_state"] == "active"
    assert power(provider) == [*INTO_RAMDISK, "power off", "power on"]
    assert "tear_down_agent" in ran(provider)
    ended = next(data for fact, data in stage.events(node) if fact == "workflow-finished")
    told = next(each for each in ended["steps"] if each["step"] == "deploy.start_by_kexec")
    assert (told["status"], told["error"]["message"]) == ("skipped", "this ramdisk has no step deploy.kexec_instance")


def test_a_rebuild_is_started_by_the_agent_too(stage: Stage, provider: FakeProvider) -> None:
    node = machine(stage, "active", instance_info=WANTS)

    deploy(stage, node, provider, Done(facts={"kexec": True}), verb="rebuild")

    assert stage.node(node)["provision_state"] == "active"
    assert power(provider) == INTO_RAMDISK


def test_what_is_known_of_the_agent_ends_as_it_starts_the_instance(
    stage: Stage, provider: FakeProvider, node: str
) -> None:
    deploy(stage, node, provider, Wait(signal="heartbeat"), Done(facts={"kexec": True}))
    with stage.database.begin() as transaction:
        known = {"agent_url": "https://192.0.2.1:9999", "mine": 1}
        transaction.connection.execute(nodes.update().where(nodes.c.uuid == node).values(driver_internal_info=known))

    beat(stage, node, provider)

    assert stage.node(node)["provision_state"] == "active"
    left = stage.node(node)["driver_internal_info"]
    assert left.pop("agent_boot")
    assert left == {"mine": 1}


def test_a_slice_whose_answer_is_lost_is_run_again_with_the_memo_that_says_so(
    stage: Stage, provider: FakeProvider, node: str
) -> None:
    """Whoever runs it sees two dispatches since the memo, so that the command may have been sent."""
    deploy(stage, node, provider, ARMED, answers=False)
    (lost,) = provider.receive()
    assert (lost.steps[0].memo, lost.steps[0].attempt) == ({"armed": 1}, 2)

    stage.tick(after_s=REDISPATCH_S + 1)
    (again,) = provider.receive()

    assert (again.steps[0].memo, again.steps[0].attempt) == ({"armed": 1}, 3)


def test_what_cannot_be_is_refused_before_anything_begins(stage: Stage, provider: FakeProvider) -> None:
    both = WANTS | {"capabilities": {"kexec": "true", "secure_boot": "true"}}
    node = machine(stage, "available", instance_info=both)

    with pytest.raises(InvalidRequest, match="kexec starts a kernel that no firmware has checked"):
        stage.verb(node, "active")

    assert stage.node(node)["provision_state"] == "available"
