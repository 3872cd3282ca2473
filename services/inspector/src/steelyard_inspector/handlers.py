"""Table of contents of inspector: step → implementation → what runs it."""

from __future__ import annotations

from steelyard_common.provider import Clock, Functions
from steelyard_common.provider.fakes import FAKE, switched
from steelyard_common.provider.slices import by_implementation, nothing_to_do, refusing

from .domain import WHAT_INSTEAD
from .service import inspect_fake

NO_AGENT = (
    "the inspect interface '{name}' needs the agent ramdisk, which this release cannot boot. " + WHAT_INSTEAD
)  # fmt: skip


def step_functions(clock: Clock) -> Functions:
    """The rows of ``domain.STEPS``."""
    return {
        ("inspect", "inspect_hardware"): by_implementation(
            {FAKE: switched(clock, inspect_fake), "agent": refusing(NO_AGENT)}
        ),
        ("inspect", "abort"): by_implementation({FAKE: switched(clock), "agent": nothing_to_do}),
    }
