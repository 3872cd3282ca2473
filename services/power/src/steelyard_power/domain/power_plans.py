"""What is sent for each power target, the state that shows its effect, and how long both may take."""

from __future__ import annotations

from dataclasses import dataclass

from steelyard_common.bmc import PowerAction, PowerState
from steelyard_common.errors import Conflict, InvalidRequest


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
