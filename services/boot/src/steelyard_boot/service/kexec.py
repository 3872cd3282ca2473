"""The instance is started by the agent (kexec), so that its machine spares the firmware.

Rule 1  It fails no deployment: the step is optional, its failure says why, and the machine goes through its firmware.
Rule 2  Once the agent may have been told to start the instance, its silence is the start: whoever took that for a
        failure would switch a running instance off. So the memo that says "armed" is kept before the command is sent,
        and who reads it for the second time takes it that the command was sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steelyard_common.contracts.steps import Again, Done, Failed, StepResult, Wait
from steelyard_common.errors import Busy, DeviceUnreachable, OutcomeUnknown, SteelyardError, Unsupported
from steelyard_common.provider import Slice

from ..drivers.agent import SUCCEEDED, Command
from .deploying import Deploying, Helpers
from .inband import failure

STEP = "kexec_instance"  # the agent's, which loads the instance's kernel
START = "steelyard.start_instance"
LOADS = "loading the instance's kernel"
SENT = {"command", "sent"}  # in the memo of a step that was begun
POLL_S = 1.0  # heartbeats are no use: an agent that hangs sends some, one that died none
LOAD_S, SILENT_S = 120.0, 30.0
FIRMWARE = "so the machine goes through its firmware"


class Kexec:
    """A step function: may be run again, at any moment."""

    def __init__(self, helpers: Helpers, deploying: Deploying) -> None:
        self._by, self._deploying = helpers, deploying

    def start(self, piece: Slice) -> StepResult:
        return self._start(piece) if "armed" in piece.step.memo else self._load(piece)

    # ---- the kernel is loaded: nothing is lost if that fails

    def _load(self, piece: Slice) -> StepResult:
        now = self._by.clock().timestamp()
        began = piece.step.memo.get("began") or now
        is_sent = not SENT.isdisjoint(piece.step.memo)
        result = self._loaded(piece) if is_sent else self._looked(piece)
        if isinstance(result, Done | Failed) or "armed" in result.memo:
            return result
        if now - began > LOAD_S:
            return Failed(error=OutcomeUnknown(f"{LOADS} took longer than {LOAD_S:.0f} s, {FIRMWARE}"))
        progress = f"{LOADS} runs on the agent" if isinstance(result, Wait) else result.progress
        return Again(after_s=POLL_S, memo={**result.memo, "began": began}, progress=progress)

    def _looked(self, piece: Slice) -> StepResult:
        """Whether this ramdisk can."""

        def ask() -> StepResult:
            if STEP not in {step.get("step") for step in self._deploying.steps(piece, "deploy")[0]}:
                raise Unsupported(f"this ramdisk has no step deploy.{STEP}, {FIRMWARE}: put steelyard-agent into it")
            return self._loaded(piece)

        return self._by.inband.asking(piece, ask)

    def _loaded(self, piece: Slice) -> StepResult:
        def then(command: Command) -> StepResult:
            if command.status != SUCCEEDED:
                return Failed(error=failure(LOADS, command))
            self._deploying.keep_logs(piece)
            self._by.inband.ask(piece, "standby.sync")
            return Again(
                after_s=0, memo=_armed(piece), progress=f"the instance is started by kexec: {_kernel(command)}"
            )

        step = {"interface": "deploy", "step": STEP, "priority": 0, "args": {}}
        name, params = self._deploying.order(piece, "deploy", step)
        return self._by.inband.run(piece, name, params, LOADS, then)

    # ---- the instance is started

    def _start(self, piece: Slice) -> StepResult:
        memo = piece.step.memo
        may_be_told = bool(memo.get("told")) or piece.redelivered or piece.step.attempt != memo["armed"] + 1
        try:
            self._by.inband.ask(piece, START)
        except Busy as error:
            return self._not_now(piece, error, is_told=may_be_told, is_gone=False)
        except DeviceUnreachable as error:
            return self._not_now(piece, error, is_told=may_be_told, is_gone=may_be_told)
        except OutcomeUnknown as error:
            return self._not_now(piece, error, is_told=True, is_gone=True)
        return Done(facts={"kexec": True})

    def _not_now(self, piece: Slice, error: SteelyardError, *, is_told: bool, is_gone: bool) -> StepResult:
        """``is_gone``: silent, and not because nobody ever told it."""
        now = self._by.clock().timestamp()
        since = piece.step.memo.get("since") or now
        if now - since < SILENT_S:
            memo = _armed(piece) | {"told": is_told, "since": since}
            return Again(after_s=POLL_S, memo=memo, progress=f"the instance is started by kexec: {error.message}")
        if is_gone:
            return Done(facts={"kexec": True})
        return Failed(error=OutcomeUnknown(f"the agent did not start the instance, {FIRMWARE}: {error.message}"))


def _armed(piece: Slice) -> dict[str, Any]:
    """Nothing was sent up to the end of this dispatch."""
    return {"armed": piece.step.attempt}


def _kernel(command: Command) -> str:
    """Which one it loaded, as far as it tells."""
    result = command.result.get("deploy_result") if isinstance(command.result, Mapping) else None
    kernel = result.get("kernel") if isinstance(result, Mapping) else None
    return f"{str(kernel)[:200]} is loaded" if kernel else "its kernel is loaded"
