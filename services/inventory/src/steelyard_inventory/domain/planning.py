"""The planner: kind of workflow, node, catalogue of announced steps, parameters → the steps, in order. Pure.

Verbs and dry runs call the same ``plan``. Which steps are chosen and what their args may be: domain/choosing.py.
Rule 1  A core step belongs to the machinery: users neither choose nor see it as their node's step.
Rule 2  Automated cleaning and deployment go by priority (user over template over driver); lists keep their order.
Rule 3  In-band steps that nobody announced are planned as they are when an agent will be up, and judged then.
``kinds`` of params: steps, templates, runbook, disable_ramdisk, rebuild, of, prepared, target, timeout_s, device …
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from steelyard_common.contracts.catalogue import StepSpec

from .choosing import Offer
from .plans import NodeFacts, Params, Plan, PlannedStep, PlanRules
from .transitions import State
from .workflows import (
    BMC_ALLOWANCE_S,
    HARD_TIMEOUT_S,
    REBOOTS,
    SOFT,
    SOFT_TIMEOUT_S,
    Kind,
    PowerTarget,
    power_target,
)  # fmt: skip

# Deploy interfaces whose machine is switched by us (the others leave power alone), and those that run an agent.
AGENT_CLEANS = frozenset({"direct", "custom-agent", "ansible", "anaconda", "ramdisk", "bootc", "autodetect"})
AGENT_DEPLOYS = AGENT_CLEANS - {"anaconda", "ramdisk"}
POWERED = AGENT_CLEANS
RESCUE_STATES = frozenset({State.RESCUE, State.RESCUE_WAIT, State.RESCUE_FAILED, State.UNRESCUE_FAILED})
PENDING = "the agent's own steps are known when it is up; they join by their priority then"
JUDGED_LATER = "steps that nobody announced are judged when the agent is up: {}"


def plan(kind: Kind, node: NodeFacts, catalogue: Sequence[StepSpec], params: Params, rules: PlanRules) -> Plan:
    """``catalogue``: the steps that workers of the node's group announced.

    Errors: InvalidRequest (what is asked makes no sense for this node), Unavailable (no worker offers what is needed).
    """
    return BUILDERS[kind](Offer(kind, node, catalogue, rules), params)


def _verify(offer: Offer, _params: Params) -> Plan:
    steps = [offer.builtin("power", "verify"), offer.builtin("management", "observe")]
    return Plan(steps=(*steps, *offer.by_priority("verify")))


def _power(offer: Offer, params: Params) -> Plan:
    return Plan(steps=(set_power(offer, power_target(params["target"]), params.get("timeout_s")),))


def _setting(name: str, *arguments: str) -> Callable[[Offer, Params], Plan]:
    def build(offer: Offer, params: Params) -> Plan:
        args = {argument: params[argument] for argument in arguments}
        return Plan(steps=(offer.builtin("management", name, args, retries=1),))

    return build


def _console(offer: Offer, params: Params) -> Plan:
    return Plan(steps=(offer.core("console", "start" if params["target"] == "on" else "stop"),))


def _nothing(_offer: Offer, _params: Params) -> Plan:
    return Plan()


def _clean(offer: Offer, params: Params) -> Plan:
    if params.get("steps") is not None:
        steps = offer.listed(params["steps"], _source(params))
    else:
        steps = offer.by_priority("clean", offer.rules.clean_priorities)
        if offer.deploy_interface in AGENT_CLEANS:
            return _in_ramdisk(offer, "cleaning", steps, PENDING)
    return _with_ramdisk_if_needed(offer, params, "cleaning", steps)


def _service(offer: Offer, params: Params) -> Plan:
    return _with_ramdisk_if_needed(offer, params, "service", offer.listed(params["steps"], _source(params)))


def _deploy(offer: Offer, params: Params) -> Plan:
    chosen = offer.merged("deploy", params.get("templates") or (), params.get("steps") or ())
    steps: list[PlannedStep] = []
    has_agent = offer.deploy_interface in AGENT_DEPLOYS
    for step in chosen:
        steps.append(step)
        if step.label == "deploy.deploy" and offer.deploy_interface in POWERED:
            steps.append(_switch_on(offer))
            if has_agent:
                steps.append(offer.heartbeat())
    offer.require_known(steps, agent_comes=has_agent)
    console = offer.core_if_any("console", "start") if offer.node.console_enabled else None
    whole = [*_switch_off(offer), offer.core("deploy", "prepare"), *steps, console]
    return Plan(steps=_present(whole), needs_ramdisk=has_agent, pending=PENDING if has_agent else None)


def _undeploy(offer: Offer, _params: Params) -> Plan:
    node = offer.node
    steps: list[PlannedStep | None] = []
    steps += [offer.core_if_any("rescue", "clean_up")] if node.provision_state in RESCUE_STATES else []
    if node.console_enabled:
        steps.append(offer.core_if_any("console", "stop"))
    steps += [offer.core("deploy", "clean_up"), *_switch_off(offer), offer.core("deploy", "tear_down")]
    return Plan(steps=_present(steps))


def _inspect(offer: Offer, _params: Params) -> Plan:
    return Plan(steps=(offer.core("inspect", "inspect_hardware"),))


def _adopt(offer: Offer, _params: Params) -> Plan:
    """Looks at power and touches nothing: neither power nor boot device (lifecycle facts §19, 10)."""
    steps = (offer.builtin("power", "verify"), offer.core("deploy", "prepare"), offer.core("deploy", "take_over"))
    return Plan(steps=steps)


def _rescue(offer: Offer, _params: Params) -> Plan:
    return Plan(steps=(offer.core("rescue", "rescue"),), needs_ramdisk=offer.implementation("rescue") == "agent")


def _unrescue(offer: Offer, _params: Params) -> Plan:
    return Plan(steps=(offer.core("rescue", "unrescue"),))


def _tidy(offer: Offer, params: Params) -> Plan:
    """``of``: the kind of what failed; ``prepared``: a ramdisk was prepared for it; ``waited``: it waited for an agent.

    What nobody offers is left out: what failed must not fail again for that.
    """
    of = Kind(params["of"])
    steps: list[PlannedStep | None] = []
    if of is Kind.DEPLOY:
        steps = [
            *(_switch_off(offer) if offer.rules.powers_off_failed else ()),
            offer.core_if_any("deploy", "clean_up"),
        ]
    elif of is Kind.RESCUE:
        steps = [offer.core_if_any("rescue", "clean_up")]
    elif of is Kind.INSPECT and params.get("waited"):
        steps = [offer.core_if_any("inspect", "abort")]
    elif params.get("prepared") and of in TEARS_DOWN:
        steps = [*_switch_off(offer), offer.core_if_any("deploy", TEARS_DOWN[of])]
    return Plan(steps=_present(steps))


def _child(offer: Offer, params: Params) -> Plan:
    """One step on this node because its parent's workflow says so; synchronous, so without a ramdisk."""
    steps = offer.listed([params["step"]], "user")
    offer.require_known(steps, agent_comes=False)
    return Plan(steps=tuple(steps))


TEARS_DOWN = {Kind.CLEAN: "tear_down_cleaning", Kind.SERVICE: "tear_down_service"}
BUILDERS: dict[Kind, Callable[[Offer, Params], Plan]] = {
    Kind.VERIFY: _verify,
    Kind.POWER: _power,
    Kind.BOOT_MODE: _setting("set_boot_mode", "target"),
    Kind.SECURE_BOOT: _setting("set_secure_boot", "target"),
    Kind.BOOT_DEVICE: _setting("set_boot_device", "device", "persistent"),
    Kind.CONSOLE: _console,
    Kind.MOVE: _nothing,
    Kind.CLEAN: _clean,
    Kind.DEPLOY: _deploy,
    Kind.UNDEPLOY: _undeploy,
    Kind.INSPECT: _inspect,
    Kind.ADOPT: _adopt,
    Kind.RESCUE: _rescue,
    Kind.UNRESCUE: _unrescue,
    Kind.SERVICE: _service,
    Kind.TIDY: _tidy,
    Kind.CHILD: _child,
}


def set_power(offer: Offer, target: PowerTarget, timeout_s: int | None = None, asked: str = "") -> PlannedStep:
    """A power change by the provider of power, with the patience that the target needs."""
    timeout_s = timeout_s or (SOFT_TIMEOUT_S if target in SOFT else HARD_TIMEOUT_S)
    # A reboot, and a soft action that falls back to a hard one, waits twice.
    waits = 2 if target in REBOOTS else 1
    args = {"target": str(target), "timeout_s": timeout_s}
    return offer.builtin(
        "power", "set_power", args, retries=1, alone=True, timeout_s=waits * timeout_s + BMC_ALLOWANCE_S, asked=asked
    )


def _source(params: Params) -> str:
    return "runbook" if params.get("runbook") else "user"


def _present(steps: Sequence[PlannedStep | None]) -> tuple[PlannedStep, ...]:
    return tuple(step for step in steps if step is not None)


def _with_ramdisk_if_needed(offer: Offer, params: Params, work: str, steps: list[PlannedStep]) -> Plan:
    """Steps that need no ramdisk throughout boot none; ``disable_ramdisk`` forbids those that do."""
    has_agent = offer.deploy_interface in AGENT_CLEANS
    forbidden = bool(params.get("disable_ramdisk"))
    offer.require_known(steps, agent_comes=has_agent and not forbidden)
    if forbidden:
        offer.refuse_ramdisk(steps)
    unknown = [step.label for step in steps if not step.is_known]
    if forbidden or not (unknown or any(step.requires_ramdisk for step in steps)):
        return Plan(steps=tuple(steps))
    return _in_ramdisk(offer, work, steps, JUDGED_LATER.format(", ".join(unknown)) if unknown else None)


def _in_ramdisk(offer: Offer, work: str, steps: list[PlannedStep], pending: str | None) -> Plan:
    prepare, tear_down = offer.core("deploy", f"prepare_{work}"), offer.core("deploy", f"tear_down_{work}")
    if offer.deploy_interface not in AGENT_CLEANS:
        return Plan(steps=(prepare, *steps, tear_down), needs_ramdisk=True, pending=pending)
    after = [_switch_on(offer)] if work == "service" else []
    whole = [prepare, _reboot(offer), offer.heartbeat(), *steps, *_switch_off(offer), tear_down, *after]
    return Plan(steps=tuple(whole), needs_ramdisk=True, pending=pending)


def _switch_off(offer: Offer) -> list[PlannedStep]:
    if offer.deploy_interface not in POWERED or offer.node.disable_power_off:
        return []
    return [set_power(offer, PowerTarget.OFF)]


def _switch_on(offer: Offer) -> PlannedStep:
    """A machine that may not be switched off is on already: it is rebooted instead."""
    return set_power(offer, PowerTarget.REBOOT if offer.node.disable_power_off else PowerTarget.ON)


def _reboot(offer: Offer) -> PlannedStep:
    return set_power(offer, PowerTarget.REBOOT)
