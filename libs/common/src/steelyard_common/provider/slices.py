"""What a step is given to run one slice, and how its function is found by the node's implementation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..contracts.steps import Done, Failed, Step, StepResult
from ..errors import Unsupported

Clock = Callable[[], datetime]


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One slice of one step. ``redelivered``: the message was given to somebody before, so look first."""

    workflow: str
    node: dict[str, Any] = field(repr=False)
    step: Step
    redelivered: bool = False

    def interface(self, interface: str) -> str | None:
        """The node's implementation of an interface."""
        implementation: str | None = self.node["interfaces"].get(interface)
        return implementation

    @property
    def driver_info(self) -> dict[str, Any]:
        """Without its secrets: those are sealed."""
        return self.node.get("driver_info") or {}


# Runs one slice. May raise: Unavailable (the message is given again), other errors of the tree (the step has failed).
StepFunction = Callable[[Slice], StepResult]
# (interface, name of the step) → what runs it
Functions = Mapping[tuple[str, str], StepFunction]


def nothing_to_do(_piece: Slice) -> StepResult:
    """For a step that has nothing to change with this implementation."""
    return Done()


def refusing(reason: str) -> StepFunction:
    """A function that fails for good. ``reason``: why, and what to do instead; ``{name}`` is the implementation."""

    def refuse(piece: Slice) -> StepResult:
        name = piece.interface(piece.step.interface)
        return Failed(error=Unsupported(reason.replace("{name}", str(name))))

    return refuse


def by_implementation(functions: Mapping[str, StepFunction]) -> StepFunction:
    """The function of the implementation that the node has of the step's interface."""

    def run(piece: Slice) -> StepResult:
        name = piece.interface(piece.step.interface)
        function = functions.get(str(name))
        if function is None:
            step = piece.step
            return Failed(error=Unsupported(f"the {step.interface} interface '{name}' has no step '{step.name}'"))
        return function(piece)

    return run
