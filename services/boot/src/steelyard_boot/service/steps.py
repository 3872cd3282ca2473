"""What the steps do, by implementation, as far as no agent is spoken to."""

from __future__ import annotations

from steelyard_common.contracts.steps import Done, StepResult
from steelyard_common.provider import Slice, StepFunction

from ..domain.catalogue import ADOPTING, check_ramdisk

EXTERNAL = "external"


def look_at_ramdisk(piece: Slice) -> StepResult:
    """The image is told whole. Errors: InvalidRequest."""
    if piece.interface("storage") == EXTERNAL:
        return Done()  # there may be a volume instead: whoever prepares the boot looks
    check_ramdisk(piece.node.get("instance_info") or {})
    return Done()


def look_at_image(piece: Slice) -> StepResult:
    """There is no volume: the image must be told whole, whatever the storage. Errors: InvalidRequest."""
    check_ramdisk(piece.node.get("instance_info") or {})
    return Done()


def unless_adopted(function: StepFunction) -> StepFunction:
    """A machine that is adopted boots from its own disk: nothing to prepare (lifecycle facts §19, 10)."""

    def run(piece: Slice) -> StepResult:
        return Done() if piece.node.get("provision_state") == ADOPTING else function(piece)

    return run


def in_order(*functions: StepFunction) -> StepFunction:
    """One after the other, as long as they are done."""

    def run(piece: Slice) -> StepResult:
        for function in functions:
            result = function(piece)
            if not isinstance(result, Done):
                return result
        return Done()

    return run
