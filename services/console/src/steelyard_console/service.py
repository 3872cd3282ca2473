"""What the steps do, by implementation."""

from __future__ import annotations

from steelyard_common.contracts.steps import Done, StepResult
from steelyard_common.provider import Slice


def start_fake(_piece: Slice) -> StepResult:
    return Done(facts={"console_enabled": True})


def stop_fake(_piece: Slice) -> StepResult:
    return Done(facts={"console_enabled": False})
