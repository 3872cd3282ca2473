"""BMCs in memory that take their time like hardware, keep a record of what they received, and fail when told to.

For tests of power itself; the rack (deploy/rack) is the one for whole systems.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from steelyard_common.bmc import BootDevice, Indicator, MediaSlot, PowerAction, PowerState, Sensor
from steelyard_common.errors import (
    Busy,
    DeviceUnreachable,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    SteelyardError,
    Unsupported,
)

from . import Node

_AFTER = {
    PowerAction.ON: PowerState.ON,
    PowerAction.OFF: PowerState.OFF,
    PowerAction.SOFT_OFF: PowerState.OFF,
    PowerAction.RESET: PowerState.ON,
}
_LAMP_STATES = ("on", "off", "blinking")
Hook = Callable[[], None]


def _nothing() -> None:
    pass


@dataclass
class SimulatedBmc:
    """One BMC. ``takes_s``: from an action to its effect; ``received``: the actions, in order."""

    clock: Callable[[], datetime]
    power: PowerState = PowerState.OFF
    takes_s: float = 3.0
    says_changing: bool = False
    ignores_soft_off: bool = False
    lies: bool = False
    loses_answers: bool = False
    tells_resets: bool = False
    fault: SteelyardError | None = None
    health: str | None = "OK"
    vendor: str | None = "Example"
    boot: BootDevice = field(default_factory=lambda: BootDevice(device="disk", persistent=True))
    boot_mode: str | None = "uefi"
    secure_boot: bool | None = False
    lamp: str = "off"
    nmis: int = 0
    restarts: int = 0
    reads: int = 0
    received: list[PowerAction] = field(default_factory=list)
    on_read: Hook = _nothing
    before_send: Hook = _nothing
    after_send: Hook = _nothing
    _becomes: tuple[float, PowerState] | None = None

    def get_power(self) -> PowerState:
        self._answer()
        self.reads += 1
        self._settle()
        self.on_read()
        if self._becomes is not None and self.says_changing:
            return PowerState.CHANGING
        return self.power

    def set_power(self, action: PowerAction) -> None:
        self._answer()
        self.before_send()
        self._settle()
        self.received.append(action)
        ignored = self.lies or (action is PowerAction.SOFT_OFF and self.ignores_soft_off)
        if not ignored:
            self._becomes = (self.clock().timestamp() + self.takes_s, _AFTER[action])
            self.restarts += action in (PowerAction.ON, PowerAction.RESET)
        self.after_send()
        if self.loses_answers:
            raise OutcomeUnknown("the BMC's answer was lost")

    def supported_actions(self) -> tuple[PowerAction, ...]:
        return tuple(PowerAction)

    def inject_nmi(self) -> None:
        self._answer()
        self.nmis += 1

    def get_last_reset(self) -> str | None:
        self._answer()
        return str(self.restarts) if self.tells_resets else None

    def get_boot_device(self) -> BootDevice:
        self._answer()
        return self.boot

    def set_boot_device(self, device: str, *, persistent: bool) -> None:
        self._answer()
        if device not in self.supported_boot_devices():
            raise Unsupported(f"this BMC does not offer boot device {device}")
        self.boot = BootDevice(device=device, persistent=persistent)
        if self.loses_answers:
            raise OutcomeUnknown("the BMC's answer was lost")

    def supported_boot_devices(self) -> tuple[str, ...]:
        return ("pxe", "disk", "cdrom")

    def get_boot_mode(self) -> str | None:
        self._answer()
        return self.boot_mode

    def set_boot_mode(self, mode: str) -> None:
        self._answer()
        if mode not in ("bios", "uefi"):
            raise Unsupported(f"this BMC does not know boot mode {mode}")
        self.boot_mode = mode

    def get_secure_boot(self) -> bool | None:
        self._answer()
        if self.secure_boot is None:
            raise Unsupported("this BMC has no secure boot")
        return self.secure_boot

    def set_secure_boot(self, enabled: bool) -> None:
        self._answer()
        self.secure_boot = enabled

    def list_indicators(self) -> tuple[Indicator, ...]:
        self._answer()
        return (Indicator(component="chassis", name="led", state=self.lamp, readonly=False, states=_LAMP_STATES),)

    def get_indicator(self, component: str, name: str) -> str:
        self._answer()
        if (component, name) != ("chassis", "led"):
            raise NotFound(f"there is no indicator {name}@{component}")
        return self.lamp

    def set_indicator(self, component: str, name: str, state: str) -> None:
        self.get_indicator(component, name)
        if state not in _LAMP_STATES:
            raise InvalidRequest(f"indicator {name}@{component} cannot be set to {state}")
        self.lamp = state

    def get_vendor(self) -> str | None:
        self._answer()
        return self.vendor

    def get_health(self) -> str | None:
        self._answer()
        return self.health

    def read_sensors(self) -> tuple[Sensor, ...]:
        self._answer()
        return (Sensor(kind="Temperature", name="Inlet", value=21.5, unit="Cel", health="OK"),)

    def _answer(self) -> None:
        if self.fault is not None:
            raise self.fault

    def _settle(self) -> None:
        if self._becomes is not None and self.clock().timestamp() >= self._becomes[0]:
            self.power, self._becomes = self._becomes[1], None


@dataclass
class SimulatedRedfish(SimulatedBmc):
    """One that has virtual media, too: a CD and a USB stick. ``media``: slot → URL."""

    media: dict[str, str] = field(default_factory=dict)
    http_boot: str | None = None

    def media_slots(self) -> tuple[MediaSlot, ...]:
        self._answer()
        return tuple(
            MediaSlot(id=name, name=name, kinds=kinds, is_inserted=name in self.media, image=self.media.get(name))
            for name, kinds in (("Cd", ("CD", "DVD")), ("Usb", ("USBStick",)))
        )

    def insert_media(self, slot: str, url: str) -> None:
        self._answer()
        self.media[slot] = url

    def eject_media(self, slot: str) -> None:
        self._answer()
        self.media.pop(slot, None)

    def set_http_boot(self, url: str) -> None:
        self._answer()
        self.http_boot = url


class SimulatedConversations:
    """See ``drivers.Conversations``: a BMC a node, by the node's UUID."""

    def __init__(self) -> None:
        self.bmcs: dict[str, SimulatedBmc] = {}
        self.busy: set[str] = set()

    @contextmanager
    def open(self, node: Node, interface: str, *, timeout_s: float, patient: bool = True) -> Iterator[SimulatedBmc]:
        del timeout_s
        if interface not in node["interfaces"]:
            raise InvalidRequest(f"the node has no {interface} interface")
        if node["uuid"] in self.busy and not patient:
            raise Busy("another task is talking to the BMC")
        bmc = self.bmcs.get(node["uuid"])
        if bmc is None:
            raise DeviceUnreachable("nobody answers at this address")
        yield bmc

    def report(self) -> list[dict[str, Any]]:
        return [{"address": uuid, "calls": bmc.reads} for uuid, bmc in self.bmcs.items()]
