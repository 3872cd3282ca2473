"""How a workflow moves: the engine's decisions, pure. The road of one step is told in docs/explanation/engine.md.

Rule 1  Steps run in order; ``current_step`` is the first one that is not done.
Rule 2  ``attempt`` counts a step's dispatches; an outcome counts only if it names the one that is out (at most once).
Rule 3  Every state but the end has a ``due_at``: when it comes, ``look`` dispatches, repeats, or times out.
Rule 4  A step gets one deadline, at its first dispatch; no retry, slice or silence moves it.
Rule 5  Abort takes effect between slices; a step that is out is waited for, till its deadline at most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, assert_never

from steelyard_common.contracts.steps import Again, Done, Failed, Outcome, Wait
from steelyard_common.errors import OutcomeUnknown, SteelyardError

from .runs import Run, Status, StepRun, StepStatus
from .workflows import QUEUE_ALLOWANCE_S

REDISPATCH_S = 60.0
BACK_OFF_S = 2.0
LONGEST_BACK_OFF_S = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """What a decision changed. ``send``: steps to dispatch, in one message. ``dropped``: outcomes too late."""

    run: Run
    send: tuple[StepRun, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    dropped: int = 0


ServiceOf = Callable[[str], str]


def begin(run: Run, now: datetime, service_of: ServiceOf) -> Move:
    """The first dispatch, or the end at once when there are no steps."""
    return _advance(run, now, service_of)


def take(run: Run, outcomes: Sequence[Outcome], now: datetime, service_of: ServiceOf) -> Move:
    """Apply a provider's answer; what is not expected (old, double, out of order) is dropped."""
    facts: dict[str, Any] = {}
    accepted = 0
    for outcome in outcomes:
        if not _is_expected(run, outcome):
            continue
        accepted += 1
        match outcome.result:
            case Done(facts=learnt):
                facts |= learnt
                run = _step_done(run, now)
            case Again(after_s=after_s, memo=memo, progress=progress):
                wake = now + timedelta(seconds=after_s)
                run = _rest(run, StepStatus.SLEEPING, wake, now, memo=memo, progress=progress)
            case Wait(signal=signal, memo=memo, progress=progress):
                run = _rest(run, StepStatus.WAITING, None, now, memo=memo, progress=progress, signal=signal)
            case Failed(error=error):
                run = _failed(run, error, now)
            case _:
                assert_never(outcome.result)
    if not accepted:
        return Move(run=run, dropped=len(outcomes))
    move = _advance(_recall(run), now, service_of)
    return replace(move, facts=facts, dropped=len(outcomes) - accepted)


def look(run: Run, now: datetime, service_of: ServiceOf) -> Move:
    """What the loop does with a workflow whose ``due_at`` has come. Looking too early, or twice, changes nothing."""
    if run.status is not Status.RUNNING or (run.due_at is not None and run.due_at > now):
        return Move(run=run)
    step = run.current
    if step.deadline_at is not None and step.deadline_at <= now:
        return _end(_with(run, _finished(step, StepStatus.FAILED, now, _too_late(step))), Status.FAILED, now)
    match step.status:
        case StepStatus.DISPATCHED if run.abort_asked_at is not None:
            # It may still be at work: the node is not given to others before its answer or its deadline.
            return Move(run=replace(run, due_at=step.deadline_at))
        case StepStatus.DISPATCHED:
            return _send(_silence(run), now, service_of)
        case StepStatus.SLEEPING:
            return _send(run, now, service_of)
        case _:
            return _advance(run, now, service_of)


def ask_abort(run: Run, now: datetime) -> Run:
    """Remember that somebody wants it to stop; what is not out is looked at at once."""
    if run.status is not Status.RUNNING or run.abort_asked_at is not None:
        return run
    due = run.due_at if run.current.status is StepStatus.DISPATCHED else now
    return replace(run, abort_asked_at=now, due_at=due)


def signal(run: Run, name: str, now: datetime) -> Run:
    """Wake a step that waits for ``name``; others need it not: a provider looks at what is, not at what was said."""
    if run.status is not Status.RUNNING or run.current.status is not StepStatus.WAITING or run.current.signal != name:
        return run
    return replace(_with(run, replace(run.current, status=StepStatus.SLEEPING, signal=None)), due_at=now)


def _is_expected(run: Run, outcome: Outcome) -> bool:
    if run.status is not Status.RUNNING or outcome.index != run.current_step or outcome.index >= len(run.steps):
        return False
    return run.current.status is StepStatus.DISPATCHED and run.current.attempt == outcome.attempt


def _advance(run: Run, now: datetime, service_of: ServiceOf) -> Move:
    """Go on from ``current_step``: end, stay, or dispatch."""
    if run.current_step == len(run.steps):
        return _end(run, Status.DONE, now)
    step = run.current
    if step.status is StepStatus.FAILED:
        return _end(run, Status.FAILED, now)
    if run.abort_asked_at is not None and step.status is not StepStatus.DISPATCHED:
        return _end(run, Status.ABORTED, now)
    if step.status is StepStatus.PENDING:
        return _send(run, now, service_of)
    return Move(run=run)


def _send(run: Run, now: datetime, service_of: ServiceOf) -> Move:
    """Dispatch the current step and those behind it that may share its message."""
    if run.abort_asked_at is not None:
        return _end(run, Status.ABORTED, now)
    group = _together(run, service_of)
    own = group[0].deadline_at
    deadline = own or now + timedelta(seconds=QUEUE_ALLOWANCE_S + sum(step.timeout_s for step in group))
    sent = tuple(
        replace(
            step, status=StepStatus.DISPATCHED, attempt=step.attempt + 1, signal=None,
            started_at=step.started_at or now, deadline_at=deadline,
        )
        for step in group
    )  # fmt: skip
    patience = timedelta(seconds=REDISPATCH_S * 2 ** min(sent[0].silences, 10))
    return Move(run=replace(_with(run, *sent), due_at=min(now + patience, deadline)), send=sent)


def _together(run: Run, service_of: ServiceOf) -> list[StepRun]:
    first = run.current
    group = [first]
    # A step with a deadline of its own has begun: it goes on alone, so that the others do not inherit the deadline.
    if first.alone or first.deadline_at is not None:
        return group
    service = service_of(first.interface)
    for step in run.steps[run.current_step + 1 :]:
        if step.alone or service_of(step.interface) != service:
            break
        group.append(step)
    return group


def _step_done(run: Run, now: datetime) -> Run:
    done = _with(run, replace(_finished(run.current, StepStatus.DONE, now, None), silences=0))
    return replace(done, current_step=run.current_step + 1)


def _rest(
    run: Run, status: StepStatus, wake: datetime | None, now: datetime,
    *, memo: dict[str, Any], progress: str | None, signal: str | None = None,
) -> Run:  # fmt: skip
    step = run.current
    deadline = step.deadline_at or now
    rested = replace(step, status=status, memo=memo, progress=progress, signal=signal, silences=0)
    return replace(_with(run, rested), due_at=min(wake, deadline) if wake else deadline)


def _failed(run: Run, error: SteelyardError, now: datetime) -> Run:
    step = run.current
    wake = now + timedelta(seconds=min(BACK_OFF_S * 2**step.failures, LONGEST_BACK_OFF_S))
    if not error.retryable or step.failures >= step.retries or wake >= (step.deadline_at or now):
        return _with(run, _finished(step, StepStatus.FAILED, now, error))
    waiting = replace(
        step, status=StepStatus.SLEEPING, failures=step.failures + 1, silences=0, error=error.to_dict()
    )  # the memo stays: the slice that failed is the one to repeat
    return replace(_with(run, waiting), due_at=wake)


def _recall(run: Run) -> Run:
    """Steps of an answered message that were not run are to be dispatched anew, with a deadline of their own."""
    left = [
        replace(step, status=StepStatus.PENDING, deadline_at=None, started_at=None)
        for step in run.steps[run.current_step :]
        if step.status is StepStatus.DISPATCHED
    ]
    return _with(run, *left) if left else run


def _silence(run: Run) -> Run:
    """The message or its answer was lost: what was out is called back, its deadline kept."""
    first = replace(run.current, silences=run.current.silences + 1)
    rest = [
        replace(step, status=StepStatus.PENDING, deadline_at=None, started_at=None)
        for step in run.steps[run.current_step + 1 :]
        if step.status is StepStatus.DISPATCHED
    ]
    return _with(run, first, *rest)


def _end(run: Run, status: Status, now: datetime) -> Move:
    left = [
        _finished(step, StepStatus.ABORTED, now, None)
        for step in run.steps[run.current_step :]
        if step.status is not StepStatus.FAILED
    ]
    error = None if status is Status.DONE else _why(run, status)
    ended = replace(_with(run, *left), status=status, finished_at=now, due_at=None, error=error)
    return Move(run=ended)


def _why(run: Run, status: Status) -> dict[str, Any]:
    if status is Status.ABORTED:
        return {"code": "aborted", "message": f"{run.kind} was aborted at step {run.current.label}."}
    return dict(run.current.error or {})


def _finished(step: StepRun, status: StepStatus, now: datetime, error: SteelyardError | None) -> StepRun:
    return replace(
        step, status=status, finished_at=now, signal=None, error=error.to_dict() if error is not None else None
    )


def _too_late(step: StepRun) -> OutcomeUnknown:
    what = f"waited for {step.signal}" if step.status is StepStatus.WAITING else "gave no final answer"
    return OutcomeUnknown(f"Step {step.label} {what} until its deadline; read the node's state before trying again.")


def _with(run: Run, *changed: StepRun) -> Run:
    steps = list(run.steps)
    for step in changed:
        steps[step.index] = step
    return replace(run, steps=tuple(steps))
