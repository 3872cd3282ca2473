"""What a verb of the API asks of a node: is it legal, and which workflow does it start (api facts §7.1).

Power and boot settings here; the verbs of states/provision in domain/provisioning.py.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from steelyard_common.contracts.catalogue import StepSpec

from .planning import plan
from .plans import NodeFacts, Params, Plan, PlanRules
from .projection import SYNC, NodeView
from .transitions import Event
from .workflows import Kind, PowerTarget, check_boot_settings, check_console, check_power


class Parked(enum.Enum):
    """What becomes of the workflow that waits while the node is free: nothing, its end, it goes on, or it ends later
    because its step may not be interrupted."""

    LEAVE = enum.auto()
    END = enum.auto()
    WAKE = enum.auto()
    FLAG = enum.auto()


@dataclass(frozen=True, kw_only=True)
class Intent:
    """A workflow to be; ``kind`` None: none begins. ``events``: what happens to the node's provision state at once.

    ``params`` are told in events: no secrets. ``patch``: node columns that are written as it begins.
    """

    kind: Kind | None
    params: dict[str, Any] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    plan: Plan = field(default_factory=Plan)
    patch: dict[str, Any] = field(default_factory=dict, repr=False)
    parked: Parked = Parked.LEAVE


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A node and what can be done with it: what every verb looks at."""

    view: NodeView
    facts: NodeFacts
    catalogue: Sequence[StepSpec] = ()
    rules: PlanRules = field(default_factory=PlanRules)

    def plan(self, kind: Kind, params: Params) -> Plan:
        """Errors: InvalidRequest, Unavailable."""
        return plan(kind, self.facts, self.catalogue, params, self.rules)


def power(subject: Subject, target: PowerTarget, timeout_s: int | None) -> Intent:
    """Errors: InvalidRequest, Conflict."""
    node = subject.view
    check_power(node.provision_state, target, timeout_s, disable_power_off=node.disable_power_off)
    return _planned(subject, Kind.POWER, {"target": target, "timeout_s": timeout_s})


def correction(subject: Subject, target: str) -> tuple[Intent, dict[str, Any]]:
    """Power sync sets the hardware back: the workflow and its cause."""
    return _planned(subject, Kind.POWER, {"target": target, "timeout_s": None}), {"origin": SYNC}


def boot_mode(subject: Subject, target: str) -> Intent:
    """Errors: Conflict while work is going on."""
    check_boot_settings(subject.view.provision_state)
    return _planned(subject, Kind.BOOT_MODE, {"target": target})


def secure_boot(subject: Subject, target: bool) -> Intent:
    """Errors: Conflict while work is going on."""
    check_boot_settings(subject.view.provision_state)
    return _planned(subject, Kind.SECURE_BOOT, {"target": target})


def console(subject: Subject, enabled: bool) -> Intent:
    """Nothing begins when it is so already. Errors: InvalidRequest without a console, Unavailable."""
    check_console(subject.facts.interfaces.get("console"))
    if subject.view.console_enabled == enabled:
        return Intent(kind=None)
    return _planned(subject, Kind.CONSOLE, {"target": "on" if enabled else "off"})


def _planned(subject: Subject, kind: Kind, params: dict[str, Any]) -> Intent:
    return Intent(kind=kind, params=params, plan=subject.plan(kind, params))
