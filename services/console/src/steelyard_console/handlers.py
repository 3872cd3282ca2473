"""Table of contents of console: step → implementation → what runs it."""

from __future__ import annotations

from steelyard_common.provider import Clock, Functions
from steelyard_common.provider.fakes import FAKE, switched
from steelyard_common.provider.slices import by_implementation

from .service import start_fake, stop_fake


def step_functions(clock: Clock) -> Functions:
    """The rows of ``domain.STEPS``."""
    return {
        ("console", "start"): by_implementation({FAKE: switched(clock, start_fake)}),
        ("console", "stop"): by_implementation({FAKE: switched(clock, stop_fake)}),
    }
