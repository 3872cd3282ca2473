"""The planner: kind of workflow, node, catalogue of announced steps, parameters → the steps, in order. Pure.

Verbs and dry runs call the same ``plan``. Which steps are chosen and what their args may be: domain/choosing.py; what
stands around them when a ramdisk is booted: domain/ramdisk_plans.py; what becomes of a plan when the agent has said
what it can do: domain/replanning.py.
Rule 1  A core step belongs to the machinery: users neither choose nor see it as their node's step.
Rule 2  Automated cleaning and deployment go by priority (user over template over driver); lists keep their order.
Rule 3  In-band steps that nobody announced are planned as they are when an agent will be up, and judged then.
``kinds`` of params: steps, templates, runbook, disable_ramdisk, rebuild, of, prepared, target, timeout_s, device …
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from steelyard_common.contracts.catalogue import StepSpec

from .choosing import Offer
from .deploy_plans import deployment, meets_agent
from .plans import ANY, NodeFacts, Params, Plan, PlannedStep, PlanRules
from .ramdisk_plans import (
    AGENT_CLEANS,
    KEEPS,
    POWERED,
    dns_records,
    find_agent,
    in_ramdisk,
    instance_device,
    into_ramdisk,
    keeps_agent,
    meet_agent,
    ramdisk_device,
    secure_boot,
    set_power,
    switch_off,
    switch_on,
)
from .transitions import State
from .workflows import Kind, PowerTarget, power_target

RESCUE_STATES = frozenset({State.RESCUE, State.RESCUE_WAIT, State.RESCUE_FAILED, State.UNRESCUE_FAILED})
PENDING = "the agent's own steps are known when it is up; they join by their priority then"
JUDGED_LATER = "steps that nobody announced are judged when the agent is up: {}"
WITH_AGENT = "agent"  # the implementation of rescue and inspect that works in the ramdisk


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
    users = params.get("steps") or ()
    chosen = offer.merged("deploy", params.get("templates") or (), users)
    comes = meets_agent(offer) and any(step.label == "deploy.deploy" for step in chosen)
    offer.require_known(chosen, agent_comes=comes)
    without = [f"{each['interface']}.{each['step']}" for each in users if int(each["priority"]) == 0]
    steps = deployment(offer, chosen, without)
    return Plan(steps=tuple(steps), needs_ramdisk=comes, pending=PENDING if comes else None)


def _undeploy(offer: Offer, _params: Params) -> Plan:
    node = offer.node
    steps: list[PlannedStep | None] = []
    steps += [offer.core_if_any("rescue", "clean_up")] if node.provision_state in RESCUE_STATES else []
    if node.console_enabled:
        steps.append(offer.core_if_any("console", "stop"))
    off = switch_off(offer) if offer.deploy_interface in POWERED else []
    gone = [*(secure_boot(offer, on=False) if off else ()), *dns_records(offer, "remove")]
    steps += [offer.core("deploy", "clean_up"), *off, *gone, offer.core("deploy", "tear_down")]
    return Plan(steps=_present(steps))


def _inspect(offer: Offer, _params: Params) -> Plan:
    """Managed: the ramdisk's boot is prepared; unmanaged: somebody else has one, and the machine is only sent there.

    While nobody is there who prepares boots, an inspection by the agent is refused: it would wait for nothing.
    """
    look = offer.core("inspect", "inspect_hardware")
    if offer.implementation("inspect") != WITH_AGENT:
        return Plan(steps=(look,))
    if not offer.is_offered("boot", "prepare_inspection"):
        offer.core("boot", "prepare_inspection")  # says that nobody offers it now
    prepare = offer.core_if_any("boot", "prepare_inspection")
    if prepare is None:
        return Plan(steps=(*ramdisk_device(offer), set_power(offer, PowerTarget.REBOOT), look), needs_ramdisk=True)
    into = [replace(step, unless="", instead={}) for step in into_ramdisk(offer, prepare, switches=True)]
    after = [] if keeps_agent(offer) else switch_off(offer)
    return Plan(steps=_present([*into, look, *after, _torn_down(offer, "boot", "inspection")]), needs_ramdisk=True)


def _adopt(offer: Offer, _params: Params) -> Plan:
    """Looks at power and touches nothing: neither power nor boot device (lifecycle facts §19, 10)."""
    steps = (offer.builtin("power", "verify"), offer.core("deploy", "prepare"), offer.core("deploy", "take_over"))
    return Plan(steps=steps)


def _rescue(offer: Offer, _params: Params) -> Plan:
    rescue = offer.core("rescue", "rescue")
    prepare = offer.core_if_any("rescue", "prepare")
    if prepare is None:
        return Plan(steps=(rescue,), needs_ramdisk=offer.implementation("rescue") == WITH_AGENT)
    into = [replace(step, unless="", instead={}) for step in into_ramdisk(offer, prepare, switches=True)]
    return Plan(steps=(*into, offer.heartbeat(), rescue), needs_ramdisk=True)


def _unrescue(offer: Offer, _params: Params) -> Plan:
    unrescue = offer.core("rescue", "unrescue")
    if offer.core_if_any("rescue", "prepare") is None:
        return Plan(steps=(unrescue,))
    return Plan(steps=(*switch_off(offer), unrescue, *instance_device(offer), switch_on(offer)))


def _tidy(offer: Offer, params: Params) -> Plan:
    """``of``: the kind of what failed; ``prepared``: a ramdisk was prepared for it; ``waited``: it waited for an agent;
    ``met``: the agent was up, and may tell why it failed.

    What nobody offers is left out: what failed must not fail again for that.
    """
    of = Kind(params["of"])
    logs = offer.core_if_any("deploy", "collect_logs") if params.get("met") else None
    steps: list[PlannedStep | None] = [replace(logs, optional=ANY, retries=0, alone=True)] if logs else []
    prepared, powered = params.get("prepared"), offer.deploy_interface in POWERED
    off = switch_off(offer) if powered else []
    if of is Kind.DEPLOY:
        steps += [*(off if offer.rules.powers_off_failed else ()), offer.core_if_any("deploy", "clean_up")]
    elif of is Kind.RESCUE:
        steps += [*(switch_off(offer) if prepared else ()), offer.core_if_any("rescue", "clean_up")]
    elif of is Kind.INSPECT:
        steps += [offer.core_if_any("inspect", "abort")] if params.get("waited") else []
        steps += [*switch_off(offer), offer.core_if_any("boot", "tear_down_inspection")] if prepared else []
    elif prepared and of in TEARS_DOWN:
        # Whatever became of a service, its instance runs again.
        again = [*instance_device(offer), switch_on(offer)] if of is Kind.SERVICE and powered else []
        steps += [*off, offer.core_if_any("deploy", TEARS_DOWN[of]), *again]
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
    whole = [
        *find_agent(offer), *into_ramdisk(offer, prepare, switches=False), *meet_agent(offer),
        *in_ramdisk(offer, steps), *out_of_ramdisk(offer, work),
    ]  # fmt: skip
    return Plan(steps=tuple(whole), needs_ramdisk=True, pending=pending)


def out_of_ramdisk(offer: Offer, work: str) -> list[PlannedStep]:
    """The end of cleaning: off, unless the agent is kept; the end of a service: the instance runs again."""
    off = [] if keeps_agent(offer) else switch_off(offer)
    after = [*instance_device(offer), switch_on(offer)] if work == "service" else []
    return [*off, _torn_down(offer, "deploy", work), *after]


def _torn_down(offer: Offer, interface: str, work: str) -> PlannedStep:
    step = offer.core(interface, f"tear_down_{work}")
    return replace(step, args=dict(KEEPS)) if keeps_agent(offer) else step
