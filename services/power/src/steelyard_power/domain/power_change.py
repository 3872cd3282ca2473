"""How one slice of a power change goes on, given a reading of the BMC, the memo and the begun mark.

Rules
1. A change is a list of phases (PLANS): what is sent, and the state in which it has arrived. Reboot is off, then on.
2. A phase whose state is there already is passed without sending.
3. A begun mark is written, in a transaction of its own, before anything is sent. Who finds a mark without an answer
   watches for a grace time before sending again: the first sending may have reached the BMC.
4. A reset leaves no trace in the power state, so it is sent once: begun and unanswered is OutcomeUnknown.
5. While the BMC says that it is changing, nothing is sent.
6. After the deadline the step fails and says what was sent, what was seen and what to do.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from steelyard_common.bmc import PowerAction, PowerState
from steelyard_common.errors import (
    Conflict,
    DeviceRefused,
    InvalidRequest,
    OutcomeUnknown,
    SteelyardError,
    Unsupported,
)


@dataclass(frozen=True, kw_only=True)
class Phase:
    """``action`` is sent; ``arrives`` is the state that shows its effect."""

    action: PowerAction
    arrives: PowerState


_OFF = Phase(action=PowerAction.OFF, arrives=PowerState.OFF)
_SOFT_OFF = Phase(action=PowerAction.SOFT_OFF, arrives=PowerState.OFF)
_ON = Phase(action=PowerAction.ON, arrives=PowerState.ON)
_RESET = Phase(action=PowerAction.RESET, arrives=PowerState.ON)

PLANS: dict[str, tuple[Phase, ...]] = {
    "power on": (_ON,),
    "power off": (_OFF,),
    "soft power off": (_SOFT_OFF,),
    "rebooting": (_OFF, _ON),
    "soft rebooting": (_SOFT_OFF, _ON),
}
# What takes the place of a plan on a node whose power must never be cut (disable_power_off); None: refused.
PLANS_WITHOUT_OFF: dict[str, tuple[Phase, ...] | None] = {
    "power on": (_ON,),
    "power off": None,
    "soft power off": None,
    "rebooting": (_RESET,),
    "soft rebooting": None,
}
TIMEOUT_S: dict[str, float] = {
    "power on": 60,
    "power off": 60,
    "soft power off": 600,
    "rebooting": 60,
    "soft rebooting": 600,
}
# An operating system takes its time to shut down: an unanswered soft power off is given this many grace times.
GRACE_TIMES: dict[PowerAction, int] = {
    PowerAction.ON: 1,
    PowerAction.OFF: 1,
    PowerAction.SOFT_OFF: 6,
    PowerAction.RESET: 1,
}
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
    """A begun mark: this phase's action was about to be sent at ``begun_at``, for the ``sends``-th time."""

    phase: int
    action: str
    begun_at: float
    answered_at: float | None = None
    sends: int = 1


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


def plan_for(target: str, *, disable_power_off: bool) -> tuple[Phase, ...]:
    """The phases of a target. Errors: InvalidRequest (no such target), Conflict (the node may not be switched off)."""
    if target not in PLANS:
        raise InvalidRequest(f"'{target}' is no power target; use one of: {', '.join(PLANS)}")
    if not disable_power_off:
        return PLANS[target]
    plan = PLANS_WITHOUT_OFF[target]
    if plan is None:
        raise Conflict(f"'{target}' would switch the node off, and disable_power_off is set on it")
    return plan


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


def decide(change: Change, progress: Progress, mark: Mark | None, state: PowerState, now: float) -> Decision:
    """What to do next."""
    progress = _pass_arrived(change, _catch_up(progress, mark), mark, state, now)
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
        return GiveUp(error=_reset_unknown(mark))
    return Send(action=action, progress=progress)


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


def unanswered(change: Change, progress: Progress, action: PowerAction, error: SteelyardError, now: float) -> Decision:
    """The sending itself failed. Nothing was done, or it was refused, or nobody knows; only the last is watched."""
    if isinstance(error, OutcomeUnknown) and action is not PowerAction.RESET:
        return Watch(after_s=look_again_s(progress, now), progress=answered(progress, action, now))
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


def _reset_unknown(mark: Mark) -> OutcomeUnknown:
    begun = datetime.fromtimestamp(mark.begun_at, UTC).isoformat(timespec="seconds")
    return OutcomeUnknown(
        f"A reset was begun at {begun} and its answer was lost; the power state cannot show whether it happened. "
        "Look at the node, and ask for the reboot again if it did not."
    )
