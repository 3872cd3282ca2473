"""Plans for machines that boot an agent: what stands around the steps, and what becomes of it when the agent spoke."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steelyard_common.contracts.catalogue import StepSpec
from steelyard_common.errors import Conflict, InvalidRequest, Unavailable
from steelyard_inventory.domain.plan_rows import from_row, to_row
from steelyard_inventory.domain.planning import plan
from steelyard_inventory.domain.plans import NodeFacts, Plan, PlanRules
from steelyard_inventory.domain.replanning import Planner
from steelyard_inventory.domain.runs import Run, StepRun
from steelyard_inventory.domain.transitions import State
from steelyard_inventory.domain.workflows import Kind
from steelyard_inventory.testing_provider import AGENT_CATALOGUE

INTERFACES = {
    "power": "redfish", "management": "redfish", "deploy": "direct", "boot": "ipxe", "rescue": "agent",
    "inspect": "agent", "raid": "agent", "vendor": "fake", "bios": "fake",
}  # fmt: skip
NODE = NodeFacts(uuid="n1", interfaces=INTERFACES, provision_state=State.MANAGEABLE)
ERASE = {"interface": "deploy", "step": "erase_devices", "priority": 10, "abortable": True}
METADATA = {"interface": "deploy", "step": "erase_devices_metadata", "priority": 99, "reboot_requested": True}
BURN = {
    "interface": "deploy", "step": "burnin_cpu", "priority": 0,
    "argsinfo": {"hours": {"required": True, "description": "how long"}},
}  # fmt: skip
RAID = {"interface": "raid", "step": "create_configuration", "priority": 0}


def planned(kind: Kind, node: NodeFacts = NODE, rules: PlanRules | None = None, **params: Any) -> Plan:
    return plan(kind, node, AGENT_CATALOGUE, params, rules or PlanRules())


def words(steps: Any) -> list[str]:
    """The steps in short, with what distinguishes those that have the same name."""
    found = []
    for step in steps:
        kept = " kept" if step.args.get("keep_agent") else ""
        more = step.args.get("target") or step.args.get("device")
        label = step.label if isinstance(step, StepRun) else (step.asked or step.label)
        asked = step.asked if isinstance(step, StepRun) else label
        name = asked.removeprefix("deploy.") if not more else ""
        found.append((name or str(more)) + kept + ("!" if step.args.get("persistent") else ""))
    return found


def run_of(kind: Kind, found: Plan, at: str, **params: Any) -> Run:
    """A workflow that stands at the step with this label."""
    steps = tuple(to_row(index, step) for index, step in enumerate(found.steps))
    index = next(step.index for step in steps if step.label == at)
    return Run(
        uuid="w1", node_uuid="n1", kind=kind, fence=1, params=params, cause={}, created_at=datetime.now(UTC),
        steps=steps, current_step=index,
    )  # fmt: skip


def told(run: Run, facts: dict[str, Any], node: NodeFacts = NODE, rules: PlanRules | None = None) -> list[StepRun]:
    """The steps behind the current one, after it told these facts."""
    new = Planner(node=node, catalogue=AGENT_CATALOGUE, rules=rules or PlanRules()).replan(run, facts)
    assert new is not None
    assert [step.index for step in new.steps] == list(range(len(new.steps)))
    return list(new.steps[run.current_step + 1 :])


def says(*steps: dict[str, Any], version: str = "1") -> dict[str, Any]:
    return {"agent_steps": {"kind": "clean", "version": {"generic": version}, "steps": list(steps)}}


BOOT = ["pxe", "rebooting", "wait", "read_agent_steps"]


def test_automated_cleaning_waits_for_the_agent_and_takes_its_steps_by_priority() -> None:
    found = planned(Kind.CLEAN, automated=True)
    assert words(found.steps) == [
        "prepare_cleaning", *BOOT, "vendor.log_passthrough", "power off", "tear_down_cleaning",
    ]  # fmt: skip
    assert found.pending

    rules = PlanRules(clean_priorities={"deploy.erase_devices": 0, "deploy.burnin_cpu": 0, "raid.x": 7})
    after = told(run_of(Kind.CLEAN, found, "deploy.read_agent_steps", automated=True), says(ERASE, METADATA, BURN))

    assert words(after) == [
        "erase_devices_metadata", "pxe", "rebooting", "wait", "erase_devices", "vendor.log_passthrough", "power off",
        "tear_down_cleaning",
    ]  # fmt: skip
    first = after[0]
    assert (first.label, first.info["source"], first.alone) == ("deploy.execute_in_band", "agent", True)
    assert first.args == {
        "kind": "clean", "version": {"generic": "1"},
        "step": {
            "interface": "deploy", "step": "erase_devices_metadata", "args": {}, "priority": 99, "abortable": False,
            "requires_ramdisk": True, "reboot_requested": True, "argsinfo": {},
        },
    }  # fmt: skip
    assert not first.is_abortable
    without = told(run_of(Kind.CLEAN, found, "deploy.read_agent_steps", automated=True), says(ERASE), rules=rules)
    assert "erase_devices" not in words(without)


def test_steps_of_the_same_priority_go_by_their_interfaces_whoever_runs_them() -> None:
    found = planned(Kind.CLEAN, automated=True)
    steps = [ERASE | {"priority": 1}, RAID | {"priority": 1}]

    after = told(run_of(Kind.CLEAN, found, "deploy.read_agent_steps", automated=True), says(*steps))

    assert words(after)[:3] == ["vendor.log_passthrough", "erase_devices", "raid.create_configuration"]


def test_a_list_is_judged_when_the_agent_is_up() -> None:
    asked = [{"interface": "deploy", "step": "burnin_cpu", "args": {"hours": 3}}]
    found = planned(Kind.CLEAN, steps=asked)
    run = run_of(Kind.CLEAN, found, "deploy.read_agent_steps")

    assert words(told(run, says(BURN, ERASE))) == ["burnin_cpu", "power off", "tear_down_cleaning"]
    with pytest.raises(InvalidRequest, match=r"its agent has the step deploy.burnin_cpu. Possible: .*erase_devices"):
        told(run, says(ERASE))
    with pytest.raises(InvalidRequest, match="does not take the argument hours"):
        told(run, says(BURN | {"argsinfo": None}))
    with pytest.raises(InvalidRequest, match="needs the argument cores"):
        told(run, says(BURN | {"argsinfo": {"cores": {"required": True}, "hours": {}}}))


def test_in_band_raid_needs_the_interface_that_leaves_it_to_the_agent() -> None:
    asked = [{"interface": "raid", "step": "create_configuration"}]
    other = replace(NODE, interfaces=INTERFACES | {"raid": "no-raid"})

    run = run_of(Kind.CLEAN, planned(Kind.CLEAN, other, steps=asked), "deploy.read_agent_steps")

    assert words(told(run, says(RAID)))[0] == "raid.create_configuration"
    with pytest.raises(InvalidRequest, match="Neither a driver"):
        told(run, says(RAID), other)


def test_direct_deployment_step_by_step() -> None:
    assert words(planned(Kind.DEPLOY).steps) == [
        "power off", "prepare", "pxe", "deploy", "power on", "wait", "read_agent_steps", "write_image",
        "prepare_instance_boot", "disk!", "tear_down_agent", "power off", "switch_to_tenant_network", "boot_instance",
        "power on",
    ]  # fmt: skip
    custom = replace(NODE, interfaces=INTERFACES | {"deploy": "custom-agent"})
    assert "write_image" not in words(planned(Kind.DEPLOY, custom).steps)


def test_a_machine_that_may_not_be_switched_off_is_rebooted_into_the_ramdisk_and_out_of_it() -> None:
    found = planned(Kind.DEPLOY, replace(NODE, disable_power_off=True))

    assert [word for word in words(found.steps) if word.startswith(("power", "reboot"))] == ["rebooting", "rebooting"]
    assert found.power_actions == 2


def test_instances_that_run_from_memory_boot_their_ramdisk_from_now_on() -> None:
    node = replace(NODE, interfaces=INTERFACES | {"deploy": "ramdisk"})

    assert words(planned(Kind.DEPLOY, node).steps) == ["power off", "prepare", "pxe!", "deploy", "power on"]


def test_an_instance_on_a_volume_needs_no_agent_and_boots_over_the_network_from_now_on() -> None:
    node = replace(NODE, interfaces=INTERFACES | {"storage": "external"})
    user = [{"interface": "bios", "step": "factory_reset", "args": {}, "priority": 150}]

    assert words(planned(Kind.DEPLOY, node, steps=user).steps) == [
        "power off", "prepare", "pxe!", "bios.factory_reset", "deploy", "power on",
    ]  # fmt: skip
    assert "pxe!" in words(planned(Kind.UNRESCUE, node).steps)
    with pytest.raises(InvalidRequest, match="does not support"):
        planned(Kind.DEPLOY, node, steps=[{"interface": "deploy", "step": "inject_files", "args": {}, "priority": 5}])
    written = replace(node, instance_info={"image_source": "http://x"})
    assert "write_image" in words(planned(Kind.DEPLOY, written).steps)


def test_an_installer_of_its_own_is_watched_and_what_it_wrote_is_booted() -> None:
    node = replace(NODE, interfaces=INTERFACES | {"deploy": "anaconda"})

    assert words(planned(Kind.DEPLOY, node).steps) == [
        "power off", "prepare", "pxe", "deploy", "power on", "watch_installer", "soft power off", "power off", "disk!",
        "power on",
    ]  # fmt: skip


def test_the_agents_deploy_steps_join_by_priority_between_its_call_and_its_leave() -> None:
    user = [
        {"interface": "deploy", "step": "inject_files", "args": {"files": []}, "priority": 70},
        {"interface": "deploy", "step": "early", "args": {}, "priority": 150},
        {"interface": "deploy", "step": "late", "args": {}, "priority": 10},
        {"interface": "deploy", "step": "unwanted", "args": {}, "priority": 0},
    ]
    found = planned(Kind.DEPLOY, steps=user)
    agent = [
        {"interface": "deploy", "step": name, "priority": priority, "argsinfo": {"files": {}}}
        for name, priority in (
            ("inject_files", 0), ("early", 0), ("late", 0), ("unwanted", 65), ("own", 75), ("write_image", 90),
        )
    ]  # fmt: skip

    after = told(run_of(Kind.DEPLOY, found, "deploy.read_agent_steps"), says(*agent))

    assert words(after) == [
        "early", "write_image", "own", "inject_files", "prepare_instance_boot", "disk!", "late", "tear_down_agent",
        "power off", "switch_to_tenant_network", "boot_instance", "power on",
    ]  # fmt: skip
    assert [each.info["source"] for each in after if each.name == "execute_in_band"] == [
        "user",
        "agent",
        "user",
        "user",
    ]
    assert next(each for each in after if each.label == "deploy.write_image").info["source"] == "driver"


def test_who_takes_the_leave_of_the_agent_out_gets_a_reboot_into_the_instance() -> None:
    off = {"interface": "deploy", "step": "tear_down_agent", "args": {}, "priority": 0}

    assert words(planned(Kind.DEPLOY, steps=[off]).steps)[-3:] == [
        "switch_to_tenant_network", "boot_instance", "rebooting",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("boot", "device"),
    [("pxe", "pxe"), ("http", "uefihttp"), ("redfish-https", "url"), ("redfish-virtual-media", "cdrom")],
)
def test_each_boot_interface_has_its_device(boot: str, device: str) -> None:
    node = replace(NODE, interfaces=INTERFACES | {"boot": boot})

    found = [each for each in planned(Kind.DEPLOY, node).steps if each.name == "set_boot_device"]

    assert [each.args["device"] for each in found] == [device, "disk"]
    assert [each.optional for each in found] == ["unsupported" if device == "pxe" else "", "unsupported"]


def test_a_cd_is_put_in_while_the_machine_is_off() -> None:
    node = replace(NODE, interfaces=INTERFACES | {"boot": "redfish-virtual-media"})

    assert words(planned(Kind.CLEAN, node, automated=True).steps)[:5] == [
        "power off", "prepare_cleaning", "cdrom", "power on", "wait",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("known", "instance", "properties", "then"),
    [
        (None, {}, {}, []),
        ("bios", {}, {}, []),
        ("bios", {}, {"capabilities": "boot_mode:uefi,x:y"}, ["uefi"]),
        ("uefi", {}, {"capabilities": "boot_mode:uefi"}, []),
        ("uefi", {"capabilities": {"boot_mode": "bios"}}, {"capabilities": "boot_mode:uefi"}, ["bios"]),
        ("bios", {"capabilities": {"secure_boot": "true"}}, {}, ["uefi"]),
        (None, {}, {"capabilities": "boot_mode:bios"}, ["bios"]),
    ],
)
def test_the_boot_mode_is_set_where_somebody_wants_another(
    known: str | None, instance: dict[str, Any], properties: dict[str, Any], then: list[str]
) -> None:
    node = replace(NODE, boot_mode=known, instance_info=instance, properties=properties)

    found = [each for each in planned(Kind.DEPLOY, node).steps if each.name == "set_boot_mode"]

    assert [each.args["target"] for each in found] == then
    # A BMC that never told its mode may not be able to set one; one that did has to.
    assert all(each.optional == ("unsupported" if known is None else "") for each in found)


@pytest.mark.parametrize(
    ("forced", "then"), [("Always", [True, True]), ("Never", [False, False]), (None, [False, True])]
)
def test_an_operator_may_force_how_long_a_boot_device_stays(forced: str | None, then: list[bool]) -> None:
    node = replace(NODE, driver_info={"force_persistent_boot_device": forced})

    found = [each for each in planned(Kind.DEPLOY, node).steps if each.name == "set_boot_device"]

    assert [each.args["persistent"] for each in found] == then


def test_rescue_and_back() -> None:
    assert words(planned(Kind.RESCUE).steps) == [
        "power off", "rescue.prepare", "pxe", "power on", "wait", "rescue.rescue",
    ]  # fmt: skip
    assert words(planned(Kind.UNRESCUE).steps) == ["power off", "rescue.unrescue", "disk!", "power on"]


def test_inspection_by_the_agent_boots_it_or_leaves_that_to_others() -> None:
    assert words(planned(Kind.INSPECT).steps) == [
        "power off", "boot.prepare_inspection", "pxe", "power on", "inspect.inspect_hardware", "power off",
        "boot.tear_down_inspection",
    ]  # fmt: skip
    other = replace(NODE, interfaces=INTERFACES | {"boot": "generic"})
    assert words(planned(Kind.INSPECT, other).steps) == ["rebooting", "inspect.inspect_hardware"]


def test_an_inspection_by_the_agent_is_refused_while_nobody_is_there_who_boots_it() -> None:
    without = [spec for spec in AGENT_CATALOGUE if spec.interface != "boot"]

    with pytest.raises(Unavailable, match=r"No worker offers the step boot.prepare_inspection .* try again"):
        plan(Kind.INSPECT, NODE, without, {}, PlanRules())


def test_a_service_ends_with_the_instance_running_again() -> None:
    found = planned(Kind.SERVICE, steps=[{"interface": "deploy", "step": "burnin_cpu", "args": {"hours": 1}}])

    assert words(found.steps)[0] == "prepare_service"
    assert words(told(run_of(Kind.SERVICE, found, "deploy.read_agent_steps"), says(BURN))) == [
        "burnin_cpu", "power off", "tear_down_service", "disk!", "power on",
    ]  # fmt: skip


def test_who_reboots_within_the_ramdisk_comes_back_there() -> None:
    steps = [{"interface": "power", "step": name} for name in ("reboot", "wait")]
    found = planned(Kind.CLEAN, steps=[*steps, {"interface": "deploy", "step": "erase_devices"}])

    after = told(run_of(Kind.CLEAN, found, "deploy.read_agent_steps"), says(ERASE))

    assert words(after) == ["pxe", "rebooting", "power.wait", "erase_devices", "power off", "tear_down_cleaning"]


def test_a_failure_with_an_agent_asks_it_for_its_logs_first() -> None:
    found = planned(Kind.TIDY, of=Kind.DEPLOY, met=True)

    assert words(found.steps) == ["collect_logs", "power off", "clean_up"]
    assert (found.steps[0].optional, found.steps[0].retries) == ("any", 0)
    assert words(planned(Kind.TIDY, of=Kind.RESCUE, prepared=True).steps) == ["power off", "rescue.clean_up"]
    assert words(planned(Kind.TIDY, of=Kind.INSPECT, prepared=True, waited=True).steps) == [
        "inspect.abort", "power off", "boot.tear_down_inspection",
    ]  # fmt: skip


FAST = replace(NODE, power_state="power on", driver_info={"fast_track": True})


def test_an_agent_that_runs_already_needs_no_boot_and_is_kept() -> None:
    found = planned(Kind.CLEAN, FAST, automated=True)
    assert words(found.steps)[:2] == ["find_agent", "prepare_cleaning"]
    run = run_of(Kind.CLEAN, found, "deploy.find_agent", automated=True)

    assert words(told(run, {"agent_alive": True}, FAST)) == [
        "prepare_cleaning kept", "read_agent_steps", "vendor.log_passthrough", "tear_down_cleaning kept",
    ]  # fmt: skip
    planner = Planner(node=FAST, catalogue=AGENT_CATALOGUE, rules=PlanRules())
    assert planner.replan(run, {"agent_alive": False}) is None
    deploy = run_of(Kind.DEPLOY, planned(Kind.DEPLOY, FAST), "deploy.find_agent")
    assert words(told(deploy, {"agent_alive": True}, FAST))[:4] == [
        "prepare kept", "deploy", "read_agent_steps", "write_image",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("node", "fast"),
    [
        (FAST, True),
        (replace(FAST, power_state="power off"), False),
        (replace(FAST, driver_info={}), False),
        (replace(FAST, driver_info={"fast_track": "false"}), False),
    ],
)
def test_an_agent_is_looked_for_only_where_one_may_be_running(node: NodeFacts, fast: bool) -> None:
    assert ("find_agent" in words(planned(Kind.DEPLOY, node).steps)) is fast
    assert "find_agent" not in words(planned(Kind.SERVICE, node, steps=[ERASE]).steps)
    everywhere = PlanRules(fast_track=True)
    assert "find_agent" in words(planned(Kind.DEPLOY, replace(FAST, driver_info={}), everywhere).steps)


def test_another_agent_is_asked_again_and_automated_cleaning_begins_anew() -> None:
    found = planned(Kind.CLEAN, automated=True)
    run = run_of(Kind.CLEAN, found, "deploy.read_agent_steps", automated=True)
    steps = (*run.steps[: run.current_step + 1], *told(run, says(METADATA, ERASE)))
    second = replace(run, steps=steps, current_step=next(s.index for s in steps if s.asked == "deploy.erase_devices"))

    after = told(second, {"agent_version_mismatch": True})

    assert words(after)[0] == "read_agent_steps"
    again = replace(second, steps=(*steps[: second.current_step + 1], *after), current_step=second.current_step + 1)
    assert words(told(again, says(METADATA, ERASE, version="2")))[:1] == ["erase_devices_metadata"]


def test_a_step_of_a_list_is_repeated_by_another_agent_and_not_for_ever() -> None:
    found = planned(Kind.CLEAN, steps=[{"interface": "deploy", "step": "erase_devices"}])
    run = run_of(Kind.CLEAN, found, "deploy.read_agent_steps")

    with pytest.raises(Conflict, match="changed the versions"):  # noqa: PT012 - which time it is does not matter
        for _ in range(9):
            run = replace(run, steps=(*run.steps[: run.current_step + 1], *told(run, says(ERASE))))
            run = replace(run, current_step=run.current_step + 1)
            assert run.current.asked == "deploy.erase_devices"
            after = told(run, {"agent_version_mismatch": True})
            assert words(after)[:2] == ["read_agent_steps", "erase_devices"]
            run = replace(
                run, steps=(*run.steps[: run.current_step + 1], *after), current_step=run.current_step + 1
            )  # fmt: skip


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
STEP_LIKE = st.dictionaries(
    st.sampled_from(["interface", "step", "priority", "argsinfo", "abortable", "reboot_requested"]),
    ANYTHING | st.sampled_from(["deploy", "raid", "erase", "write_image"]),
)


@given(steps=st.lists(STEP_LIKE | ANYTHING, max_size=4) | ANYTHING, version=ANYTHING, kind=st.sampled_from(Kind))
def test_whatever_an_agent_says_the_plan_stays_whole(steps: Any, version: Any, kind: Kind) -> None:
    kind = Kind.DEPLOY if kind is Kind.DEPLOY else Kind.CLEAN
    found = planned(kind, automated=True)
    run = run_of(kind, found, "deploy.read_agent_steps", automated=True)

    after = told(run, {"agent_steps": {"steps": steps, "version": version}})

    told_before = [step.label for step in found.steps[run.current_step + 1 :]]
    assert [step.label for step in after if step.name != "execute_in_band" and step.label in told_before][-1] == (
        told_before[-1]
    )
    assert all(to_row(step.index, from_row(step)) == step for step in after)


# ---- what belongs to the instance: secure boot, names in the DNS

SECURE = replace(NODE, instance_info={"capabilities": {"secure_boot": "true"}, "image_source": "http://x"})


def _secure(node: NodeFacts, kind: Kind, **params: Any) -> list[str]:
    found = planned(kind, node, **params)
    steps: list[Any] = list(found.steps)
    if kind is Kind.DEPLOY and any(step.label == "deploy.read_agent_steps" for step in steps):
        run = run_of(kind, found, "deploy.read_agent_steps")
        steps = [*run.steps[: run.current_step], *told(run, says() | {"agent_steps": says()["agent_steps"] | {
            "kind": "deploy"}}, node)]  # fmt: skip
    return [f"{step.name} {step.args['target']}" if "target" in step.args else step.name for step in steps]


def test_secure_boot_is_on_before_the_instance_boots_and_off_when_it_goes() -> None:
    deployed = _secure(SECURE, Kind.DEPLOY)
    at = deployed.index("set_secure_boot True")
    assert deployed[at - 1 : at + 2] == ["boot_instance", "set_secure_boot True", "set_power power on"]
    assert deployed.count("set_secure_boot True") == 1

    gone = _secure(SECURE, Kind.UNDEPLOY)
    assert gone.index("set_power power off") < gone.index("set_secure_boot False") < gone.index("tear_down")


@pytest.mark.parametrize("interface", ["ramdisk", "anaconda"])
def test_an_instance_without_an_agent_boots_with_secure_boot_too(interface: str) -> None:
    info = {"capabilities": "secure_boot:true", "kernel": "k", "ramdisk": "r", "image_source": "http://x"}
    node = replace(SECURE, interfaces=INTERFACES | {"deploy": interface}, instance_info=info)
    steps = _secure(node, Kind.DEPLOY)
    assert steps[steps.index("set_secure_boot True") + 1] == "set_power power on"


@pytest.mark.parametrize(
    "node",
    [NODE, replace(SECURE, instance_info={"capabilities": {"secure_boot": "false"}}, properties={
        "capabilities": "secure_boot:true"}), replace(SECURE, interfaces=INTERFACES | {"management": "noop"})],
)  # fmt: skip
def test_who_does_not_want_secure_boot_or_cannot_is_left_as_it_is(node: NodeFacts) -> None:
    for kind in (Kind.DEPLOY, Kind.UNDEPLOY):
        assert not [step for step in _secure(node, kind) if "secure" in step]


def test_names_in_the_dns_come_last_and_go_with_the_machine_and_nothing_fails_for_them() -> None:
    offered = [
        StepSpec(interface="deploy", name=f"{verb}_dns_records", description="", kinds={kind: 0}, core=True)
        for verb, kind in (("write", "deploy"), ("remove", "undeploy"))
    ]
    catalogue = [*AGENT_CATALOGUE, *offered]
    found = plan(Kind.DEPLOY, NODE, catalogue, {}, PlanRules())
    assert (found.steps[-1].label, found.steps[-1].optional) == ("deploy.write_dns_records", "any")
    gone = plan(Kind.UNDEPLOY, NODE, catalogue, {}, PlanRules())
    assert [step.name for step in gone.steps][-2:] == ["remove_dns_records", "tear_down"]
    assert "write_dns_records" not in words(planned(Kind.DEPLOY).steps)
