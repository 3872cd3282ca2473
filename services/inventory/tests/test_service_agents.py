"""Whole works on machines that boot an agent: the engine, its database, and a provider that speaks for the agent."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from steelyard_common.contracts.steps import Done, Failed, Outcome, StepMessage, StepResult, Wait
from steelyard_common.db import Database
from steelyard_common.errors import DeviceRefused, Unsupported
from steelyard_common.testing import SetClock
from steelyard_inventory.service.ramdisks import Ramdisks
from steelyard_inventory.store.tables import nodes, ports
from steelyard_inventory.store.workers import announce
from steelyard_inventory.testing import SITE, Desk
from steelyard_inventory.testing_provider import AGENT_INTERFACES, FAKE_INTERFACES, FakeProvider, announcements

if TYPE_CHECKING:
    from .conftest import Stage

ERASE = {"interface": "deploy", "step": "erase_devices", "priority": 10, "abortable": True}
METADATA = {"interface": "deploy", "step": "erase_devices_metadata", "priority": 99}
HEARTBEAT = Wait(signal="heartbeat")


@pytest.fixture
def provider(stage: Stage) -> FakeProvider:
    return stage.announce_all(agents=True)


def machine(stage: Stage, state: str = "manageable", **columns: Any) -> str:
    return stage.add_fake(state, **{**AGENT_INTERFACES, "instance_info": {"image_source": "http://x/i"}, **columns})


def agent_says(provider: FakeProvider, *steps: dict[str, Any], version: str = "1") -> None:
    """Its next answer when it is asked what it can do."""
    fact = {"kind": "clean", "version": {"generic": version}, "steps": list(steps)}
    provider.behaviour.setdefault("deploy.read_agent_steps", []).append(Done(facts={"agent_steps": fact}))


def agent_does(provider: FakeProvider, *results: StepResult) -> None:
    """What comes of the steps it is given, a slice each."""
    provider.behaviour.setdefault("deploy.execute_in_band", []).extend(results)


def beat(stage: Stage, node: str, provider: FakeProvider) -> None:
    stage.lifecycle.send_signal(node, "heartbeat")
    stage.tick()
    provider.run()


def ran(provider: FakeProvider) -> list[str]:
    """What was dispatched, in-band steps by their own names."""
    steps = [step for message in provider.seen for step in message.steps]
    names = [step.args.get("step", {}).get("step") or step.args.get("target") or step.name for step in steps]
    return [str(name) for name in names]


def test_automated_cleaning_runs_the_agents_steps_and_shows_them(stage: Stage, provider: FakeProvider) -> None:
    node = machine(stage)
    agent_says(provider, ERASE, METADATA)
    agent_does(provider, HEARTBEAT, Done(), HEARTBEAT, Done())

    stage.verb(node, "provide")
    provider.run()
    row = stage.node(node)
    assert (row["provision_state"], row["reservation"], row["clean_step"]) == ("clean wait", None, {})
    beat(stage, node, provider)

    row = stage.node(node)
    assert row["provision_state"] == "clean wait"
    assert row["clean_step"] == {
        "interface": "deploy", "step": "erase_devices_metadata", "priority": 99, "abortable": False,
        "requires_ramdisk": True, "reboot_requested": False, "argsinfo": {},
    }  # fmt: skip
    info = row["driver_internal_info"]
    assert [step["step"] for step in info["clean_steps"]] == [
        "erase_devices_metadata", "erase_devices", "log_passthrough",
    ]  # fmt: skip
    assert (info["clean_step_index"], info["hardware_manager_version"]) == (0, {"generic": "1"})
    assert [step["step"] for step in info["agent_cached_clean_steps"]["deploy"]] == [
        "erase_devices", "erase_devices_metadata",
    ]  # fmt: skip
    assert info["agent_cached_clean_steps_refreshed"] == stage.clock.now.isoformat()
    beat(stage, node, provider)
    assert stage.node(node)["driver_internal_info"]["clean_step_index"] == 1
    beat(stage, node, provider)

    row = stage.node(node)
    assert (row["provision_state"], row["clean_step"], row["driver_internal_info"]) == ("available", {}, {})
    assert ran(provider) == [
        "prepare_cleaning", "set_boot_device", "rebooting", "read_agent_steps", "erase_devices_metadata",
        "erase_devices_metadata", "erase_devices", "erase_devices", "log_passthrough", "power off",
        "tear_down_cleaning",
    ]  # fmt: skip


def test_a_deployment_by_the_agent_ends_with_the_instance_running(stage: Stage, provider: FakeProvider) -> None:
    node = machine(stage, "available")
    agent_says(provider, {"interface": "deploy", "step": "inject_files", "priority": 70})

    stage.verb(node, "active")
    provider.run()
    assert stage.node(node)["provision_state"] == "wait call-back"
    beat(stage, node, provider)

    assert (stage.node(node)["provision_state"], stage.node(node)["power_state"]) == ("active", "power on")
    assert ran(provider) == [
        "power off", "prepare", "set_boot_device", "deploy", "power on", "read_agent_steps", "write_image",
        "inject_files", "prepare_instance_boot", "set_boot_device", "tear_down_agent", "power off",
        "switch_to_tenant_network", "boot_instance", "power on",
    ]  # fmt: skip


def test_a_list_with_a_step_that_the_agent_lacks_fails_without_maintenance(
    stage: Stage, provider: FakeProvider
) -> None:
    node = machine(stage)
    agent_says(provider, ERASE)

    stage.verb(node, "clean", clean_steps=[{"interface": "deploy", "step": "burnin_cpu"}])
    provider.run()
    beat(stage, node, provider)

    row = stage.node(node)
    assert (row["provision_state"], row["maintenance"], row["fault"]) == ("clean failed", False, None)
    assert "has the step deploy.burnin_cpu. Possible: " in row["last_error"]
    assert "deploy.erase_devices" in row["last_error"]
    assert ran(provider)[-3:] == ["collect_logs", "power off", "tear_down_cleaning"]


def test_a_step_that_the_agent_fails_is_a_fault_of_the_node(stage: Stage, provider: FakeProvider) -> None:
    node = machine(stage)
    agent_says(provider, ERASE)
    agent_does(provider, HEARTBEAT, Failed(error=DeviceRefused("the disk is on fire")))
    provider.behaviour["deploy.collect_logs"] = [Failed(error=DeviceRefused("no answer"))]

    stage.verb(node, "provide")
    provider.run()
    beat(stage, node, provider)
    beat(stage, node, provider)

    row = stage.node(node)
    assert (row["provision_state"], row["maintenance"], row["fault"]) == ("clean failed", True, "clean failure")
    assert "the disk is on fire" in row["last_error"]
    assert ran(provider)[-3:] == ["collect_logs", "power off", "tear_down_cleaning"]


def test_another_agent_than_before_lets_automated_cleaning_begin_anew(stage: Stage, provider: FakeProvider) -> None:
    node = machine(stage)
    agent_says(provider, ERASE, METADATA)
    agent_says(provider, METADATA, version="2")
    agent_does(provider, Done(), HEARTBEAT, Done(facts={"agent_version_mismatch": True}), HEARTBEAT)

    stage.verb(node, "provide")
    provider.run()
    beat(stage, node, provider)
    beat(stage, node, provider)

    row = stage.node(node)
    assert row["clean_step"]["step"] == "erase_devices_metadata"
    info = row["driver_internal_info"]
    assert [step["step"] for step in info["clean_steps"]] == ["erase_devices_metadata", "log_passthrough"]
    assert (info["clean_step_index"], info["hardware_manager_version"]) == (0, {"generic": "2"})
    assert provider.seen[-1].steps[0].args["version"] == {"generic": "2"}
    statuses = stage.rows("SELECT name, status FROM steps WHERE name = 'execute_in_band' ORDER BY index")
    assert [each["status"] for each in statuses] == ["done", "skipped", "waiting"]
    messages = [each.msg_id for each in stage.bus.published if ".step." in each.subject]
    assert len(messages) == len(set(messages))


def test_a_heartbeat_that_comes_while_the_slice_is_out_is_not_lost(stage: Stage, provider: FakeProvider) -> None:
    node = machine(stage)
    agent_says(provider, ERASE)
    stage.verb(node, "provide")
    provider.run()
    stage.lifecycle.send_signal(node, "heartbeat")
    stage.tick()
    [reading] = provider.receive()
    provider.answer(reading, provider.outcomes(reading))
    stage.bus.deliver()
    [erasing] = provider.receive()

    ramdisks = Ramdisks(stage.database, stage.clock, stage.engine.wake)
    heartbeat = {"node": node, "boot": None, "notes": {"agent_url": "https://192.0.2.7:9999"}}
    assert [each["taken"] for each in ramdisks.observe([heartbeat])] == ["taken"]
    stage.answer(erasing, HEARTBEAT)
    stage.tick()

    [again] = provider.receive()
    assert (again.steps[0].index, again.steps[0].attempt) == (erasing.steps[0].index, 2)
    assert stage.node(node)["provision_state"] == "cleaning"


def test_an_agent_that_was_not_believed_is_named_while_the_right_one_is_waited_for_and_when_it_never_comes(
    stage: Stage, provider: FakeProvider
) -> None:
    node = machine(stage, "available")
    stage.verb(node, "active")
    provider.run()
    words = "An agent at 192.0.2.66 called at 12:00:03 UTC and was refused: a reason. Switch it off."

    Ramdisks(stage.database, stage.clock, stage.engine.wake).refused({node: words, str(uuid.uuid4()): "nobody's"})

    [waiting] = stage.rows("SELECT progress FROM steps WHERE name = 'wait' AND status = 'waiting'")
    assert waiting["progress"] == words
    stage.clock.advance(10_000)
    stage.tick()
    error = stage.node(node)["last_error"]
    assert "no agent called that could be believed" in error
    assert words in error


def test_a_refused_agent_changes_nothing_of_a_step_of_a_provider(stage: Stage, provider: FakeProvider) -> None:
    node = machine(stage)
    agent_says(provider, ERASE)
    agent_does(provider, Wait(signal="heartbeat", memo={"command": "c1"}, progress="erasing"))
    stage.verb(node, "provide")
    provider.run()
    beat(stage, node, provider)

    Ramdisks(stage.database, stage.clock, stage.engine.wake).refused({node: "words"})

    [waiting] = stage.rows("SELECT name, memo, progress FROM steps WHERE status = 'waiting'")
    assert waiting == {"name": "execute_in_band", "memo": {"command": "c1"}, "progress": "erasing"}


def test_no_agent_comes_and_the_reason_says_where_to_look(stage: Stage, provider: FakeProvider) -> None:
    node = machine(stage, "available")

    stage.verb(node, "active")
    provider.run()
    stage.clock.advance(1801)
    stage.announce_all(agents=True)  # workers that are silent for so long are not counted on
    stage.tick()
    provider.run()

    row = stage.node(node)
    assert (row["provision_state"], row["power_state"]) == ("deploy failed", "power off")
    assert f"/v1/nodes/{node}/boots" in row["last_error"]
    assert ran(provider)[-2:] == ["power off", "clean_up"]


def test_a_bmc_that_cannot_set_the_boot_device_does_not_stop_a_deployment(stage: Stage, provider: FakeProvider) -> None:
    node = machine(stage, "available")
    provider.behaviour["management.set_boot_device"] = [Failed(error=Unsupported("no such thing"))] * 2

    stage.verb(node, "active")
    provider.run()
    beat(stage, node, provider)

    assert stage.node(node)["provision_state"] == "active"
    skipped = stage.rows("SELECT name, error FROM steps WHERE status = 'skipped'")
    assert [(each["name"], each["error"]["message"]) for each in skipped] == [
        ("set_boot_device", "no such thing"), ("set_boot_device", "no such thing"),
    ]  # fmt: skip


def test_a_running_agent_is_used_without_a_boot_and_left_running(stage: Stage, provider: FakeProvider) -> None:
    node = machine(stage, driver_info={"fast_track": True}, power_state="power on")
    provider.behaviour["deploy.find_agent"] = [Done(facts={"agent_alive": True})] * 2
    agent_says(provider, ERASE)
    agent_says(provider)

    stage.verb(node, "provide")
    provider.run()
    assert stage.node(node)["provision_state"] == "available"
    stage.verb(node, "active")
    provider.run()

    assert stage.node(node)["provision_state"] == "active"
    assert ran(provider)[:6] == [
        "find_agent", "prepare_cleaning", "read_agent_steps", "erase_devices", "log_passthrough", "tear_down_cleaning",
    ]  # fmt: skip
    assert ran(provider)[6:10] == ["find_agent", "prepare", "deploy", "read_agent_steps"]
    kept = [step.args for message in provider.seen for step in message.steps if step.name.startswith("prepare")]
    assert kept == [{"keep_agent": True}, {"keep_agent": True}, {}]


def test_rescue_waits_for_its_ramdisk_and_abort_takes_it_away(stage: Stage, provider: FakeProvider) -> None:
    node = machine(stage, "active")

    stage.verb(node, "rescue", rescue_password="sealed:k1:AAAA")
    provider.run()
    assert stage.node(node)["provision_state"] == "rescue wait"
    stage.verb(node, "abort")
    provider.run()

    row = stage.node(node)
    assert (row["provision_state"], row["maintenance"], row["power_state"]) == ("rescue failed", False, "power off")
    assert ran(provider)[-2:] == ["power off", "clean_up"]
    stage.verb(node, "rescue", rescue_password="sealed:k1:AAAA")
    provider.run()
    beat(stage, node, provider)
    assert stage.node(node)["provision_state"] == "rescue"


def test_an_inspection_by_the_agent_ends_with_the_machine_off(stage: Stage, provider: FakeProvider) -> None:
    node = machine(stage)
    provider.behaviour["inspect.inspect_hardware"] = [Wait(signal="inspection")]

    stage.verb(node, "inspect")
    provider.run()
    assert stage.node(node)["provision_state"] == "inspect wait"
    stage.lifecycle.send_signal(node, "inspection", {"inventory": {}})
    stage.tick()
    provider.run()

    assert (stage.node(node)["provision_state"], stage.node(node)["power_state"]) == ("manageable", "power off")
    assert provider.seen[-3].steps[0].memo == {"signal": {"inventory": {}}}


def test_who_boots_a_machine_is_told_its_ports_and_others_are_not(stage: Stage, provider: FakeProvider) -> None:
    node = machine(stage, "available", extra={"rack": "r1"}, network_data={"links": []}, instance_name="web-1")
    pretended = stage.add_fake("available")
    with stage.database.begin() as transaction:
        for number in (1, 2):
            port = {"uuid": str(uuid.uuid4()), "node_uuid": node, "address": f"52:54:00:00:00:0{number}"}
            transaction.connection.execute(ports.insert().values(port | {"pxe_enabled": number == 1}))

    for each in (node, pretended):
        stage.verb(each, "active")
    provider.run()

    told = {f"{step.name} {message.node['uuid']}": message.node for message in provider.seen for step in message.steps}
    whole = told[f"prepare {node}"]
    assert [(port["address"], port["pxe_enabled"]) for port in whole["ports"]] == [
        ("52:54:00:00:00:01", True), ("52:54:00:00:00:02", False),
    ]  # fmt: skip
    assert (whole["extra"], whole["network_data"], whole["instance_name"]) == ({"rack": "r1"}, {"links": []}, "web-1")
    assert "ports" not in told[f"set_power {node}"]
    assert "ports" not in told[f"prepare {pretended}"]


def test_a_plan_tells_the_boots_the_waits_and_what_is_not_known_yet(
    desk: Desk, database: Database, clock: SetClock
) -> None:
    with database.begin() as transaction:
        for word in announcements(agents=True):
            announce(transaction.connection, word, clock())
    fakes = {name: "fake" for name in FAKE_INTERFACES if name not in AGENT_INTERFACES}
    node = desk.create(name="n1", properties={"capabilities": "boot_mode:uefi"})["uuid"]
    values = {**fakes, **AGENT_INTERFACES, "provision_state": "available", "instance_info": {"image_source": "x"}}
    with database.begin() as transaction:
        where = nodes.c.uuid == node
        transaction.connection.execute(nodes.update().where(where).values(values | {"boot_mode": "bios"}))

    plan = desk.tell("create-plan", ident="n1", target="active", params={})

    assert plan["would_be_refused"] == []
    assert [step["step"] for step in plan["steps"]][:4] == ["set_power", "prepare", "set_boot_mode", "set_boot_device"]
    assert (plan["power_changes"], plan["starts"]) == (["power off", "power on", "power off", "power on"], 2)
    [wait] = plan["waits"]
    assert (plan["steps"][wait["order"] - 1]["step"], wait["limit_s"]) == ("wait", 1800.0)
    assert "after 30 min the work has failed" in wait["then"]
    assert "/boots" in wait["then"]
    assert plan["needs_ramdisk"]
    assert plan["unknowns"] == ["the agent's own steps are known when it is up; they join by their priority then"]
    assert plan["estimate"]["text"].endswith("; the agent's own steps come on top")


class FailsAt(FakeProvider):
    """Fails the step that is dispatched as number ``at``, whatever it is; the others go well."""

    at = -1
    ran = 0

    def outcomes(self, message: StepMessage) -> list[Outcome]:
        done = super().outcomes(message)
        for place, outcome in enumerate(done):
            self.ran += 1
            if self.ran == self.at:
                failed = Failed(error=DeviceRefused("not today"))
                return [*done[:place], Outcome(index=outcome.index, attempt=outcome.attempt, result=failed)]
        return done


@pytest.mark.parametrize(
    ("verb", "start", "params", "fails_to", "back"),
    [
        ("provide", "manageable", {}, "clean failed", "manage"),
        ("active", "available", {}, "deploy failed", "deleted"),
        ("rescue", "active", {"rescue_password": "sealed:k1:AA"}, "rescue failed", "deleted"),
        ("service", "active", {"service_steps": [ERASE | {"args": {}}]}, "service failed", "abort"),
    ],
)
def test_whichever_step_fails_the_node_is_free_and_the_api_leads_back(
    stage: Stage, verb: str, start: str, params: dict[str, Any], fails_to: str, back: str
) -> None:
    stage.announce_all(agents=True)
    steps = 0
    for at in range(1, 30):
        provider = FailsAt(stage.bus, SITE)
        provider.receive()
        node = machine(stage, start)
        agent_says(provider, ERASE)
        provider.at = at

        stage.verb(node, verb, **params)
        provider.run()
        beat(stage, node, provider)

        row = stage.node(node)
        assert row["reservation"] is None
        if provider.ran < at:
            break
        steps += 1
        assert row["provision_state"] == fails_to
        assert "not today" in row["last_error"]
        with stage.database.begin() as transaction:
            transaction.connection.execute(nodes.update().where(nodes.c.uuid == node).values(maintenance=False))
        stage.verb(node, back)
        provider.run()
        beat(stage, node, provider)
        assert stage.node(node)["provision_state"] in ("manageable", "available", "active")
    assert steps >= 5


@pytest.mark.parametrize(
    ("verb", "start", "params", "waits", "aborted"),
    [
        ("provide", "manageable", {}, "clean wait", "clean failed"),
        ("active", "available", {}, "wait call-back", "deploy failed"),
        ("rescue", "active", {"rescue_password": "sealed:k1:AA"}, "rescue wait", "rescue failed"),
        ("service", "active", {"service_steps": [ERASE | {"args": {}}]}, "service wait", "active"),
        ("inspect", "manageable", {}, "inspect wait", "inspect failed"),
    ],
)
@pytest.mark.parametrize("beats", [0, 1])
def test_every_wait_for_an_agent_can_be_aborted_and_leaves_no_ramdisk(
    stage: Stage, provider: FakeProvider, verb: str, start: str, params: Any, waits: str, aborted: str, beats: int
) -> None:
    node = machine(stage, start)
    agent_says(provider, ERASE)
    provider.behaviour["inspect.inspect_hardware"] = [Wait(signal="inspection")]
    agent_does(provider, HEARTBEAT)
    stage.verb(node, verb, **params)
    provider.run()
    if beats and verb in ("provide", "active", "service"):
        beat(stage, node, provider)
    assert stage.node(node)["provision_state"] == waits

    stage.verb(node, "abort")
    provider.run()

    row = stage.node(node)
    assert (row["provision_state"], row["maintenance"], row["reservation"]) == (aborted, False, None)
    assert row["driver_internal_info"] == {}
    took_away = {
        "provide": "tear_down_cleaning", "active": "clean_up", "rescue": "clean_up", "service": "tear_down_service",
        "inspect": "tear_down_inspection",
    }  # fmt: skip
    assert took_away[verb] in ran(provider)
    assert row["power_state"] == ("power on" if verb == "service" else "power off")


def test_a_step_that_may_not_be_interrupted_is_let_go_on_before_the_abort(stage: Stage, provider: FakeProvider) -> None:
    node = machine(stage)
    agent_says(provider, METADATA, ERASE)
    agent_does(provider, HEARTBEAT, Done())
    stage.verb(node, "provide")
    provider.run()
    beat(stage, node, provider)

    stage.verb(node, "abort")
    assert stage.node(node)["clean_step"]["abort_after"] is True
    beat(stage, node, provider)

    assert stage.node(node)["provision_state"] == "clean failed"
    assert ran(provider).count("erase_devices_metadata") == 2
    assert "erase_devices" not in ran(provider)


def test_holds_and_steps_of_children_work_within_the_ramdisk(stage: Stage, provider: FakeProvider) -> None:
    node = machine(stage)
    child = stage.add_fake(parent_node=node)
    agent_says(provider, ERASE)
    steps = [
        {"interface": "deploy", "step": "hold"},
        {"interface": "power", "step": "power_on", "execute_on_child_nodes": True},
        {"interface": "deploy", "step": "erase_devices"},
    ]

    stage.verb(node, "clean", clean_steps=steps)
    provider.run()
    beat(stage, node, provider)
    assert stage.node(node)["provision_state"] == "clean hold"
    stage.verb(node, "unhold")
    for _ in range(4):
        stage.tick(after_s=2)
        provider.run()

    assert stage.node(node)["provision_state"] == "manageable"
    assert stage.node(child)["power_state"] == "power on"
    assert ran(provider)[-4:] == ["power on", "erase_devices", "power off", "tear_down_cleaning"]
