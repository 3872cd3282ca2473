"""What a decision of domain/progress does to the steps of a workflow: pure, one change each."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from steelyard_common.contracts.steps import Outcome
from steelyard_common.errors import OutcomeUnknown, SteelyardError, Unsupported

from .choosing import HEARTBEAT, WAIT
from .plans import ANY
from .runs import Run, Status, StepRun, StepStatus

BACK_OFF_S = 2.0
LONGEST_BACK_OFF_S = 60.0
REFUSED = "refused"  # in the memo of the step that waits for an agent


def is_expected(run: Run, outcome: Outcome) -> bool:
    return is_out(run, outcome.index, outcome.attempt)


def is_out(run: Run, index: int, attempt: int) -> bool:
    """Whether an answer to this dispatch of a step is still waited for."""
    if run.status is not Status.RUNNING or index != run.current_step or index >= len(run.steps):
        return False
    return run.current.status is StepStatus.DISPATCHED and run.current.attempt == attempt


def step_done(
    run: Run, now: datetime, status: StepStatus = StepStatus.DONE, error: SteelyardError | None = None
) -> Run:
    done = with_steps(run, replace(finished(run.current, status, now, error), silences=0))
    return replace(done, current_step=run.current_step + 1)


def rest(
    run: Run, status: StepStatus, wake: datetime | None, now: datetime,
    *, memo: dict[str, Any], progress: str | None, signal: str | None = None,
) -> Run:  # fmt: skip
    step = run.current
    if signal is not None and step.signal == signal:
        # It came while the slice was out: nothing is to be waited for.
        awake = replace(
            step, status=StepStatus.SLEEPING, memo=memo, progress=progress, signal=None, silences=0, deadline_at=None
        )  # fmt: skip
        return replace(with_steps(run, awake), due_at=now)
    parked = signal is not None and step.wait_s is not None
    deadline = now + timedelta(seconds=step.wait_s) if parked and step.wait_s else step.deadline_at or now
    rested = replace(
        step, status=status, memo=memo, progress=progress, signal=signal, silences=0, deadline_at=deadline
    )  # fmt: skip
    return replace(with_steps(run, rested), due_at=min(wake, deadline) if wake else deadline, parked=parked)


def failed(run: Run, error: SteelyardError, now: datetime) -> Run:
    step = run.current
    if step.optional == ANY or (step.optional and isinstance(error, Unsupported)):
        return step_done(run, now, StepStatus.SKIPPED, error)
    wake = now + timedelta(seconds=min(BACK_OFF_S * 2**step.failures, LONGEST_BACK_OFF_S))
    if not error.retryable or step.failures >= step.retries or wake >= (step.deadline_at or now):
        return with_steps(run, finished(step, StepStatus.FAILED, now, error))
    waiting = replace(
        step, status=StepStatus.SLEEPING, failures=step.failures + 1, silences=0, error=error.to_dict()
    )  # the memo stays: the slice that failed is the one to repeat
    return replace(with_steps(run, waiting), due_at=wake)


def recall(run: Run) -> Run:
    """Steps of an answered message that were not run are to be dispatched anew, with a deadline of their own."""
    left = [
        replace(step, status=StepStatus.PENDING, deadline_at=None, started_at=None)
        for step in run.steps[run.current_step :]
        if step.status is StepStatus.DISPATCHED
    ]
    return with_steps(run, *left) if left else run


def silence(run: Run) -> Run:
    """The message or its answer was lost: what was out is called back, its deadline kept."""
    first = replace(run.current, silences=run.current.silences + 1)
    rest = [
        replace(step, status=StepStatus.PENDING, deadline_at=None, started_at=None)
        for step in run.steps[run.current_step + 1 :]
        if step.status is StepStatus.DISPATCHED
    ]
    return with_steps(run, first, *rest)


def why(run: Run, status: Status) -> dict[str, Any]:
    if status is Status.ABORTED:
        return {"code": "aborted", "message": f"{run.kind} was aborted at step {run.current.label}."}
    return dict(run.current.error or {})


def finished(step: StepRun, status: StepStatus, now: datetime, error: SteelyardError | None) -> StepRun:
    return replace(
        step, status=status, finished_at=now, signal=None, error=error.to_dict() if error is not None else None
    )


def not_believed(run: Run, words: str) -> Run:
    """Boot refused somebody who called as the node's agent: shown while the agent is waited for, and told when it never
    comes. ``words``: who, when, why, what to do."""
    step = run.current
    if run.status is not Status.RUNNING or step.status is not StepStatus.WAITING or step.signal != HEARTBEAT:
        return run
    if step.name != WAIT:
        return run  # a provider's step: memo and progress are its own
    return with_steps(run, replace(step, memo=step.memo | {REFUSED: words}, progress=words))


def too_late(step: StepRun, node_uuid: str) -> OutcomeUnknown:
    if step.status is StepStatus.WAITING and step.signal == HEARTBEAT and step.name != WAIT:
        return OutcomeUnknown(
            f"Step {step.label} waited for the agent's heartbeat until its deadline, and it calls no more: the machine "
            "crashed, was switched off or lost its network. Look at its console, then begin this work again."
        )
    if step.status is StepStatus.WAITING and step.signal == HEARTBEAT and step.memo.get(REFUSED):
        return OutcomeUnknown(
            f"Step {step.label} waited for heartbeat until its deadline, and no agent called that could be believed. "
            f"{step.memo[REFUSED]} GET /v1/nodes/{node_uuid}/boots shows how far the machine came."
        )
    if step.status is StepStatus.WAITING and step.signal == HEARTBEAT:
        return OutcomeUnknown(
            f"Step {step.label} waited for heartbeat until its deadline, and no agent called. GET /v1/nodes/{node_uuid}"
            "/boots shows how far the machine came; see that it is on, boots from the right network and reaches the "
            "API, then try again."
        )
    what = f"waited for {step.signal}" if step.status is StepStatus.WAITING else "gave no final answer"
    return OutcomeUnknown(f"Step {step.label} {what} until its deadline; read the node's state before trying again.")


def with_steps(run: Run, *changed: StepRun) -> Run:
    steps = list(run.steps)
    for step in changed:
        steps[step.index] = step
    return replace(run, steps=tuple(steps))
