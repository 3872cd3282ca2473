"""The steps of the vendor interface."""

from __future__ import annotations

from steelyard_common.contracts.steps import Done, StepResult
from steelyard_common.provider import Slice
from steelyard_common.telemetry import get_logger

log = get_logger(__name__)


def log_passthrough(piece: Slice) -> StepResult:
    """The fake interface's only step, as Ironic's fake-hardware has it."""
    log.info("vendor step", node=piece.node["uuid"], workflow=piece.workflow)
    return Done()
