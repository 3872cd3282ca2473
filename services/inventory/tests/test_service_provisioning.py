"""The verbs of states/provision from end to end, on a real database, with a provider that plays all services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from steelyard_common.contracts.steps import Again, Done, Wait
from steelyard_common.errors import Busy, InvalidRequest
from steelyard_inventory.service.lifecycle import Caller
from steelyard_inventory.testing_provider import FakeProvider

if TYPE_CHECKING:
    from .conftest import Stage
from .provisioned import is_free, labels, state, states_seen

RESET = {"interface": "bios", "step": "factory_reset"}
HOLD = {"interface": "deploy", "step": "hold"}


@pytest.fixture
def provider(stage: Stage) -> FakeProvider:
    return stage.announce_all()


def test_a_whole_life_on_fake_hardware(stage: Stage, provider: FakeProvider) -> None:
    node = stage.add_fake("enroll", power_state=None)

    for verb in ("manage", "provide", "active", "deleted"):
        stage.verb(node, verb)
        provider.run()

    assert states_seen(stage, node) == [
        "verifying", "manageable", "cleaning", "available", "deploying", "active", "deleting", "cleaning", "available",
    ]  # fmt: skip
    assert labels(provider) == [
        "power.verify", "management.observe", "vendor.log_passthrough", "deploy.prepare", "deploy.deploy",
        "deploy.clean_up", "deploy.tear_down", "vendor.log_passthrough",
    ]  # fmt: skip
    row = stage.node(node)
    assert (row["power_state"], row["last_error"], row["clean_step"], row["deploy_step"]) == ("power on", None, {}, {})
    assert row["driver_internal_info"] == {}
    assert is_free(stage, node)


def test_inspect_adopt_rescue_unrescue_service_and_rebuild(stage: Stage, provider: FakeProvider) -> None:
    node = stage.add_fake()

    for verb, params, then in (
        ("inspect", {}, "manageable"),
        ("adopt", {}, "active"),
        ("rescue", {"rescue_password": "sealed:k1:AAAA"}, "rescue"),
        ("unrescue", {}, "active"),
        ("service", {"service_steps": [RESET]}, "active"),
        ("rebuild", {}, "active"),
    ):
        stage.verb(node, verb, **params)
        provider.run()
        assert state(stage, node) == (then, None), verb

    row = stage.node(node)
    assert row["properties"] == {"cpu_arch": "x86_64", "memory_mb": 4096}
    assert row["inspection_started_at"] == row["inspection_finished_at"] == stage.clock.now
    assert (row["instance_info"], row["sealed"].get("instance_info", {})) == ({}, {})


def test_a_rescue_password_stays_sealed_and_goes_with_the_end(stage: Stage, provider: FakeProvider) -> None:
    node = stage.add_fake("active")

    stage.verb(node, "rescue", rescue_password="sealed:k1:AAAA")

    row = stage.node(node)
    assert row["instance_info"] == {"hashed_rescue_password": "******"}
    assert row["sealed"]["instance_info"] == {"/hashed_rescue_password": "sealed:k1:AAAA"}
    [message] = provider.receive()
    assert message.node["sealed_instance"] == {"/hashed_rescue_password": "sealed:k1:AAAA"}
    assert "sealed:" not in str(stage.events(node))


def test_a_config_drive_is_kept_sealed_and_does_not_travel_with_steps(stage: Stage, provider: FakeProvider) -> None:
    node = stage.add_fake("available", instance_info={"display_name": "web"})

    stage.verb(node, "active", configdrive={"meta_data": {"a": "sealed:k1:BBBB"}})
    provider.run()

    row = stage.node(node)
    assert row["instance_info"] == {"display_name": "web", "configdrive": "******"}
    assert row["sealed"]["instance_info"] == {"/configdrive": {"meta_data": {"a": "sealed:k1:BBBB"}}}
    assert "BBBB" not in str(provider.seen)


def test_manual_cleaning_keeps_the_order_of_the_list_and_ends_in_manageable(
    stage: Stage, provider: FakeProvider
) -> None:
    node = stage.add_fake()
    raid = {"interface": "raid", "step": "create_configuration"}

    stage.verb(node, "clean", clean_steps=[raid, RESET])
    assert state(stage, node) == ("cleaning", "manageable")
    provider.run()

    assert labels(provider) == [
        "deploy.prepare_cleaning", "raid.create_configuration", "bios.factory_reset", "deploy.tear_down_cleaning",
    ]  # fmt: skip
    assert state(stage, node) == ("manageable", None)


def test_the_running_step_is_shown_with_its_place_and_without_its_secrets(stage: Stage, provider: FakeProvider) -> None:
    node = stage.add_fake()
    step = {"interface": "bios", "step": "apply_configuration", "args": {"settings": [{"value": "sealed:k1:CC"}]}}

    stage.verb(node, "clean", clean_steps=[step, RESET])

    row = stage.node(node)
    assert row["clean_step"] == {
        "interface": "bios", "step": "apply_configuration", "args": {"settings": [{"value": "******"}]},
        "priority": 0, "abortable": True, "requires_ramdisk": False,
    }  # fmt: skip
    assert row["driver_internal_info"]["clean_step_index"] == 0
    assert [each["step"] for each in row["driver_internal_info"]["clean_steps"]] == [
        "apply_configuration", "factory_reset",
    ]  # fmt: skip
    assert provider.receive()[0].steps[0].args == {"settings": [{"value": "sealed:k1:CC"}]}


def test_a_step_that_waits_frees_the_node_and_goes_on_with_its_signal(stage: Stage, provider: FakeProvider) -> None:
    node = stage.add_fake("available")
    provider.behaviour = {"deploy.deploy": [Wait(signal="heartbeat", memo={"m": 1}), Done()]}

    stage.verb(node, "active")
    provider.run()
    assert state(stage, node) == ("wait call-back", "active")
    assert is_free(stage, node)
    stage.lifecycle.set_power(node, "power off", None, Caller())
    assert stage.lifecycle.send_signal(node, "heartbeat", {"agent": "here"})
    stage.tick()
    assert state(stage, node) == ("wait call-back", "active")  # the power change has the node
    provider.run()
    stage.tick(after_s=1)
    assert state(stage, node) == ("deploying", "active")
    provider.run()

    assert state(stage, node) == ("active", None)
    assert provider.seen[-1].steps[0].memo == {"m": 1, "signal": {"agent": "here"}}
    assert is_free(stage, node)
    told = [data for fact, data in stage.events(node) if fact == "workflow-progressed"]
    assert [(each["step"], each["signal"]) for each in told] == [("deploy.deploy", "heartbeat")]


def test_a_hold_lasts_till_unhold_even_as_the_last_step(stage: Stage, provider: FakeProvider) -> None:
    node = stage.add_fake()

    stage.verb(node, "clean", clean_steps=[HOLD, RESET, HOLD])
    assert state(stage, node) == ("clean hold", "manageable")
    assert is_free(stage, node)
    stage.verb(node, "unhold")
    assert state(stage, node) == ("clean wait", "manageable")
    stage.tick()
    provider.run()
    assert state(stage, node) == ("clean hold", "manageable")
    stage.verb(node, "unhold")
    stage.tick()

    assert state(stage, node) == ("manageable", None)
    assert labels(provider) == ["bios.factory_reset"]


def test_wait_and_power_steps_run_inside_the_engine(stage: Stage, provider: FakeProvider) -> None:
    node = stage.add_fake()
    wait = {"interface": "deploy", "step": "wait", "args": {"seconds": 5}}

    stage.verb(node, "clean", clean_steps=[{"interface": "power", "step": "power_off"}, wait])
    provider.run()
    assert (stage.node(node)["power_state"], state(stage, node)[0]) == ("power off", "cleaning")
    stage.tick(after_s=4)
    assert state(stage, node)[0] == "cleaning"
    stage.tick(after_s=1)

    assert state(stage, node) == ("manageable", None)
    assert provider.seen[0].steps[0].args["target"] == "power off"


@pytest.mark.parametrize(
    ("start", "verb", "params", "step", "wait", "failed"),
    [
        ("manageable", "clean", {"clean_steps": [RESET]}, "bios.factory_reset", "clean wait", "clean failed"),
        ("available", "active", {}, "deploy.deploy", "wait call-back", "deploy failed"),
        ("manageable", "inspect", {}, "inspect.inspect_hardware", "inspect wait", "inspect failed"),
        ("active", "rescue", {"rescue_password": "x"}, "rescue.rescue", "rescue wait", "rescue failed"),
        ("active", "service", {"service_steps": [RESET]}, "bios.factory_reset", "service wait", "service failed"),
    ],
)  # fmt: skip
class TestWaits:
    def test_a_wait_can_be_aborted_at_once(
        self, stage: Stage, provider: FakeProvider, start: str, verb: str, params: dict[str, Any], step: str, wait: str,
        failed: str,
    ) -> None:  # fmt: skip
        node = stage.add_fake(start)
        provider.behaviour = {step: [Wait(signal="heartbeat")]}
        stage.verb(node, verb, **params)
        provider.run()
        assert state(stage, node)[0] == wait

        stage.verb(node, "abort")
        assert failed in states_seen(stage, node)
        provider.run()

        assert state(stage, node)[0] == ("active" if failed == "service failed" else failed)
        row = stage.node(node)
        assert not row["maintenance"]
        assert "was aborted" in row["last_error"]
        assert is_free(stage, node)

    def test_a_wait_ends_at_its_limit(
        self, stage: Stage, provider: FakeProvider, start: str, verb: str, params: dict[str, Any], step: str, wait: str,
        failed: str,
    ) -> None:  # fmt: skip
        node = stage.add_fake(start)
        provider.behaviour = {step: [Wait(signal="heartbeat")]}
        stage.verb(node, verb, **params)
        provider.run()

        stage.tick(after_s=1799)
        assert state(stage, node)[0] == wait
        stage.tick(after_s=1)
        provider.run()

        row = stage.node(node)
        assert row["provision_state"] == failed
        assert "heartbeat" in row["last_error"]
        assert row["maintenance"] == (verb in ("clean", "service"))
        assert is_free(stage, node)


def test_templates_and_the_users_steps_join_the_drivers_by_priority(stage: Stage, provider: FakeProvider) -> None:
    with stage.database.begin() as transaction:
        transaction.connection.exec_driver_sql(
            "INSERT INTO deploy_templates (uuid, name, steps, created_at) VALUES (gen_random_uuid(), 'CUSTOM_A', "
            """'[{"interface": "bios", "step": "factory_reset", "args": {}, "priority": 150}]', now())"""
        )
    node = stage.add_fake("available", traits=["CUSTOM_A"], instance_info={"traits": ["CUSTOM_A"]})
    update = {"interface": "firmware", "step": "update", "args": {"settings": []}, "priority": 50}

    stage.verb(node, "active", deploy_steps=[update])
    provider.run()

    assert labels(provider) == ["deploy.prepare", "bios.factory_reset", "deploy.deploy", "firmware.update"]
    assert state(stage, node) == ("active", None)


def test_a_runbook_needs_a_trait_of_the_node_and_runs_in_its_order(stage: Stage, provider: FakeProvider) -> None:
    with stage.database.begin() as transaction:
        transaction.connection.exec_driver_sql(
            "INSERT INTO runbooks (uuid, name, traits, steps, created_at) VALUES (gen_random_uuid(), 'CUSTOM_R', "
            """'{CUSTOM_T}', '[{"interface": "vendor", "step": "log_passthrough", "args": {}, "order": 2},"""
            """ {"interface": "bios", "step": "factory_reset", "args": {}, "order": 1}]', now())"""
        )
    node, other = stage.add_fake(traits=["CUSTOM_T"]), stage.add_fake(traits=["CUSTOM_X"])

    with pytest.raises(InvalidRequest, match="none of the traits"):
        stage.verb(other, "clean", runbook="CUSTOM_R")
    stage.verb(node, "clean", runbook="CUSTOM_R")
    provider.run()

    assert labels(provider) == ["bios.factory_reset", "vendor.log_passthrough"]
    assert state(stage, node) == ("manageable", None)


def test_a_step_for_children_runs_on_each_of_them_and_is_waited_for(stage: Stage, provider: FakeProvider) -> None:
    parent = stage.add_fake()
    children = [stage.add_fake(parent_node=parent) for _ in range(2)]
    on_children = {"interface": "power", "step": "power_on", "execute_on_child_nodes": True}

    stage.verb(parent, "clean", clean_steps=[on_children, RESET])
    stage.tick()
    assert [stage.node(child)["reservation"] is not None for child in children] == [True, True]
    provider.run()
    stage.tick(after_s=1)
    provider.run()

    assert state(stage, parent) == ("manageable", None)
    assert [stage.node(child)["power_state"] for child in children] == ["power on"] * 2
    assert is_free(stage, parent)


def test_a_step_for_children_fails_while_one_of_them_is_locked(stage: Stage, provider: FakeProvider) -> None:
    parent = stage.add_fake()
    child = stage.add_fake(parent_node=parent)
    stage.lifecycle.set_power(child, "power on", None, Caller())

    stage.verb(parent, "clean", clean_steps=[{**RESET, "execute_on_child_nodes": True}])
    stage.tick()

    assert state(stage, parent)[0] == "clean failed"
    assert child in stage.node(parent)["last_error"]


def test_a_node_at_work_refuses_every_verb_as_busy(stage: Stage, provider: FakeProvider) -> None:
    node = stage.add_fake()
    provider.behaviour = {"bios.factory_reset": [Again(after_s=5)]}
    stage.verb(node, "clean", clean_steps=[RESET])
    provider.run()

    for verb in ("abort", "manage", "active"):
        with pytest.raises(Busy):
            stage.verb(node, verb)
