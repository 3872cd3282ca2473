"""What the steps do, by implementation."""

from __future__ import annotations

from steelyard_common.contracts.steps import Done, StepResult
from steelyard_common.errors import Unsupported
from steelyard_common.provider import Slice, StepFunction

from ..domain.catalogue import ADOPTING, WHAT_INSTEAD, check_ramdisk


def prepare_ramdisk(piece: Slice) -> StepResult:
    """The image is told whole and the boot interface can bring it. Errors: InvalidRequest, Unsupported."""
    check_ramdisk(piece.node["interfaces"], piece.node.get("instance_info") or {})
    return Done()


def no_agent_yet(work: str) -> StepFunction:
    """Fails, and says what to do instead. ``work``: of ``WHAT_INSTEAD``."""

    def refuse(piece: Slice) -> StepResult:
        interface = piece.step.interface
        raise Unsupported(
            f"the {interface} interface '{piece.interface(interface)}' needs the agent ramdisk, which this release "
            f"cannot boot. {WHAT_INSTEAD[work]}"
        )

    return refuse


def prepare_for_agent(piece: Slice) -> StepResult:
    """A machine that is adopted boots from its own disk: nothing to prepare. All else needs the agent."""
    if piece.node.get("provision_state") == ADOPTING:
        return Done()
    return no_agent_yet("deploy")(piece)
