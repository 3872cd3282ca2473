"""A plan as it is shown, what it was made from, and what has changed since. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from steelyard_common.contracts.catalogue import StepSpec

from . import kexec
from .agent_steps import ALIVE_FACT, FIND
from .choosing import HOLD, WAIT
from .estimates import Estimate, span, words
from .plans import Plan, PlannedStep
from .step_offer import masked
from .workflows import REBOOTS, SWITCHES_OFF, Kind, PowerTarget

TOUCHES_DISKS = re.compile(
    r"eras|wipe|format|overwrit|(writes?|destroys?|deletes?)\b.*\b(disk|volume|data)", re.IGNORECASE
)
REBOOT_WORDS = frozenset(str(target) for target in REBOOTS)
START_WORDS = frozenset(str(target) for target in PowerTarget if target not in SWITCHES_OFF)
# What a plan was made from → what is said when it is no longer so.
CHANGED = {
    "revision": "The node's record was changed",
    "provision_state": "The node's provision state is another",
    "maintenance": "The node's maintenance was switched",
    "protected": "The node's protection was switched",
    "retired": "The node's retirement was switched",
    "catalogue": "The steps that workers offer are others",
}


def document(kind: Kind | None, plan: Plan, each: Mapping[str, Estimate], whole: Estimate) -> dict[str, Any]:
    """``each``: step → how long it takes; ``whole``: all of them."""
    finds = any(step.name == FIND for step in plan.steps)
    steps = [_step(number, step, each, finds=finds) for number, step in enumerate(plan.steps, start=1)]
    targets = [str(step.args.get("target")) for step in plan.steps if step.label == "power.set_power"]
    unknown = [step.label for step in plan.steps if not step.is_known]
    return {
        "kind": None if kind is None else str(kind),
        "steps": steps,
        "power_changes": targets,
        "reboots": sum(target in REBOOT_WORDS for target in targets),
        "starts": sum(target in START_WORDS for target in targets),
        "waits": [_wait(number, step) for number, step in enumerate(plan.steps, start=1) if _waits(step)],
        "touches_disks": [step.label for step in plan.steps if any(TOUCHES_DISKS.search(e) for e in step.effects)],
        "needs_ramdisk": plan.needs_ramdisk,
        "unknowns": [
            *([plan.pending] if plan.pending else []),
            *(f"{label}: nobody announced it; it is judged when the agent is up" for label in unknown),
        ],
        "estimate": _estimated(plan, whole),
    }


def _waits(step: PlannedStep) -> bool:
    return step.name in (WAIT, HOLD) and step.children is None


def _wait(number: int, step: PlannedStep) -> dict[str, Any]:
    """Where the work stands still till somebody says something: what for, and what happens when nobody does."""
    if (seconds := step.args.get("seconds")) is not None:
        return {"order": number, "for": f"{seconds} s", "limit_s": seconds, "then": "it goes on"}
    held = step.name == HOLD
    limit = step.wait_s or step.timeout_s
    what = (
        "somebody to unhold it" if held else "the agent's first call" if step.source == "core" else "the agent's call"
    )
    look = "" if held else "; GET /v1/nodes/<node>/boots shows how far it came"
    return {"order": number, "for": what, "limit_s": limit, "then": f"after {span(limit)} the work has failed{look}"}


def _estimated(plan: Plan, whole: Estimate) -> dict[str, Any]:
    told = whole.to_dict()
    return told | {"text": f"{told['text']}; the agent's own steps come on top"} if plan.pending else told


def basis(node: Mapping[str, Any], plan: Plan, catalogue: Sequence[StepSpec]) -> dict[str, Any]:
    """What the plan was made from: ``node`` has the columns that CHANGED names."""
    announced = sorted(orjson.dumps(spec.to_dict(), option=orjson.OPT_SORT_KEYS) for spec in catalogue)
    known = {name: node[name] for name in CHANGED if name != "catalogue"}
    return known | {"catalogue": _digest(announced), "steps": [_trace(step) for step in plan.steps]}


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """In words, for a person who decides if a new plan is to be made. None: it would be done as planned."""
    found = []
    for name, text in CHANGED.items():
        if then[name] != now[name]:
            values = "" if name == "catalogue" else f": {then[name]} then, {now[name]} now"
            found.append(f"{text}{values}.")
    before, after = list(then["steps"]), list(now["steps"])
    if before != after:
        gone = [step["step"] for step in before if step not in after]
        new = [step["step"] for step in after if step not in before]
        said = [f"no longer as planned: {', '.join(gone)}"] if gone else []
        said += [f"new: {', '.join(new)}"] if new else []
        found.append(f"The steps are others ({'; '.join(said) or 'their order'}).")
    return found


def _step(number: int, step: PlannedStep, each: Mapping[str, Estimate], *, finds: bool) -> dict[str, Any]:
    """``finds``: the plan asks first if the agent runs already."""
    took = each.get(step.asked or step.label)
    return {
        "order": number, "interface": step.interface, "step": step.name, "asked_as": step.asked or step.label,
        "args": masked(step.args), "source": step.source, "priority": step.priority,
        "requires_ramdisk": step.requires_ramdisk, "abortable": step.abortable, "effects": list(step.effects),
        "undo": step.undo, "unless_agent_runs": finds and step.unless == ALIVE_FACT and not step.instead,
        "unless_kexec": step.unless == kexec.FACT,
        "children": list(step.children) if step.children is not None else None,
        "takes": words(took) if took is not None else "unknown",
    }  # fmt: skip


def _trace(step: PlannedStep) -> dict[str, Any]:
    """What makes a step the same one; of its arguments only a digest is kept."""
    args = orjson.dumps(step.args, option=orjson.OPT_SORT_KEYS)
    return {
        "step": step.asked or step.label, "args": _digest([args]), "source": step.source, "priority": step.priority,
        "children": list(step.children) if step.children is not None else None,
    }  # fmt: skip


def _digest(parts: Sequence[bytes]) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
