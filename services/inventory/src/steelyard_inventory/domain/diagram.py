"""docs/reference/states.md and workflows.md, written from the tables: ``python -m docs.generate``; a test compares."""

from __future__ import annotations

from steelyard_common.contracts.catalogue import StepSpec

from . import progress, step_moves
from .endings import PROVISION
from .planning import plan
from .plans import NodeFacts, Plan, PlannedStep, PlanRules
from .runs import Status, StepStatus
from .transitions import FAILED, HOLDING, STABLE, TARGETS, TRANSIENT, TRANSITIONS, VERBS, WAITING, Event, State
from .workflows import QUEUE_ALLOWANCE_S, Kind

_NOTE = "<!-- Made from {module} by `make docs`; change it there. -->\n"
_GROUPS = [
    ("Stable", STABLE, "nothing goes on; `target_provision_state` is null"),
    ("Transient", TRANSIENT, "work is going on, the node is locked"),
    ("Waiting", WAITING, "an agent or a timer continues it"),
    ("Holding", HOLDING, "an operator continues it"),
    ("Failed", FAILED, "the target is kept, so that one sees what was wanted"),
]
_EXAMPLES: dict[Kind, dict[str, object]] = {
    Kind.POWER: {"target": "power on"},
    Kind.BOOT_MODE: {"target": "uefi"},
    Kind.SECURE_BOOT: {"target": True},
    Kind.BOOT_DEVICE: {"device": "pxe", "persistent": False},
    Kind.CONSOLE: {"target": "on"},
    Kind.CLEAN: {"automated": True},
    Kind.SERVICE: {"steps": [{"interface": "bios", "step": "factory_reset"}]},
    Kind.TIDY: {"of": Kind.DEPLOY},
    Kind.CHILD: {"step": {"interface": "power", "step": "power_on"}},
}
# What the services announce for fake hardware, as far as the page tells of it; with one step of each kind of work.
_ANNOUNCED: dict[str, dict[str, int]] = {
    "vendor.log_passthrough": {"clean": 1},
    "deploy.deploy": {"deploy": 100},
    "bios.factory_reset": {"service": 0},
    **{f"deploy.{name}": {} for name in ("prepare", "clean_up", "tear_down", "take_over")},
    **{f"rescue.{name}": {} for name in ("rescue", "unrescue", "clean_up")},
    "inspect.inspect_hardware": {},
    "console.start": {},
}
_NODE = NodeFacts(
    uuid="", provision_state=State.MANAGEABLE,
    interfaces=dict.fromkeys(
        ("power", "management", "deploy", "rescue", "inspect", "bios", "vendor", "console"), "fake"
    ),
)  # fmt: skip
# The same for a machine that boots an agent over iPXE, whose BMC tells another boot mode than is wanted.
_WITH_AGENT: dict[str, dict[str, int]] = {
    **_ANNOUNCED,
    **{f"management.{name}": {} for name in ("set_boot_mode", "set_boot_device")},
    **{f"deploy.{name}": {} for name in (
        "prepare_cleaning", "tear_down_cleaning", "prepare_service", "tear_down_service", "read_agent_steps",
        "execute_in_band", "find_agent", "collect_logs",
    )},
    "rescue.prepare": {}, "boot.prepare_inspection": {}, "boot.tear_down_inspection": {},
    "deploy.write_image": {"deploy": 80}, "deploy.prepare_instance_boot": {"deploy": 60},
    "deploy.tear_down_agent": {"deploy": 40}, "deploy.switch_to_tenant_network": {"deploy": 30},
    "deploy.boot_instance": {"deploy": 20},
}  # fmt: skip
_AGENT_NODE = NodeFacts(
    uuid="", provision_state=State.MANAGEABLE, boot_mode="bios", properties={"capabilities": "boot_mode:uefi"},
    interfaces={
        "power": "redfish", "management": "redfish", "deploy": "direct", "boot": "ipxe", "rescue": "agent",
        "inspect": "agent", "vendor": "redfish",
    },
)  # fmt: skip
_IN_RAMDISK: dict[Kind, dict[str, object]] = {
    Kind.CLEAN: {"automated": True},
    Kind.DEPLOY: {},
    Kind.UNDEPLOY: {},
    Kind.INSPECT: {},
    Kind.RESCUE: {},
    Kind.UNRESCUE: {},
    Kind.SERVICE: {"steps": [{"interface": "deploy", "step": "burnin_cpu"}]},
    Kind.TIDY: {"of": Kind.DEPLOY, "met": True},
}
_READ_THEN = (
    "Behind `deploy.read_agent_steps` the plan is made anew: the agent's steps join, as `deploy.execute_in_band`, each"
    " with a reboot behind it if it asks for one. With fast track `deploy.find_agent` comes first; if it finds the"
    " agent running, what would boot it is left out. Where the capability `kexec` is true, `deploy.start_by_kexec`"
    " comes before `deploy.tear_down_agent`; if the agent starts the instance, that step and the power steps behind it"
    " are left out. How:"
    " [what the agent says](../explanation/engine.md#what-the-agent-says)."
)
_BEGUN_BY: dict[Kind, str] = {
    Kind.VERIFY: "`manage` in state enroll",
    Kind.POWER: "`PUT states/power`, power sync",
    Kind.BOOT_MODE: "`PUT states/boot_mode`",
    Kind.SECURE_BOOT: "`PUT states/secure_boot`",
    Kind.BOOT_DEVICE: "other workflows (the API sets it directly, under a lease)",
    Kind.CONSOLE: "`PUT states/console`",
    Kind.MOVE: "verbs that need no hardware: `manage` elsewhere, `provide` without cleaning",
    Kind.CLEAN: "`provide`, the end of an undeployment, `clean`",
    Kind.DEPLOY: "`active`, `rebuild`",
    Kind.UNDEPLOY: "`deleted`",
    Kind.INSPECT: "`inspect`",
    Kind.ADOPT: "`adopt`",
    Kind.RESCUE: "`rescue`",
    Kind.UNRESCUE: "`unrescue`",
    Kind.SERVICE: "`service`",
    Kind.TIDY: "the failure or abort of clean, deploy, inspect, rescue, service; abort from service failed",
    Kind.CHILD: "a step of the parent's workflow",
}
_STATUS_MEANS: dict[Status, str] = {
    Status.RUNNING: "it holds the node's lock; parked, it waits for a signal while others may have the node",
    Status.DONE: "every step is done",
    Status.FAILED: "a step failed, or its deadline came",
    Status.ABORTED: "somebody asked for it",
}
_STEP_STATUS_MEANS: dict[StepStatus, str] = {
    StepStatus.PENDING: "not begun",
    StepStatus.DISPATCHED: "its message is out; dispatched again after a silence",
    StepStatus.SLEEPING: "the provider asked for another slice, or a failure is to be tried again: at `due_at`",
    StepStatus.WAITING: "for a signal, till the deadline",
    StepStatus.DONE: "finished",
    StepStatus.SKIPPED: "not done, which does not matter: the machine cannot, or it is to be done again behind",
    StepStatus.FAILED: "finished, with `error`",
    StepStatus.ABORTED: "not run to its end, because the workflow ended",
}


def states_page() -> str:
    """The states, the diagram and the table."""
    parts = [
        _NOTE.format(module="domain/transitions.py"),
        "# States of a node\n",
        "What can happen to a node in each state. Verbs of the API are **bold**; the others come from the engine.\n",
        *(f"- {name} ({meaning}): {_listed(states)}" for name, states, meaning in _GROUPS),
        "\n```mermaid\nstateDiagram-v2",
        *(f'  state "{state}" as {_id(state)}' for state in TRANSITIONS),
        *(f"  {_id(old)} --> {_id(new)}: {', '.join(events)}" for old, new, events in _arrows()),
        "```\n",
        "| state | target | event → new state |",
        "| --- | --- | --- |",
        *(f"| {state} | {TARGETS.get(state, '')} | {_row(events)} |" for state, events in TRANSITIONS.items()),
    ]
    return "\n".join(parts) + "\n"


def workflows_page() -> str:
    """Kinds with their steps, and what each status means."""
    parts = [
        _NOTE.format(module="domain/workflows.py and domain/progress.py"),
        "# Workflows\n",
        "Everything that touches hardware is a workflow: an ordered list of steps, at most one unfinished a node. How"
        " one runs: [the road of one step](../explanation/engine.md).\n",
        "| kind | begun by | steps (on fake hardware) | moves the provision state |",
        "| --- | --- | --- | --- |",
        *(f"| {kind} | {_BEGUN_BY[kind]} | {_steps(kind)} | {_moves(kind)} |" for kind in Kind),
        "\n## On a machine that boots an agent\n",
        "Deploy interface `direct`, boot interface `ipxe`; the boot mode is set because the node wants another than its"
        " BMC tells. `deploy.wait` is the wait for the agent's first call.\n",
        "| kind | steps |",
        "| --- | --- |",
        *(f"| {kind} | {_labels(_agent_plan(kind))} |" for kind in _IN_RAMDISK),
        f"\n{_READ_THEN}\n",
        "## Patience\n",
        "| step | may take (s) | retries | shares a message |",
        "| --- | --- | --- | --- |",
        *sorted({_patience(step) for kind in Kind for step in _example(kind).steps}),
        f"\nThe engine's deadline is that time and {QUEUE_ALLOWANCE_S:.0f} s for queues, from the first dispatch. A"
        f" retryable failure is tried again after {step_moves.BACK_OFF_S:.0f} s, then twice as long each time. A step"
        f" that is out is dispatched again after {progress.REDISPATCH_S:.0f} s of silence, then twice as long.\n",
        "## Status of a workflow\n",
        *(f"- `{status}`: {_STATUS_MEANS[status]}" for status in Status),
        "\n## Status of a step\n",
        *(f"- `{status}`: {_STEP_STATUS_MEANS[status]}" for status in StepStatus),
    ]
    return "\n".join(parts) + "\n"


def _arrows() -> list[tuple[State, State, list[str]]]:
    found: dict[tuple[State, State], list[str]] = {}
    for old, events in TRANSITIONS.items():
        for event, new in events.items():
            found.setdefault((old, new), []).append(event)
    return [(old, new, events) for (old, new), events in found.items()]


def _row(events: dict[Event, State]) -> str:
    verbs = set(VERBS.values())
    return ", ".join(f"{f'**{event}**' if event in verbs else event} → {new}" for event, new in events.items())


def _listed(states: frozenset[State]) -> str:
    return ", ".join(f"`{state}`" for state in TRANSITIONS if state in states)


def _id(state: State) -> str:
    return state.replace(" ", "_").replace("-", "_")


def _spec(interface: str, name: str, kinds: dict[str, int]) -> StepSpec:
    return StepSpec(interface=interface, name=name, description="", kinds=kinds, core=not kinds)


def _example(kind: Kind) -> Plan:
    catalogue = [_spec(label.split(".")[0], label.split(".")[1], kinds) for label, kinds in _ANNOUNCED.items()]
    return plan(kind, _NODE, catalogue, _EXAMPLES.get(kind, {}), PlanRules())


def _agent_plan(kind: Kind) -> Plan:
    catalogue = [_spec(label.split(".")[0], label.split(".")[1], kinds) for label, kinds in _WITH_AGENT.items()]
    return plan(kind, _AGENT_NODE, catalogue, _IN_RAMDISK[kind], PlanRules())


def _labels(found: Plan) -> str:
    return ", ".join(f"`{_told(step)}`" for step in found.steps) or "none"


def _told(step: PlannedStep) -> str:
    """A step with what makes it another than the next of its name."""
    aim = step.args.get("target") or step.args.get("device") or step.args.get("kind")
    return f"{step.label}: {aim}" if aim else step.label


def _steps(kind: Kind) -> str:
    return ", ".join(f"`{spec.interface}.{spec.name}`" for spec in _example(kind).steps) or "none"


def _moves(kind: Kind) -> str:
    return "yes" if kind in PROVISION or kind is Kind.MOVE else ""


def _patience(spec: PlannedStep) -> str:
    return f"| `{spec.interface}.{spec.name}` | {spec.timeout_s:.0f} | {spec.retries} | {'' if spec.alone else 'yes'} |"
