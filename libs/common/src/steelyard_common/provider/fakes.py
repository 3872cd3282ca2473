"""Fake interfaces: they take no time, keep nothing and are done; unless the node's driver_info tells them otherwise.

| driver_info | effect |
| --- | --- |
| ``fake_<step>_seconds``: 3 | the step takes so long: it rests between slices, as a slow one does |
| ``fake_<step>_wait``: "heartbeat" | then it waits for that signal |
| ``fake_<step>_fail``: "why" | and then it fails, saying why |

``fake_<interface>_<step>_…`` goes before ``fake_<step>_…``: two interfaces may have a step of the same name.
For tests, and for people who want to see what happens.
"""

from __future__ import annotations

from typing import Any

from ..contracts.steps import Again, Failed, Step, StepResult, Wait
from ..errors import DeviceRefused, InvalidRequest
from .slices import Clock, Slice, StepFunction, nothing_to_do

FAKE = "fake"
_MEMO = "fake"  # its place in a memo


def switched(clock: Clock, function: StepFunction = nothing_to_do) -> StepFunction:
    """``function`` behind the switches."""

    def run(piece: Slice) -> StepResult:
        return _held_up(piece, clock().timestamp()) or function(piece)

    return run


def only_fakes_switched(clock: Clock, function: StepFunction) -> StepFunction:
    """``function`` for all implementations; for fake ones it stands behind the switches."""
    behind = switched(clock, function)

    def run(piece: Slice) -> StepResult:
        return behind(piece) if piece.interface(piece.step.interface) == FAKE else function(piece)

    return run


def _held_up(piece: Slice, now: float) -> StepResult | None:
    """What the switches make of this slice; None: they let it pass."""
    past: dict[str, Any] = dict(piece.step.memo.get(_MEMO) or {})
    seconds = _seconds(piece)
    if seconds:
        until = past.setdefault("until", now + seconds)
        if now < until:
            return Again(after_s=until - now, memo=_memo(piece.step, past), progress="a fake that takes its time")
    signal = _switch(piece, "wait")
    if signal and past.get("signal") != signal:
        past["signal"] = signal
        return Wait(signal=str(signal), memo=_memo(piece.step, past), progress=f"a fake that waits for '{signal}'")
    reason = _switch(piece, "fail")
    return Failed(error=DeviceRefused(str(reason))) if reason else None


def _switch(piece: Slice, what: str) -> Any:
    step = piece.step
    for name in (f"fake_{step.interface}_{step.name}_{what}", f"fake_{step.name}_{what}"):
        if name in piece.driver_info:
            return piece.driver_info[name]
    return None


def _seconds(piece: Slice) -> float:
    value = _switch(piece, "seconds")
    try:
        seconds = float(value or 0)
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise InvalidRequest(f"driver_info: fake_{piece.step.name}_seconds must be a number of seconds")
    return seconds


def _memo(step: Step, past: dict[str, Any]) -> dict[str, Any]:
    return step.memo | {_MEMO: past}
