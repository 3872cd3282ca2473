"""Table of contents of firmware: step → implementation → what runs it."""

from __future__ import annotations

from steelyard_common.provider import Clock, Functions, StepFunction
from steelyard_common.provider.fakes import FAKE, switched
from steelyard_common.provider.slices import by_implementation, nothing_to_do

from .service import apply_fake_raid, create_fake_raid, delete_fake_raid


def step_functions(clock: Clock) -> Functions:
    """The rows of ``domain.STEPS``."""

    def fake(function: StepFunction = nothing_to_do) -> StepFunction:
        return by_implementation({FAKE: switched(clock, function)})

    return {
        ("bios", "apply_configuration"): fake(),
        ("bios", "factory_reset"): fake(),
        ("raid", "create_configuration"): fake(create_fake_raid(clock)),
        ("raid", "delete_configuration"): fake(delete_fake_raid),
        ("raid", "apply_configuration"): fake(apply_fake_raid(clock)),
        ("firmware", "update"): fake(),
    }
