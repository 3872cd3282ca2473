"""How a machine behaves: power over time, what it boots, its settings. Pure: the time is an argument.

Nothing here runs by itself. A change of power is a plan of phases with times; whoever asks brings the time along
and first lets the phases that are due take place. So 10,000 machines need no timer.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from .disk import Disk
from .faults import HEALTHY, Faults
from .hardware import Booted, BootSettings, Identity, Slot, Timings, new_slots


class Power(StrEnum):
    """Redfish's words for it (DSP0268, PowerState)."""

    ON = "On"
    OFF = "Off"
    POWERING_ON = "PoweringOn"
    POWERING_OFF = "PoweringOff"


class Action(StrEnum):
    """What can be asked of the power (DSP0268, ResetType)."""

    ON = "On"
    FORCE_OFF = "ForceOff"
    GRACEFUL_SHUTDOWN = "GracefulShutdown"
    GRACEFUL_RESTART = "GracefulRestart"
    FORCE_RESTART = "ForceRestart"
    POWER_CYCLE = "PowerCycle"
    PUSH_POWER_BUTTON = "PushPowerButton"
    NMI = "Nmi"


class NotPossible(Exception):
    """The machine's present state does not allow this."""


def _nobody(_machine: "Machine") -> None:
    """Nobody is told."""


@dataclass(slots=True)
class Machine:
    """One simulated server. ``now`` is any clock that only goes forward, in seconds.

    ``stage``: what it does now, in words; ``notice`` is called when something was asked of the power; ``last_token``:
    of the agent that ran here last.
    """

    identity: Identity
    timings: Timings = field(default_factory=Timings)
    faults: Faults = HEALTHY
    boot: BootSettings = field(default_factory=BootSettings)
    default_device: str = "Hdd"
    secure_boot: bool = False
    has_keys: bool = True
    system_led: str = "Off"
    chassis_led: str = "Off"
    led_until: float | None = None
    boots: int = 0
    started_at: float | None = None
    nmis: int = 0
    booted: Booted | None = None
    disk: Disk = field(default_factory=Disk)
    slots: dict[str, Slot] = field(default_factory=new_slots)
    stage: str = "off"
    last_token: str = field(default="", repr=False)
    notice: "Callable[[Machine], None]" = _nobody
    _power: Power = Power.OFF
    _phases: list[tuple[float, Power]] = field(default_factory=list)
    _stale: Power | None = None
    _flapped_at: float = 0.0

    def power(self, now: float) -> Power:
        """The true state of the power."""
        self._settle(now)
        return self._power

    def reported_power(self, now: float) -> Power:
        """What the BMC says the power is: the truth, unless it lies."""
        truth = self.power(now)
        lie = self.faults.lie_about_power
        if lie == "inverted":
            return Power.OFF if truth in (Power.ON, Power.POWERING_ON) else Power.ON
        if lie == "stale":
            return self._stale or truth
        return Power(lie) if lie else truth

    def set_faults(self, faults: Faults, now: float) -> None:
        """From now on the machine has these faults and no others."""
        self._settle(now)
        if faults.lie_about_power == "stale" and self.faults.lie_about_power != "stale":
            self._stale = self._power
        if faults.flapping_s != self.faults.flapping_s:
            self._flapped_at = now
        self.faults = faults

    def act(self, action: Action, now: float) -> None:
        """Do what the BMC was told. Being there already is success. Raises NotPossible."""
        self._settle(now)
        self._check(action)
        if not self.faults.drop_power:
            _DEEDS[action](self, now)
            self.notice(self)

    def press_button(self, now: float) -> None:
        """Somebody at the rack presses the button: no fault of the BMC is in the way."""
        self._settle(now)
        if self._power in (Power.ON, Power.POWERING_ON):
            self._soft_off(now)
        else:
            self._turn_on(now)
        self.notice(self)

    def pull_power(self, now: float) -> None:
        """Somebody pulls the cord: off, at once."""
        self._settle(now)
        self._power, self._phases = Power.OFF, []
        self.notice(self)

    def shut_down(self, now: float) -> None:
        """The operating system switches the machine off by itself."""
        self._settle(now)
        self._turn_off(now)
        self.notice(self)

    def restart(self, now: float) -> None:
        """The operating system, or the firmware, starts the machine anew."""
        self._settle(now)
        if self._power in (Power.ON, Power.POWERING_ON):
            self._restart(now)
        self.notice(self)

    def next_change(self) -> float | None:
        """When the power changes next by itself, if it does."""
        return self._phases[0][0] if self._phases else None

    def start_at_once(self, now: float) -> None:
        """On, without the time that takes: for a rack that starts with machines on."""
        self._start_boot(now)
        self._power, self._phases = Power.ON, []
        self._settle(now)
        self.notice(self)

    def renew(self) -> None:
        """Back to how a machine comes out of its box: off, nothing set, nothing counted."""
        fresh = Machine(self.identity, self.timings)
        for name in self.__slots__:
            if name != "notice":
                setattr(self, name, getattr(fresh, name))
        self.notice(self)

    def led(self, now: float) -> str:
        """The system's indicator: Off, Lit or Blinking. An identify with a time ends by itself."""
        if self.led_until is not None and now >= self.led_until:
            self.system_led, self.led_until = "Off", None
        return self.system_led

    def set_led(self, value: str, until: float | None = None) -> None:
        """Set the system's indicator, if wished only until a time."""
        self.system_led, self.led_until = value, until

    # --- what happens by itself

    def _settle(self, now: float) -> None:
        while self._phases and self._phases[0][0] <= now:
            at, self._power = self._phases.pop(0)
            if self._power is Power.POWERING_ON:
                self._start_boot(at)
        self._flap(now)

    def _flap(self, now: float) -> None:
        period = self.faults.flapping_s
        if not period:
            return
        flips = int((now - self._flapped_at) / period)
        self._flapped_at += flips * period
        if flips % 2 and not self._phases:
            self._power = Power.OFF if self._power is Power.ON else Power.ON

    def _start_boot(self, at: float) -> None:
        """The firmware looks for something to start; an override for once is used up by that."""
        overridden = self.boot.enabled != "Disabled" and self.boot.target != "None"
        self.boots += 1
        self.started_at = at
        self.booted = Booted(
            device=self.boot.target if overridden else self.default_device,
            mode=self.boot.mode,
            secure_boot=self.secure_boot and self.boot.mode == "UEFI",
        )
        if self.boot.enabled == "Once":
            self.boot.enabled, self.boot.target = "Disabled", "None"

    # --- what can be asked

    def _check(self, action: Action) -> None:
        is_on = self._power in (Power.ON, Power.POWERING_ON)
        if action in _NEEDS_POWER and not is_on:
            raise NotPossible(f"{action} is not possible while the power is {self._power}")
        if self.faults.refuse_same_power and action in _SAME.get(self._power, ()):
            raise NotPossible(f"the power is {self._power} already")

    def _takes(self, low_high: tuple[float, float]) -> float:
        low, high = low_high
        place = random.Random(self.identity.seed).random()  # noqa: S311  # spreads timings, keeps no secret
        return (low + (high - low) * place) * self.faults.slow_power

    def _turn_on(self, now: float) -> None:
        if self._power in (Power.ON, Power.POWERING_ON):
            return
        on_s = self._takes(self.timings.power_on_s)
        if self._power is Power.POWERING_OFF and self._phases:
            off_at = self._phases[0][0]
            self._phases = [(off_at, Power.OFF), (off_at, Power.POWERING_ON), (off_at + on_s, Power.ON)]
            return
        self._power = Power.POWERING_ON
        self._start_boot(now)
        self._phases = [(now + on_s, Power.ON)]

    def _turn_off(self, now: float) -> None:
        if self._power is Power.OFF:
            return
        if self._power is not Power.POWERING_OFF:
            self._power = Power.POWERING_OFF
            self._phases = [(now + self._takes(self.timings.power_off_s), Power.OFF)]

    def _soft_off(self, now: float) -> None:
        is_on = self._power in (Power.ON, Power.POWERING_ON)
        if not is_on or self.faults.ignore_soft_off or self._is_going_down():
            return
        soft_at = now + self._takes(self.timings.soft_off_s)
        off_at = soft_at + self._takes(self.timings.power_off_s)
        self._power = Power.ON
        self._phases = [(soft_at, Power.POWERING_OFF), (off_at, Power.OFF)]

    def _is_going_down(self) -> bool:
        return any(power is Power.POWERING_OFF for _, power in self._phases)

    def _restart(self, now: float) -> None:
        if self._power is Power.POWERING_ON:
            self._phases = [(now + self._takes(self.timings.power_on_s), Power.ON)]
        else:
            self._power, self._phases = Power.ON, []
        self._start_boot(now)

    def _soft_restart(self, now: float) -> None:
        if not self.faults.ignore_soft_off:
            self._restart(now)

    def _cycle(self, now: float) -> None:
        off_at = now + self._takes(self.timings.power_off_s)
        on_s = self._takes(self.timings.power_on_s)
        self._power = Power.POWERING_OFF
        self._phases = [(off_at, Power.OFF), (off_at + on_s / 2, Power.POWERING_ON), (off_at + 1.5 * on_s, Power.ON)]

    def _nmi(self, _now: float) -> None:
        self.nmis += 1

    def _push_button(self, now: float) -> None:
        self.press_button(now)


_DEEDS = {
    Action.ON: Machine._turn_on,
    Action.FORCE_OFF: Machine._turn_off,
    Action.GRACEFUL_SHUTDOWN: Machine._soft_off,
    Action.GRACEFUL_RESTART: Machine._soft_restart,
    Action.FORCE_RESTART: Machine._restart,
    Action.POWER_CYCLE: Machine._cycle,
    Action.PUSH_POWER_BUTTON: Machine._push_button,
    Action.NMI: Machine._nmi,
}
_NEEDS_POWER = {Action.GRACEFUL_RESTART, Action.FORCE_RESTART, Action.POWER_CYCLE, Action.NMI}
_SAME = {
    Power.ON: (Action.ON,),
    Power.OFF: (Action.FORCE_OFF, Action.GRACEFUL_SHUTDOWN),
}
