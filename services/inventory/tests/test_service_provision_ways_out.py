"""Verbs of states/provision that are aborted, fail or are refused: every state has a way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from steelyard_common.contracts.steps import Done, Failed, Wait
from steelyard_common.errors import Conflict, DeviceRefused, Forbidden, InvalidRequest, Unavailable
from steelyard_inventory.domain.plans import PlanRules
from steelyard_inventory.domain.workflows import Kind
from steelyard_inventory.service.engine import Engine
from steelyard_inventory.service.lifecycle import Caller, Lifecycle
from steelyard_inventory.service.starting import Rules, Starter
from steelyard_inventory.testing_provider import FakeProvider

if TYPE_CHECKING:
    from .conftest import Stage
from .provisioned import is_free, labels, state

REFUSED = Failed(error=DeviceRefused("no"))
RESET = {"interface": "bios", "step": "factory_reset"}
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


@pytest.fixture
def provider(stage: Stage) -> FakeProvider:
    return stage.announce_all()


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
