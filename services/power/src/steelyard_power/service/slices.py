"""What a step is given to run one slice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from steelyard_common.contracts.steps import Step, StepResult

Clock = Callable[[], datetime]


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One slice of one step. ``redelivered``: the message was given to somebody before, so look first."""

    workflow: str
    node: dict[str, Any] = field(repr=False)
    step: Step
    redelivered: bool = False

    def interface(self, interface: str) -> str | None:
        """The node's implementation of power or management."""
        implementation: str | None = self.node["interfaces"].get(interface)
        return implementation


StepFunction = Callable[[Slice], StepResult]
