"""A planned step as a row of its workflow, and back: what is planned anew is made from the rows that are left."""

from __future__ import annotations

from typing import Any

from .plans import PlannedStep
from .runs import StepRun

_DEFAULT = PlannedStep(interface="", name="")
# What a step's row need not hold: the planner's defaults.
_INFO = (
    "source", "priority", "asked", "wait_s", "children", "abortable", "requires_ramdisk", "is_known", "optional",
    "unless", "instead", "without",
)  # fmt: skip
_DEFAULTS = tuple((name, getattr(_DEFAULT, name)) for name in _INFO)


def to_row(index: int, planned: PlannedStep) -> StepRun:
    info = {name: value for name, default in _DEFAULTS if (value := getattr(planned, name)) != default}
    return StepRun(
        index=index,
        interface=planned.interface,
        name=planned.name,
        args=planned.args,
        timeout_s=planned.timeout_s,
        retries=planned.retries,
        alone=planned.alone,
        info=info,
    )


def from_row(step: StepRun) -> PlannedStep:
    """What was planned; effects and how to take them back are not kept."""
    info: dict[str, Any] = {name: step.info[name] for name in _INFO if name in step.info}
    for name in ("children", "without"):
        if info.get(name) is not None:
            info[name] = tuple(info[name])
    return PlannedStep(
        interface=step.interface, name=step.name, args=step.args, timeout_s=step.timeout_s, retries=step.retries,
        alone=step.alone, **info,
    )  # fmt: skip
