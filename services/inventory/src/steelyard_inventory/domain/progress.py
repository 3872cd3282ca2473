"""How a workflow moves: the engine's decisions, pure. The road of one step is told in docs/explanation/engine.md.

Rule 1  Steps run in order; ``current_step`` is the first one that is not done.
Rule 2  ``attempt`` counts a step's dispatches; an outcome counts only if it names the one that is out (at most once).
Rule 3  Every state but the end has a ``due_at``: when it comes, ``look`` dispatches, repeats, or times out.
Rule 4  A step gets one deadline, at its first dispatch; no retry, slice or silence moves it. Only a wait for a signal
        has a limit of its own, and what comes after the signal a new deadline.
Rule 5  Abort takes effect between slices, and between steps only where the step may not be interrupted; a step that
        is out is waited for, till its deadline at most.
Rule 6  A step with ``wait_s`` that waits parks its workflow: the node is free for others. ``wake`` goes on, with a lock
        and a fence of its own, when signal, abort or deadline have come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, assert_never

from steelyard_common.contracts.steps import Again, Done, Failed, Outcome, StepResult, Wait
from steelyard_common.errors import SteelyardError

from .choosing import HEARTBEAT, HOLD, UNHOLD, WAIT
from .replanning import is_listening, repeats
from .runs import Run, Status, StepRun, StepStatus
from .step_moves import failed, finished, is_expected, recall, rest, silence, step_done, too_late, why, with_steps
from .transitions import Event
from .workflows import QUEUE_ALLOWANCE_S

REDISPATCH_S = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """What a decision changed. ``send``: steps to dispatch, in one message. ``dropped``: outcomes too late.

    ``trail``: what happened to the node's provision state on the way: WAIT, HOLD, RESUME. ``planned_from``: the steps
    from this one on are others than before.
    """

    run: Run
    send: tuple[StepRun, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    dropped: int = 0
    trail: tuple[Event, ...] = ()
    planned_from: int | None = None


ServiceOf = Callable[[str], str]
# What becomes of the steps behind the current one, which told these facts; None: nothing. Raises errors of the tree.
Replan = Callable[[Run, Mapping[str, Any]], Run | None]


def begin(run: Run, now: datetime, service_of: ServiceOf) -> Move:
    """The first dispatch, or the end at once when there are no steps."""
    return _advance(run, now, service_of)


def take(
    run: Run, outcomes: Sequence[Outcome], now: datetime, service_of: ServiceOf, replan: Replan | None = None
) -> Move:
    """Apply a provider's answer; what is not expected (old, double, out of order) is dropped."""
    facts: dict[str, Any] = {}
    trail: tuple[Event, ...] = ()
    accepted = 0
    planned_from: int | None = None
    for outcome in outcomes:
        if not is_expected(run, outcome):
            continue
        accepted += 1
        if isinstance(outcome.result, Done):
            facts |= outcome.result.facts
            run, anew = _done(run, outcome.result.facts, now, replan)
            planned_from = run.current_step if anew else planned_from
        else:
            run = _apply(run, outcome.result, now)
        trail = (Event.WAIT,) if run.parked else ()
    if not accepted:
        return Move(run=run, dropped=len(outcomes))
    move = _advance(recall(run), now, service_of)
    return replace(
        move, facts=facts, dropped=len(outcomes) - accepted, trail=(*trail, *move.trail), planned_from=planned_from
    )


def _done(run: Run, facts: Mapping[str, Any], now: datetime, replan: Replan | None) -> tuple[Run, bool]:
    """A step is over; what it told may change what comes behind it: then True."""
    if replan is None or not is_listening(run):
        return step_done(run, now), False
    try:
        planned = replan(run, facts)
    except SteelyardError as error:
        return failed(run, error, now), False
    status = StepStatus.SKIPPED if repeats(run, facts) else StepStatus.DONE
    return step_done(planned or run, now, status), planned is not None


def conclude(run: Run, result: StepResult, now: datetime, service_of: ServiceOf) -> Move:
    """What the engine itself found out about its current step (those for children)."""
    return _advance(_apply(run, result, now), now, service_of)


def _apply(run: Run, result: StepResult, now: datetime) -> Run:
    match result:
        case Done():
            return step_done(run, now)
        case Again(after_s=after_s, memo=memo, progress=progress):
            wake = now + timedelta(seconds=after_s)
            return rest(run, StepStatus.SLEEPING, wake, now, memo=memo, progress=progress)
        case Wait(signal=signal, memo=memo, progress=progress):
            return rest(run, StepStatus.WAITING, None, now, memo=memo, progress=progress, signal=signal)
        case Failed(error=error):
            return failed(run, error, now)
        case _:
            assert_never(result)


def look(run: Run, now: datetime, service_of: ServiceOf) -> Move:
    """What the loop does with a workflow whose ``due_at`` has come. Looking too early, or twice, changes nothing."""
    if not is_due(run, now) or run.parked:
        return Move(run=run)
    step = run.current
    if step.deadline_at is not None and step.deadline_at <= now:
        return _end(
            with_steps(run, finished(step, StepStatus.FAILED, now, too_late(step, run.node_uuid))), Status.FAILED, now
        )
    match step.status:
        case StepStatus.DISPATCHED if run.abort_asked_at is not None:
            # It may still be at work: the node is not given to others before its answer or its deadline.
            return Move(run=replace(run, due_at=step.deadline_at))
        case StepStatus.DISPATCHED:
            return _send(silence(run), now, service_of)
        case StepStatus.SLEEPING if is_reserved(step):
            return _advance(step_done(run, now), now, service_of)
        case StepStatus.SLEEPING:
            return _send(run, now, service_of)
        case _:
            return _advance(run, now, service_of)


def is_due(run: Run, now: datetime) -> bool:
    return run.status is Status.RUNNING and (run.due_at is None or run.due_at <= now)


def wake(run: Run, now: datetime, fence: int, service_of: ServiceOf) -> Move:
    """``look`` for a parked workflow whose node is free: it takes the node again, under a new fence, or ends."""
    if not is_due(run, now):
        return Move(run=run)
    step = run.current
    if step.deadline_at is not None and step.deadline_at <= now:
        return _end(
            with_steps(run, finished(step, StepStatus.FAILED, now, too_late(step, run.node_uuid))), Status.FAILED, now
        )
    if _is_aborted(run):
        return _end(run, Status.ABORTED, now)
    if step.status is StepStatus.WAITING:
        return Move(run=replace(run, due_at=step.deadline_at))
    awake = replace(with_steps(run, replace(step, deadline_at=None)), parked=False, fence=fence)
    move = look(awake, now, service_of)
    return replace(move, trail=(Event.RESUME, *move.trail))


def abort_now(run: Run, now: datetime) -> Run:
    """The end of a parked workflow because a verb takes the node from it."""
    return _end(run, Status.ABORTED, now).run


def ask_abort(run: Run, now: datetime) -> Run:
    """Remember that somebody wants it to stop; what is not out and may be interrupted is looked at at once."""
    if run.status is not Status.RUNNING or run.abort_asked_at is not None:
        return run
    asked = replace(run, abort_asked_at=now)
    return replace(asked, due_at=now) if _is_aborted(asked) else asked


def is_reserved(step: StepRun) -> bool:
    """Whether the engine itself runs the step."""
    return step.name in (HOLD, WAIT) and step.children is None


def signal(run: Run, name: str, now: datetime, data: dict[str, Any] | None = None) -> Run:
    """Wake a step that waits for ``name``; others need it not: a provider looks at what is, not at what was said.

    ``data`` is given to the step as ``memo["signal"]``.
    """
    step = run.current
    if run.status is Status.RUNNING and step.status is StepStatus.DISPATCHED and step.signal != name:
        # Its slice may be about to answer that it waits for just this.
        return with_steps(run, replace(step, signal=name))
    if run.status is not Status.RUNNING or step.status is not StepStatus.WAITING or step.signal != name:
        return run
    memo = step.memo | {"signal": data} if data else step.memo
    return replace(with_steps(run, replace(step, status=StepStatus.SLEEPING, signal=None, memo=memo)), due_at=now)


def _is_aborted(run: Run) -> bool:
    """Somebody asked for it, and nothing is at work that may not be interrupted."""
    step = run.current
    if run.abort_asked_at is None or step.status is StepStatus.DISPATCHED:
        return False
    return step.is_abortable or step.status is StepStatus.PENDING


def _advance(run: Run, now: datetime, service_of: ServiceOf) -> Move:
    """Go on from ``current_step``: end, stay, or dispatch."""
    if run.current_step == len(run.steps):
        return _end(run, Status.DONE, now)
    step = run.current
    if step.status is StepStatus.FAILED:
        return _end(run, Status.FAILED, now)
    if _is_aborted(run):
        return _end(run, Status.ABORTED, now)
    if step.status is StepStatus.PENDING:
        return _send(run, now, service_of)
    return Move(run=run)


def _send(run: Run, now: datetime, service_of: ServiceOf) -> Move:
    """Dispatch the current step and those behind it that may share its message."""
    if _is_aborted(run):
        return _end(run, Status.ABORTED, now)
    if is_reserved(run.current):
        return _reserve(run, now)
    if run.current.children is not None:
        return _hand_down(run, now)
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
    return Move(run=replace(with_steps(run, *sent), due_at=min(now + patience, deadline)), send=sent)


def _reserve(run: Run, now: datetime) -> Move:
    """Steps that the engine runs itself: hold till somebody says so; wait some seconds, or till the agent calls."""
    step = replace(run.current, attempt=run.current.attempt + 1, started_at=now)
    seconds = step.args.get("seconds")
    if seconds is not None:
        until = now + timedelta(seconds=seconds)
        slept = replace(step, status=StepStatus.SLEEPING, deadline_at=until + timedelta(seconds=QUEUE_ALLOWANCE_S))
        return Move(run=replace(with_steps(run, slept), due_at=until))
    deadline = now + timedelta(seconds=step.wait_s or step.timeout_s)
    name, event = (UNHOLD, Event.HOLD) if step.name == HOLD else (HEARTBEAT, Event.WAIT)
    waits = replace(step, status=StepStatus.WAITING, signal=name, deadline_at=deadline)
    parked = step.wait_s is not None
    return Move(run=replace(with_steps(run, waits), due_at=deadline, parked=parked), trail=(event,) if parked else ())


def _hand_down(run: Run, now: datetime) -> Move:
    """A step for children: it sleeps while the engine starts it there and sees it end."""
    step = run.current
    deadline = step.deadline_at or now + timedelta(seconds=QUEUE_ALLOWANCE_S + step.timeout_s)
    begun = replace(
        step, status=StepStatus.SLEEPING, attempt=max(step.attempt, 1), started_at=step.started_at or now,
        deadline_at=deadline,
    )  # fmt: skip
    return Move(run=replace(with_steps(run, begun), due_at=now))


def _together(run: Run, service_of: ServiceOf) -> list[StepRun]:
    first = run.current
    group = [first]
    # A step with a deadline of its own has begun: it goes on alone, so that the others do not inherit the deadline.
    # One that is to be aborted when this step ends does not begin the next in the same message.
    if first.alone or first.deadline_at is not None or run.abort_asked_at is not None:
        return group
    service = service_of(first.interface)
    for step in run.steps[run.current_step + 1 :]:
        if step.alone or service_of(step.interface) != service:
            break
        group.append(step)
    return group


def _out_of_time(run: Run, now: datetime) -> Move:
    error = too_late(run.current, run.node_uuid)
    return _end(with_steps(run, finished(run.current, StepStatus.FAILED, now, error)), Status.FAILED, now)


def _end(run: Run, status: Status, now: datetime) -> Move:
    left = [
        finished(step, StepStatus.ABORTED, now, None)
        for step in run.steps[run.current_step :]
        if step.status is not StepStatus.FAILED
    ]
    error = None if status is Status.DONE else why(run, status)
    ended = replace(with_steps(run, *left), status=status, finished_at=now, due_at=None, error=error, parked=False)
    return Move(run=ended)
