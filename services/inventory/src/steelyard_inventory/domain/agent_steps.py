"""The steps that an agent says it can run on its node, and the choice among them. Pure.

An agent is not trusted: what does not look like a step is none, and its arguments are checked as it says itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from steelyard_common.contracts.catalogue import is_interface
from steelyard_common.errors import InvalidRequest

READ, EXECUTE, FIND = "read_agent_steps", "execute_in_band", "find_agent"
STEPS_FACT, ALIVE_FACT, MISMATCH_FACT = "agent_steps", "agent_alive", "agent_version_mismatch"
MOST_STEPS = 500
NAME = re.compile(r"[A-Za-z_][\w-]{0,127}", re.ASCII)
# Interfaces whose in-band steps only one implementation takes from the agent; those of all others are taken always.
NEEDS = {"raid": "agent"}


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentStep:
    """As the agent announced it."""

    interface: str
    name: str
    priority: int = 0
    abortable: bool = False
    requires_ramdisk: bool = True
    reboot_requested: bool = False
    argsinfo: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return f"{self.interface}.{self.name}"

    def to_dict(self) -> dict[str, Any]:
        """In Ironic's words."""
        return {
            "interface": self.interface, "step": self.name, "priority": self.priority, "abortable": self.abortable,
            "requires_ramdisk": self.requires_ramdisk, "reboot_requested": self.reboot_requested,
            "argsinfo": self.argsinfo,
        }  # fmt: skip

    def check_args(self, args: Mapping[str, Any]) -> None:
        """Errors: InvalidRequest for arguments that it does not take, or that are missing."""
        if unknown := sorted(args.keys() - self.argsinfo.keys()):
            possible = ", ".join(self.argsinfo) or "none"
            raise InvalidRequest(f"{self.label} does not take the argument {', '.join(unknown)}. It takes: {possible}.")
        needed = [name for name, rule in self.argsinfo.items() if isinstance(rule, Mapping) and rule.get("required")]
        if missing := sorted(set(needed) - args.keys()):
            raise InvalidRequest(f"{self.label} needs the argument {', '.join(missing)}.")


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentSteps:
    """``version``: of its hardware managers, to be told with each step; ``steps``: by label."""

    version: dict[str, Any] = field(default_factory=dict)
    steps: dict[str, AgentStep] = field(default_factory=dict)

    def by_interface(self) -> dict[str, list[dict[str, Any]]]:
        """As the node shows them."""
        found: dict[str, list[dict[str, Any]]] = {}
        for step in self.steps.values():
            found.setdefault(step.interface, []).append(step.to_dict())
        return found


def read(fact: Any, interfaces: Mapping[str, str]) -> AgentSteps:
    """What ``deploy.read_agent_steps`` told, as far as a node with these interfaces has it.

    The same step of several hardware managers counts with its highest priority.
    """
    whole = fact if isinstance(fact, Mapping) else {}
    listed = whole.get("steps")
    found: dict[str, AgentStep] = {}
    for body in (listed if isinstance(listed, list) else [])[:MOST_STEPS]:
        step = _step(body)
        if step is None or interfaces.get(step.interface) != NEEDS.get(step.interface, interfaces.get(step.interface)):
            continue
        if step.label not in found or found[step.label].priority < step.priority:
            found[step.label] = step
    version = whole.get("version")
    return AgentSteps(version=dict(version) if isinstance(version, Mapping) else {}, steps=found)


def chosen(steps: AgentSteps, overrides: Mapping[str, int], taken: Iterable[str]) -> list[tuple[AgentStep, int]]:
    """Those that run without being asked for, with their priorities; ``taken``: labels that are somebody else's."""
    others = frozenset(taken)
    ranked = [(step, overrides.get(step.label, step.priority)) for step in steps.steps.values()]
    return [(step, priority) for step, priority in ranked if priority > 0 and step.label not in others]


def _step(body: Any) -> AgentStep | None:
    if not isinstance(body, Mapping):
        return None
    interface, name, priority = body.get("interface"), body.get("step"), body.get("priority", 0)
    if not is_interface(interface) or not isinstance(name, str) or not NAME.fullmatch(name):
        return None
    if isinstance(priority, bool) or not isinstance(priority, int):
        return None
    argsinfo = body.get("argsinfo")
    return AgentStep(
        interface=str(interface), name=name, priority=max(0, priority), abortable=body.get("abortable") is True,
        requires_ramdisk=body.get("requires_ramdisk") is not False,
        reboot_requested=body.get("reboot_requested") is True,
        argsinfo={str(key): rule for key, rule in argsinfo.items()} if isinstance(argsinfo, Mapping) else {},
    )  # fmt: skip
