"""How one slice of a power change goes on, given a reading of the BMC, the memo and the begun mark.

Rules
1. A change is a list of phases (power_plans): what is sent, and the state that shows it. Reboot is off, then on.
2. A phase whose state is there already is passed without sending.
3. A begun mark is written, in a transaction of its own, before anything is sent. Who finds a mark without an answer
   watches for a grace time before sending again: the first sending may have reached the BMC.
4. A reset leaves no trace in the power state, so it is sent once. Begun and unanswered, it has happened if the BMC's
   last reset is not the one it told of before; where it does not tell, or it is the same, it is OutcomeUnknown.
5. While the BMC says that it is changing, nothing is sent.
6. After the deadline the step fails and says what was sent, what was seen and what to do.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from steelyard_common.bmc import PowerAction, PowerState
from steelyard_common.errors import DeviceRefused, InvalidRequest, OutcomeUnknown, SteelyardError, Unsupported

from .power_plans import GRACE_TIMES, TIMEOUT_S, Phase, plan_for

# Kept before the engine's own deadline, so that the text of the failure comes from here, where more is known.
ANSWER_MARGIN_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Change:
    """What was asked for. ``timeout_s`` is given to each phase; times are seconds since the epoch."""

    target: str
    plan: tuple[Phase, ...]
    timeout_s: float
    step_deadline_at: float
    grace_s: float

    def deadline_at(self, progress: Progress) -> float:
        """When the present phase must have arrived."""
        own = progress.started_at + self.timeout_s
        return min(own, self.step_deadline_at - ANSWER_MARGIN_S) if self.step_deadline_at else own


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The memo of a change. ``started_at``: of this phase; ``answered_at``: when the BMC took its action, if it did."""

    started_at: float
    phase: int = 0
    answered_at: float | None = None
    action: str | None = None

    def to_memo(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A begun mark: this phase's action was about to be sent at ``begun_at``, for the ``sends``-th time.

    ``reset_before``: when the BMC said before a reset that the last one had been; None: it did not say.
    """

    phase: int
    action: str
    begun_at: float
    answered_at: float | None = None
    sends: int = 1
    reset_before: str | None = None

    def has_reset(self, last_reset: str | None) -> bool:
        """What the BMC says of its last reset now shows that there was one since."""
        return self.reset_before is not None and last_reset not in (None, self.reset_before)


@dataclass(frozen=True, kw_only=True)
class Finish:
    """The target is there."""

    state: PowerState


@dataclass(frozen=True, kw_only=True)
class Send:
    """Mark this phase as begun, then send ``action``; ``progress`` is the memo as it is before the sending."""

    action: PowerAction
    progress: Progress


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Look again after ``after_s``."""

    after_s: float
    progress: Progress


@dataclass(frozen=True, kw_only=True)
class GiveUp:
    """The change has failed."""

    error: SteelyardError


Decision = Finish | Send | Watch | GiveUp


def begin(
    args: dict[str, Any], memo: dict[str, Any], *, disable_power_off: bool, step_deadline_at: float, grace_s: float,
    now: float,
) -> tuple[Change, Progress]:  # fmt: skip
    """The change that ``args`` ask for ({target, timeout_s}) and how far ``memo`` says it is."""
    target = str(args.get("target"))
    plan = plan_for(target, disable_power_off=disable_power_off)
    known = {key: value for key, value in memo.items() if key in Progress.__dataclass_fields__}
    progress = Progress(**({"started_at": now} | known))
    change = Change(
        target=target,
        plan=plan,
        timeout_s=float(args.get("timeout_s") or TIMEOUT_S[target]),
        step_deadline_at=step_deadline_at,
        grace_s=grace_s,
    )
    return change, progress


def decide(
    change: Change, progress: Progress, mark: Mark | None, state: PowerState, now: float, last_reset: str | None = None
) -> Decision:
    """What to do next. ``last_reset`` is asked for only with a mark that needs it (``needs_last_reset``)."""
    progress = _catch_up(progress, mark)
    if mark is not None and mark.phase == progress.phase and mark.has_reset(last_reset) and state is PowerState.ON:
        progress = Progress(started_at=now, phase=progress.phase + 1)
    progress = _pass_arrived(change, progress, mark, state, now)
    if progress.phase == len(change.plan):
        return Finish(state=state)
    if now >= change.deadline_at(progress):
        return GiveUp(error=_too_late(change, progress, mark, state, now))
    if progress.answered_at is not None or state is PowerState.CHANGING:
        return Watch(after_s=look_again_s(progress, now), progress=progress)
    action = _action(change, progress, state)
    if mark is None or mark.phase < progress.phase:
        return Send(action=action, progress=progress)
    if now < mark.begun_at + change.grace_s * GRACE_TIMES[action]:
        return Watch(after_s=look_again_s(progress, now), progress=progress)
    if mark.action == PowerAction.RESET:
        return GiveUp(error=_reset_unknown(mark, last_reset))
    return Send(action=action, progress=progress)


def needs_last_reset(progress: Progress, mark: Mark | None) -> bool:
    """A reset was begun, nobody knows of an answer, and the BMC has told such times before."""
    is_open = mark is not None and mark.phase >= progress.phase and not (mark.answered_at or progress.answered_at)
    return is_open and mark is not None and mark.action == PowerAction.RESET and mark.reset_before is not None


def unreadable(
    change: Change, progress: Progress, mark: Mark | None, error: SteelyardError, now: float
) -> Watch | GiveUp:
    """The state could not be read: before anything was sent that fails the step, afterwards it is waited out."""
    progress = _catch_up(progress, mark)
    acted = progress.answered_at is not None or progress.phase > 0 or mark is not None
    if acted and not isinstance(error, InvalidRequest) and now < change.deadline_at(progress):
        return Watch(after_s=2 * look_again_s(progress, now), progress=progress)
    if not acted:
        return GiveUp(error=error)
    sent = f"'{_sent(change, progress, mark)}' was sent to the BMC, and then its power state could not be read"
    return GiveUp(error=type(error)(f"{sent}: {error.message}", detail=error.detail))


def answered(progress: Progress, action: PowerAction, now: float) -> Progress:
    """The memo once the BMC has taken the action (or may have: OutcomeUnknown of what the state will show)."""
    return replace(progress, answered_at=now, action=action.value)


def unanswered(
    change: Change, progress: Progress, action: PowerAction, error: SteelyardError, now: float, *, can_tell: bool
) -> Decision:
    """The sending itself failed. Nothing was done, or it was refused, or nobody knows; only the last is watched.

    ``can_tell``: the BMC tells when it was last reset; a reset is watched, too, until that shows it.
    """
    if isinstance(error, OutcomeUnknown) and action is not PowerAction.RESET:
        return Watch(after_s=look_again_s(progress, now), progress=answered(progress, action, now))
    if isinstance(error, OutcomeUnknown) and can_tell:
        return Watch(after_s=look_again_s(progress, now), progress=progress)
    if isinstance(error, (OutcomeUnknown, Unsupported)):
        return GiveUp(error=error)
    text = f"'{action.value}' on the way to '{change.target}' failed: {error.message}"
    return GiveUp(error=type(error)(text, detail=error.detail))


def look_again_s(progress: Progress, now: float) -> float:
    """1 s at first, then a tenth of the time that has passed, at most 5 s: a soft power off may take ten minutes."""
    return min(5.0, max(1.0, (now - progress.started_at) / 10))


def _catch_up(progress: Progress, mark: Mark | None) -> Progress:
    """What a mark knows and the memo does not, because the answer with the newer memo was lost."""
    if mark is not None and mark.phase > progress.phase:
        progress = Progress(started_at=mark.begun_at, phase=mark.phase)
    if mark is not None and mark.phase == progress.phase and progress.answered_at is None and mark.answered_at:
        progress = replace(progress, answered_at=mark.answered_at, action=mark.action)
    return progress


def _pass_arrived(change: Change, progress: Progress, mark: Mark | None, state: PowerState, now: float) -> Progress:
    while progress.phase < len(change.plan) and _has_arrived(change, progress, mark, state):
        progress = Progress(started_at=now, phase=progress.phase + 1)
    return progress


def _has_arrived(change: Change, progress: Progress, mark: Mark | None, state: PowerState) -> bool:
    phase = change.plan[progress.phase]
    if state is not phase.arrives:
        return False
    if phase.action is not PowerAction.RESET:
        return True
    # On before and on after: only that it was sent tells. A node found off was switched on instead, which shows.
    begun_on = mark is not None and mark.action == PowerAction.ON
    return progress.answered_at is not None or begun_on


def _action(change: Change, progress: Progress, state: PowerState) -> PowerAction:
    action = change.plan[progress.phase].action
    if action is PowerAction.RESET and state is PowerState.OFF:
        return PowerAction.ON
    return action


def _sent(change: Change, progress: Progress, mark: Mark | None) -> str:
    if progress.action is not None:
        return progress.action
    if mark is not None:
        return mark.action
    return change.plan[max(0, progress.phase - 1)].action.value


def _too_late(change: Change, progress: Progress, mark: Mark | None, state: PowerState, now: float) -> SteelyardError:
    waited = max(0, round(now - progress.started_at))
    if progress.answered_at is None and mark is None:
        return DeviceRefused(
            f"No time was left to send '{change.plan[progress.phase].action.value}': the power state is "
            f"'{state.value}' and the time for '{change.target}' is over. Set the power state again."
        )
    wanted = change.plan[progress.phase].arrives.value
    advice = "Check the BMC, then set the power state again."
    if _sent(change, progress, mark) == PowerAction.SOFT_OFF:
        advice = "The operating system may ignore the request: use 'power off', or a longer timeout."
    return DeviceRefused(
        f"'{_sent(change, progress, mark)}' was sent to the BMC on the way to '{change.target}', and {waited} s later "
        f"the power state is '{state.value}', not '{wanted}'. {advice}"
    )


def _reset_unknown(mark: Mark, last_reset: str | None) -> OutcomeUnknown:
    begun = datetime.fromtimestamp(mark.begun_at, UTC).isoformat(timespec="seconds")
    hint = "the power state cannot show whether it happened"
    if last_reset is not None:
        hint = f"for the BMC the last reset is still that of {last_reset}, so that it probably did not happen"
    return OutcomeUnknown(
        f"A reset was begun at {begun} and its answer was lost; {hint}. "
        "Look at the node, and ask for the reboot again if it did not."
    )
