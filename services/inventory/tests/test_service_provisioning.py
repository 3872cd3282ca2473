"""The verbs of states/provision from end to end, on a real database, with a provider that plays all services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from steelyard_common.contracts.steps import Again, Done, Failed, Wait
from steelyard_common.errors import Busy, Conflict, DeviceRefused, Forbidden, InvalidRequest, Unavailable
from steelyard_inventory.domain.plans import PlanRules
from steelyard_inventory.domain.workflows import Kind
from steelyard_inventory.service.engine import Engine
from steelyard_inventory.service.lifecycle import Caller, Lifecycle
from steelyard_inventory.service.starting import Rules, Starter
from steelyard_inventory.testing_provider import FakeProvider

if TYPE_CHECKING:
    from .conftest import Stage

REFUSED = Failed(error=DeviceRefused("no"))
RESET = {"interface": "bios", "step": "factory_reset"}
HOLD = {"interface": "deploy", "step": "hold"}


@pytest.fixture
def provider(stage: Stage) -> FakeProvider:
    return stage.announce_all()


def state(stage: Stage, node: str) -> tuple[Any, Any]:
    row = stage.node(node)
    return row["provision_state"], row["target_provision_state"]


def labels(provider: FakeProvider) -> list[str]:
    return [f"{step.interface}.{step.name}" for message in provider.seen for step in message.steps]


def states_seen(stage: Stage, node: str) -> list[str]:
    return [data["to"] for fact, data in stage.events(node) if fact == "provision-state-changed"]


def is_free(stage: Stage, node: str) -> bool:
    return stage.node(node)["reservation"] is None and not stage.rows("SELECT 1 FROM locks")


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


def test_a_step_that_may_not_be_interrupted_is_aborted_when_it_ends(stage: Stage, provider: FakeProvider) -> None:
    node = stage.add_fake()
    update = {"interface": "firmware", "step": "update", "args": {"settings": []}}
    provider.behaviour = {"firmware.update": [Wait(signal="heartbeat"), Done()]}
    stage.verb(node, "clean", clean_steps=[update, RESET])
    provider.run()

    stage.verb(node, "abort")
    assert state(stage, node)[0] == "clean wait"
    assert stage.node(node)["clean_step"]["abort_after"] is True
    stage.lifecycle.send_signal(node, "heartbeat")
    stage.tick()
    provider.run()

    assert state(stage, node)[0] == "clean failed"
    assert [row["status"] for row in stage.rows("SELECT status FROM steps ORDER BY index")] == ["done", "aborted"]


def test_a_deployment_that_waits_can_be_undeployed(stage: Stage, provider: FakeProvider) -> None:
    node = stage.add_fake("available")
    provider.behaviour = {"deploy.deploy": [Wait(signal="heartbeat")]}
    stage.verb(node, "active")
    provider.run()

    stage.verb(node, "deleted")
    provider.run()

    assert state(stage, node) == ("available", None)
    statuses = stage.rows("SELECT kind, status FROM workflows ORDER BY created_at, kind")
    assert {(row["kind"], row["status"]) for row in statuses} == {
        ("deploy", "aborted"), ("undeploy", "done"), ("clean", "done"),
    }  # fmt: skip


def test_only_a_step_of_the_catalogue_that_failed_brings_maintenance(stage: Stage, provider: FakeProvider) -> None:
    core, step = stage.add_fake(), stage.add_fake()
    raid = {"interface": "raid", "step": "create_configuration"}
    provider.behaviour = {"deploy.prepare_cleaning": [REFUSED], "bios.factory_reset": [REFUSED]}

    stage.verb(core, "clean", clean_steps=[raid])
    stage.verb(step, "clean", clean_steps=[RESET])
    provider.run()

    rows = [stage.node(node) for node in (core, step)]
    assert [row["provision_state"] for row in rows] == ["clean failed"] * 2
    assert [(row["maintenance"], row["fault"]) for row in rows] == [(False, None), (True, "clean failure")]
    assert rows[1]["maintenance_reason"] == rows[1]["last_error"] == "Cleaning failed: no"


def test_what_was_prepared_is_taken_back_when_a_step_fails(stage: Stage, provider: FakeProvider) -> None:
    node = stage.add_fake()
    provider.behaviour = {"raid.create_configuration": [REFUSED]}

    stage.verb(node, "clean", clean_steps=[{"interface": "raid", "step": "create_configuration"}])
    provider.run()

    assert labels(provider)[-1] == "deploy.tear_down_cleaning"
    assert stage.node(node)["last_error"] == "Cleaning failed: no"


def test_an_undeployment_clears_the_instance_even_when_it_fails(stage: Stage, provider: FakeProvider) -> None:
    node = stage.add_fake(
        "active", instance_info={"a": 1}, instance_name="web", instance_uuid="11111111-2222-3333-4444-555555555555",
        lessee="p1", driver_internal_info={"automatic_lessee": True, "x": 1},
        sealed={"instance_info": {"/configdrive": "sealed:x"}, "driver_info": {"/p": "sealed:y"}},
    )  # fmt: skip
    provider.behaviour = {"deploy.tear_down": [REFUSED]}

    stage.verb(node, "deleted")
    provider.run()

    row = stage.node(node)
    assert (row["provision_state"], row["last_error"]) == ("error", "Undeploying failed: no")
    assert [row[name] for name in ("instance_info", "instance_name", "instance_uuid", "lessee")] == [
        {},
        None,
        None,
        None,
    ]
    assert row["sealed"] == {"driver_info": {"/p": "sealed:y"}}
    assert row["driver_internal_info"] == {"x": 1}


def test_who_deploys_is_lessee_till_the_node_is_undeployed(stage: Stage, provider: FakeProvider) -> None:
    node = stage.add_fake("available")

    stage.lifecycle.set_provision(node, "active", Caller(project="p9"))
    provider.run()
    assert stage.node(node)["lessee"] == "p9"
    stage.verb(node, "deleted")
    provider.run()

    assert stage.node(node)["lessee"] is None


def test_a_retired_node_lands_in_manageable_after_it_was_undeployed(stage: Stage, provider: FakeProvider) -> None:
    cleaned, uncleaned = (
        stage.add_fake("active", retired=True),
        stage.add_fake("active", retired=True, automated_clean=False),
    )

    for node in (cleaned, uncleaned):
        stage.verb(node, "deleted")
    provider.run()

    assert [state(stage, node) for node in (cleaned, uncleaned)] == [("manageable", None)] * 2


FAILURES: list[tuple[str, str, dict[str, Any], str, str, tuple[str, ...]]] = [
    ("manageable", "clean", {"clean_steps": [RESET]}, "bios.factory_reset", "clean failed", ("manage",)),
    ("manageable", "inspect", {}, "inspect.inspect_hardware", "inspect failed", ("manage",)),
    ("manageable", "adopt", {}, "deploy.take_over", "adopt failed", ("manage",)),
    ("available", "active", {}, "deploy.deploy", "deploy failed", ("deleted", "manage")),
    ("active", "rescue", {"rescue_password": "x"}, "rescue.rescue", "rescue failed", ("unrescue", "deleted", "manage")),
    ("rescue", "unrescue", {}, "rescue.unrescue", "unrescue failed", ("unrescue", "deleted", "manage")),
    ("active", "service", {"service_steps": [RESET]}, "bios.factory_reset", "service failed", ("deleted", "manage")),
    ("active", "deleted", {}, "deploy.tear_down", "error", ("deleted", "manage")),
]


@pytest.mark.parametrize("failure", FAILURES, ids=[each[4] for each in FAILURES])
def test_from_every_failed_state_the_api_alone_leads_back(
    stage: Stage, provider: FakeProvider, failure: tuple[str, str, dict[str, Any], str, str, tuple[str, ...]]
) -> None:
    start, verb, params, step, failed, back = failure
    node = stage.add_fake(start)
    provider.behaviour = {step: [REFUSED]}
    stage.verb(node, verb, **params)
    provider.run()
    assert stage.node(node)["provision_state"] == failed

    for each in back:
        stage.verb(node, each)
        provider.run()

    assert state(stage, node) == ("manageable", None)
    assert is_free(stage, node)


def test_a_service_that_failed_can_be_aborted_to_active(stage: Stage, provider: FakeProvider) -> None:
    node = stage.add_fake("active")
    provider.behaviour = {"bios.factory_reset": [REFUSED]}
    stage.verb(node, "service", service_steps=[RESET])
    provider.run()
    with pytest.raises(Conflict, match="maintenance"):
        stage.verb(node, "abort")
    with stage.database.begin() as transaction:
        transaction.connection.exec_driver_sql("UPDATE nodes SET maintenance = false")

    stage.verb(node, "abort")
    provider.run()

    assert state(stage, node) == ("active", None)


REFUSALS: list[tuple[dict[str, Any], str, dict[str, Any], type[Exception], str]] = [
    ({"provision_state": "active", "protected": True}, "deleted", {}, Forbidden, "protected"),
    ({"provision_state": "active", "protected": True}, "rebuild", {}, Forbidden, "protected"),
    ({"provision_state": "available", "maintenance": True}, "active", {}, InvalidRequest, "maintenance"),
    ({"maintenance": True}, "clean", {"clean_steps": [RESET]}, InvalidRequest, "maintenance"),
    ({"provision_state": "active", "maintenance": True}, "rescue", {"rescue_password": "x"}, InvalidRequest, "mainten"),
    ({"provision_state": "active", "maintenance": True}, "service", {"service_steps": [RESET]}, InvalidRequest, "main"),
    ({"retired": True}, "provide", {}, InvalidRequest, "retired"),
    ({}, "clean", {}, InvalidRequest, "clean_steps"),
    ({}, "clean", {"clean_steps": [{"interface": "raid", "step": "sing"}]}, InvalidRequest, "raid.sing"),
    ({}, "clean", {"clean_steps": [{**RESET, "args": {"x": 1}}]}, InvalidRequest, "does not take the argument x"),
    (
        {}, "clean", {"clean_steps": [{"interface": "bios", "step": "apply_configuration"}]}, InvalidRequest,
        "needs the argument settings",
    ),
    ({}, "clean", {"clean_steps": [{"interface": "vendor", "step": "send_raw"}]}, InvalidRequest, "not allowed"),
    ({}, "clean", {"clean_steps": [{"interface": "deploy", "step": "prepare"}]}, InvalidRequest, "machinery"),
    (
        {}, "clean", {"clean_steps": [{"interface": "raid", "step": "create_configuration"}], "disable_ramdisk": True},
        InvalidRequest, "ramdisk",
    ),
    ({}, "clean", {"runbook": "nobody"}, InvalidRequest, "Runbook nobody could not be found"),
    ({}, "inspect", {}, InvalidRequest, "inspect_interface"),
    (
        {"provision_state": "available", "instance_info": {"traits": ["CUSTOM_A"]}}, "active", {}, InvalidRequest,
        "CUSTOM_A",
    ),
    ({"provision_state": "available", "deploy_interface": "direct"}, "active", {}, InvalidRequest, "names no image"),
    (
        {"provision_state": "available", "deploy_interface": "ramdisk", "instance_info": {"boot_iso": "http://x"}},
        "active", {}, InvalidRequest, "offered for deploy_interface fake, noop",
    ),
    (
        {"provision_state": "available"}, "active",
        {"deploy_steps": [{"interface": "deploy", "step": "deploy", "args": {}, "priority": 5}]}, InvalidRequest,
        "can be disabled",
    ),
    ({"power_interface": "redfish"}, "provide", {}, InvalidRequest, "redfish_address"),
]  # fmt: skip


@pytest.mark.parametrize("refusal", REFUSALS, ids=[f"{each[1]} {each[4][:20]}" for each in REFUSALS])
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    stage: Stage, refusal: tuple[dict[str, Any], str, dict[str, Any], type[Exception], str]
) -> None:
    columns, verb, params, kind, says = refusal
    stage.announce_all()
    if verb == "inspect":
        columns = {"inspect_interface": "no-inspect"}
    node = stage.add_fake(columns.get("provision_state", "manageable"), **columns)
    before = stage.node(node)

    with pytest.raises(kind, match=says):
        stage.verb(node, verb, **params)

    assert stage.node(node) == before
    assert stage.sent() == []


def test_without_a_worker_for_what_is_needed_the_verb_is_refused_for_now(stage: Stage) -> None:
    node = stage.add_fake("available")

    with pytest.raises(Unavailable, match=r"deploy\.prepare"):
        stage.verb(node, "active")


def test_a_limit_of_deployments_refuses_the_next_for_now(stage: Stage, provider: FakeProvider) -> None:
    rules = Rules(most={Kind.DEPLOY: 1}, plan=PlanRules())
    starter = Starter(site="here", holder="i", rules=rules, services=stage.services, catalogue=stage.starter.catalogue)
    lifecycle = Lifecycle(stage.database, starter, stage.clock, Engine(stage.database, starter, stage.clock).wake)
    lifecycle.set_provision(stage.add_fake("available"), "active", Caller())

    with pytest.raises(Unavailable, match="retry after 30 s"):
        lifecycle.set_provision(stage.add_fake("available"), "active", Caller())


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
