"""What a plan is: the steps of a workflow to be, and what the planner looks at to make it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .transitions import State

READ_TIMEOUT_S = 120.0
HOLD_TIMEOUT_S = 7 * 86_400.0
WAIT_TIMEOUT_S = 1800.0
DENIED = frozenset({"vendor.send_raw"})
UNSUPPORTED, ANY = "unsupported", "any"  # PlannedStep.optional
Params = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeFacts:
    """What the planner looks at. ``interfaces``: type → implementation; ``children``: UUIDs."""

    uuid: str
    interfaces: Mapping[str, str]
    provision_state: State
    driver: str = ""
    power_state: str | None = None
    boot_mode: str | None = None
    disable_power_off: bool = False
    console_enabled: bool = False
    traits: frozenset[str] = frozenset()
    instance_info: Mapping[str, Any] = field(default_factory=dict, repr=False)
    driver_info: Mapping[str, Any] = field(default_factory=dict, repr=False)
    properties: Mapping[str, Any] = field(default_factory=dict, repr=False)
    children: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PlanRules:
    """What an operator sets. ``deny``: steps that nobody may ask for; ``clean_priorities``: step → priority instead of
    the announced one; ``waits_s``: kind → limit of a wait for an agent; ``hold_s``: limit of a hold; ``fast_track``:
    agents are kept running between two works, for nodes that do not say otherwise."""

    deny: frozenset[str] = DENIED
    clean_priorities: Mapping[str, int] = field(default_factory=dict)
    waits_s: Mapping[str, float] = field(default_factory=dict)
    hold_s: float = HOLD_TIMEOUT_S
    powers_off_failed: bool = True
    fast_track: bool = False

    def wait_s(self, kind: str) -> float:
        return self.waits_s.get(kind, WAIT_TIMEOUT_S)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedStep:
    """A step to be. ``source``: core, driver, agent, template, user, runbook. ``asked``: its name as it was asked for,
    when it runs as another. ``wait_s``: how long it may wait for a signal with the node free for others; None: the node
    is kept. ``children``: it runs on these nodes instead. ``is_known``: somebody announced it. ``optional``: which of
    its failures do not matter: "unsupported", "any". ``unless``: the fact that makes it needless when a step before it
    tells so: it is left out, or given ``instead`` as further arguments. ``without``: steps that the agent's are not to
    bring back, because somebody took them out."""

    interface: str
    name: str
    args: dict[str, Any] = field(default_factory=dict, repr=False)
    source: str = "core"
    priority: int = 0
    timeout_s: float = READ_TIMEOUT_S
    retries: int = 2
    alone: bool = False
    abortable: bool = True
    requires_ramdisk: bool = False
    is_known: bool = True
    asked: str = ""
    wait_s: float | None = None
    children: tuple[str, ...] | None = None
    optional: str = ""
    unless: str = ""
    instead: dict[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    undo: str | None = None

    @property
    def label(self) -> str:
        return f"{self.interface}.{self.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """``pending``: what is not known yet, in words. ``needs_ramdisk``: an agent (or a fake of one) is booted."""

    steps: tuple[PlannedStep, ...] = ()
    pending: str | None = None
    needs_ramdisk: bool = False

    @property
    def power_actions(self) -> int:
        """How often the node's power is switched or cycled."""
        return sum(step.label == "power.set_power" for step in self.steps)
