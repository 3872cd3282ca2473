"""Which steps a plan takes from the catalogue, and whether what a user asks for can run (lifecycle facts §6).

Reserved steps run inside the engine, on any interface: hold and wait; power_on, power_off and reboot become changes of
power.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from steelyard_common.contracts.catalogue import StepSpec, is_external
from steelyard_common.errors import InvalidRequest, Unavailable

from .plans import READ_TIMEOUT_S, NodeFacts, PlannedStep, PlanRules
from .step_args import check_args
from .workflows import HARD_TIMEOUT_S, Kind, PowerTarget

HOLD, WAIT = "hold", "wait"
HEARTBEAT, UNHOLD = "heartbeat", "unhold"
MAX_WAIT_S = 30
RESERVED_POWER = {
    "power_on": PowerTarget.ON,
    "power_off": PowerTarget.OFF,
    "reboot": PowerTarget.REBOOT,
}
RESERVED = frozenset({HOLD, WAIT, *RESERVED_POWER})
UNCHOSEN = "deploy.deploy"  # it may be switched off by priority 0, not overridden
# Kinds whose waits leave the node free for others: those that have a state for it.
PARKS = frozenset({Kind.CLEAN, Kind.DEPLOY, Kind.RESCUE, Kind.SERVICE, Kind.INSPECT})
TIES = ("vendor", "power", "management", "firmware", "deploy", "bios", "raid")
VERIFY_TIES = (
    "power", "management", "firmware", "inspect", "deploy", "boot", "bios", "raid", "vendor", "network", "storage",
    "console", "rescue",
)  # fmt: skip
Asked = Mapping[str, Any]


class Offer:
    """The catalogue as one node sees it for one kind of workflow."""

    def __init__(self, kind: Kind, node: NodeFacts, catalogue: Sequence[StepSpec], rules: PlanRules) -> None:
        self.kind, self.node, self.rules = kind, node, rules
        self.deploy_interface = self.implementation("deploy")
        self._catalogue = catalogue
        self._by_label = {
            f"{spec.interface}.{spec.name}": spec for spec in catalogue if serves(spec, node.interfaces)
        }  # fmt: skip

    def implementation(self, interface: str) -> str | None:
        return self.node.interfaces.get(interface)

    # ---- core steps

    def builtin(self, interface: str, name: str, args: dict[str, Any] | None = None, **more: Any) -> PlannedStep:
        """A step that every provider of its interface has, announced or not."""
        spec = self._by_label.get(f"{interface}.{name}")
        known = {} if spec is None else {"effects": spec.effects, "undo": spec.undo, "abortable": spec.abortable}
        return PlannedStep(interface=interface, name=name, args=args or {}, **{**known, **more})

    def core(self, interface: str, name: str) -> PlannedStep:
        """Errors: InvalidRequest when the node's interface cannot, Unavailable when nobody offers it now."""
        found = self.core_if_any(interface, name)
        if found is not None:
            return found
        implementation = self.implementation(interface)
        others = sorted({each for spec in self._of(interface, name) for each in spec.implementations})
        if implementation is None or implementation.startswith("no-") or others:
            possible = f" It is offered for {interface}_interface {', '.join(others)}." if others else ""
            has = f"{interface}_interface {implementation or 'unset'}"
            raise InvalidRequest(f"Node {self.node.uuid} can not do this with {has}.{possible}")
        raise Unavailable(
            f"No worker offers the step {interface}.{name} that this needs; see GET /v1/conductors for who is there, "
            "and try again when one has come."
        )

    def core_if_any(self, interface: str, name: str) -> PlannedStep | None:
        """A core step that is left out when nobody offers it."""
        spec = self._by_label.get(f"{interface}.{name}")
        return None if spec is None else self._planned(spec, {}, "core", 0)

    def is_offered(self, interface: str, name: str) -> bool:
        """Whether anybody has the step, for this node's interface or another."""
        return any(True for _ in self._of(interface, name))

    def heartbeat(self, unless: str = "") -> PlannedStep:
        """Wait until the agent calls."""
        return PlannedStep(interface="deploy", name=WAIT, alone=True, wait_s=self._wait_s(), unless=unless)

    # ---- steps by priority

    def by_priority(self, kind: str, overrides: Mapping[str, int] | None = None) -> list[PlannedStep]:
        """The drivers' steps of a kind whose priority is not 0, in order."""
        return ordered(self._drivers(kind, overrides or {}).values(), VERIFY_TIES if kind == "verify" else TIES)

    def merged(self, kind: str, templates: Iterable[Asked], users: Iterable[Asked]) -> list[PlannedStep]:
        """Drivers' steps, overridden by those of templates, overridden by the user's; priority 0 takes one out."""
        steps = self._drivers(kind, {})
        for source, asked_steps in (("template", templates), ("user", users)):
            seen: set[str] = set()
            for asked in asked_steps:
                label, priority = _label(asked), int(asked["priority"])
                if label in seen and source == "user":
                    raise InvalidRequest(f"Duplicate deploy steps: {label} is there more than once.")
                seen.add(label)
                steps.pop(label, None)
                if priority > 0:
                    steps[label] = self._chosen(asked, source, priority, kind)
        return ordered(steps.values())

    def _drivers(self, kind: str, overrides: Mapping[str, int]) -> dict[str, PlannedStep]:
        chosen = {
            label: (spec, overrides.get(label, spec.kinds[kind]))
            for label, spec in self._by_label.items()
            if kind in spec.kinds and (not spec.core or spec.kinds[kind] > 0)
        }
        return {
            label: self._planned(spec, {}, "driver", priority)
            for label, (spec, priority) in chosen.items()
            if priority > 0
        }

    # ---- steps as listed

    def listed(self, asked_steps: Sequence[Asked], source: str) -> list[PlannedStep]:
        """The steps in the order of the list, or of ``order`` where it is given."""
        ordered = (
            sorted(asked_steps, key=lambda each: int(each.get("order") or 0))
            if _has_order(asked_steps)
            else asked_steps
        )
        return [self._chosen(asked, source, 0, str(self.kind)) for asked in ordered]

    def require_known(self, steps: Iterable[PlannedStep], *, agent_comes: bool) -> None:
        """Errors: InvalidRequest for a step that nobody announced, unless an agent may bring it."""
        unknown = [step.label for step in steps if not step.is_known]
        if unknown and not agent_comes:
            possible = ", ".join(sorted(self.selectable())) or "none"
            raise InvalidRequest(f"Node {self.node.uuid} does not support {', '.join(unknown)}. Possible: {possible}.")

    def refuse_ramdisk(self, steps: Iterable[PlannedStep]) -> None:
        """Errors: InvalidRequest naming the steps that need a ramdisk."""
        if needy := [step.label for step in steps if step.requires_ramdisk]:
            raise InvalidRequest(f"disable_ramdisk is set, but {', '.join(needy)} can only run in the ramdisk.")

    def _chosen(self, asked: Asked, source: str, priority: int, kind: str) -> PlannedStep:
        interface, name, args = str(asked["interface"]), str(asked["step"]), dict(asked.get("args") or {})
        label = f"{interface}.{name}"
        if label in self.rules.deny:
            raise InvalidRequest(f"The step {label} is not allowed in this installation (STEELYARD_DENIED_STEPS).")
        if asked.get("execute_on_child_nodes"):
            return self._on_children(asked, interface, name, args, source, priority)
        if name in RESERVED:
            return self._reserved(label, interface, name, args, source, priority)
        spec = self._by_label.get(label)
        if spec is None:
            return PlannedStep(
                interface=interface, name=name, args=args, source=source, priority=priority, is_known=False,
                requires_ramdisk=True, wait_s=self._wait_s(),
            )  # fmt: skip
        if spec.core or label == UNCHOSEN:
            raise InvalidRequest(f"The step {label} belongs to the machinery: it can be disabled, not chosen.")
        if kind not in spec.kinds and kind != Kind.CHILD:
            raise InvalidRequest(f"The step {label} can not be used to {kind}; it is for {', '.join(spec.kinds)}.")
        check_args(label, spec.args, args)
        return self._planned(spec, args, source, priority)

    def _reserved(
        self, label: str, interface: str, name: str, args: dict[str, Any], source: str, priority: int
    ) -> PlannedStep:
        common: dict[str, Any] = {"source": source, "priority": priority}
        if name in RESERVED_POWER:
            _refuse_args(label, args)
            return self._power(RESERVED_POWER[name], label, common)
        if name == HOLD:
            _refuse_args(label, args)
            return PlannedStep(interface=interface, name=HOLD, alone=True, wait_s=self.rules.hold_s, **common)
        _refuse_args(label, {key: value for key, value in args.items() if key != "seconds"})
        seconds = args.get("seconds")
        if seconds is not None and (
            isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 <= seconds <= MAX_WAIT_S
        ):
            raise InvalidRequest(f"{label}: seconds must be a whole number from 0 to {MAX_WAIT_S}.")
        return PlannedStep(interface=interface, name=WAIT, args=args, alone=True, wait_s=self._wait_s(), **common)

    def _power(self, target: PowerTarget, label: str, common: dict[str, Any]) -> PlannedStep:
        if self.node.disable_power_off and target is PowerTarget.OFF:
            raise InvalidRequest(f"{label}: this node has disable_power_off set.")
        args = {"target": str(target), "timeout_s": HARD_TIMEOUT_S}
        timeout_s = 2 * HARD_TIMEOUT_S + READ_TIMEOUT_S
        return self.builtin(
            "power", "set_power", args, retries=1, alone=True, timeout_s=timeout_s, asked=label, **common
        )

    def _on_children(
        self, asked: Asked, interface: str, name: str, args: dict[str, Any], source: str, priority: int
    ) -> PlannedStep:
        limit = asked.get("limit_child_node_execution")
        children = self.node.children if limit is None else tuple(str(each) for each in limit)
        if strangers := sorted(set(children) - set(self.node.children)):
            raise InvalidRequest(f"{', '.join(strangers)} is no child of node {self.node.uuid}.")
        if name in (HOLD, WAIT):
            raise InvalidRequest(f"{interface}.{name} can not be executed on child nodes: it would not be synchronous.")
        return PlannedStep(
            interface=interface, name=name, args=args, source=source, priority=priority, alone=True, children=children,
            retries=0, timeout_s=max(self.rules.wait_s(self.kind), READ_TIMEOUT_S),
        )  # fmt: skip

    # ---- rows of the catalogue

    def _planned(self, spec: StepSpec, args: dict[str, Any], source: str, priority: int) -> PlannedStep:
        return PlannedStep(
            interface=spec.interface, name=spec.name, args=args, source=source,
            priority=priority, timeout_s=spec.timeout_s, retries=spec.retries, alone=spec.alone,
            abortable=spec.abortable, requires_ramdisk=spec.requires_ramdisk, wait_s=self._wait_s(),
            effects=spec.effects, undo=spec.undo,
        )  # fmt: skip

    def _wait_s(self) -> float | None:
        return self.rules.wait_s(self.kind) if self.kind in PARKS else None

    def _of(self, interface: str, name: str) -> list[StepSpec]:
        return [spec for spec in self._catalogue if (spec.interface, spec.name) == (interface, name)]

    def selectable(self) -> list[str]:
        """The steps of drivers that users may ask for."""
        return [label for label in self.labels_of(str(self.kind)) if not self._by_label[label].core]

    def labels_of(self, kind: str) -> list[str]:
        """The steps of drivers for a kind, whatever their priority."""
        return [label for label, spec in self._by_label.items() if kind in spec.kinds]


def serves(spec: StepSpec, interfaces: Mapping[str, str]) -> bool:
    """Whether a node with these interfaces has the step; an external provider's are for all nodes of its group."""
    if is_external(spec.interface):
        return spec.serves(interfaces.get(spec.interface))
    return spec.interface in interfaces and spec.serves(interfaces[spec.interface])


def ordered(steps: Iterable[PlannedStep], ties: Sequence[str] = TIES) -> list[PlannedStep]:
    """By priority, the highest first."""

    def rank(step: PlannedStep) -> tuple[int, int, str]:
        name = step.asked or step.label
        interface = name.partition(".")[0]
        place = ties.index(interface) if interface in ties else len(ties)
        return -step.priority, place, name

    return sorted(steps, key=rank)


def _has_order(steps: Sequence[Asked]) -> bool:
    return any("order" in each for each in steps)


def _label(asked: Asked) -> str:
    return f"{asked['interface']}.{asked['step']}"


def _refuse_args(label: str, args: Mapping[str, Any]) -> None:
    if args:
        raise InvalidRequest(f"{label} does not take the argument {', '.join(sorted(args))}.")
