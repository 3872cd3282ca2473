"""Power of one System, and all promises together."""

from __future__ import annotations

from typing import Any

from ...errors import DeviceRefused, DeviceUnreachable, SteelyardError, Unsupported
from .. import BootDevice, Indicator, MediaSlot, NodeAccess, PowerAction, PowerState, Sensor
from ..driver_info import RedfishTarget
from . import boot, lamps, media, observe
from .connection import RedfishConnection
from .errors import translated

STATES = {
    "On": PowerState.ON,
    "Off": PowerState.OFF,
    "PoweringOn": PowerState.CHANGING,
    "PoweringOff": PowerState.CHANGING,
    "Paused": PowerState.ON,
}
# The first one that the BMC lists is sent. PushPowerButton is missing on purpose: it toggles, so it is not safe twice.
RESETS = {
    PowerAction.ON: ("On", "ForceOn"),
    PowerAction.OFF: ("ForceOff",),
    PowerAction.SOFT_OFF: ("GracefulShutdown",),
    PowerAction.RESET: ("ForceRestart", "PowerCycle"),
}
NMI = "Nmi"
# What makes an action needless: it is so already, or on its way. A forced off is sent unless the node is off.
ALREADY = {
    PowerAction.ON: ("On", "PoweringOn"),
    PowerAction.OFF: ("Off",),
    PowerAction.SOFT_OFF: ("Off", "PoweringOff"),
    PowerAction.RESET: (),
}


class RedfishDriver:
    """One node during one conversation."""

    def __init__(self, connection: RedfishConnection, access: NodeAccess, target: RedfishTarget) -> None:
        self._connection = connection
        self._access = access
        self._system_id = target.system_id

    def _raw_state(self) -> str:
        raw = self._connection.system_document(self._system_id).get("PowerState")
        if raw not in STATES:
            raise DeviceRefused(f"the BMC at {self._connection.target.address} names the power state {raw!r}")
        return str(raw)

    def get_power(self) -> PowerState:
        return STATES[self._raw_state()]

    def set_power(self, action: PowerAction) -> None:
        """Looks first: what is so already is not sent. A reset of a node that is off switches it on."""
        before = self._raw_state()
        if before in ALREADY[action]:
            return
        if action is PowerAction.RESET and before == "Off":
            action = PowerAction.ON
        try:
            self._reset(*RESETS[action])
        except (DeviceRefused, DeviceUnreachable) as error:
            if not self._is_so_after_all(action, error):
                raise

    def _is_so_after_all(self, action: PowerAction, error: SteelyardError) -> bool:
        """Quirk: BMCs refuse (400, 409) what is so already; it may have become so since we looked."""
        if "HTTP 4" not in error.message or "credentials" in error.message:
            return False
        return self._raw_state() in ALREADY[action]

    def _reset(self, *wanted: str) -> None:
        system = self._connection.system(self._system_id, fresh=False)
        with translated(self._connection.target.address):
            allowed = {reset.value: reset for reset in system.get_allowed_reset_system_values()}
        chosen = next((word for word in wanted if word in allowed), None)
        if chosen is None:
            raise Unsupported(f"the BMC at {self._connection.target.address} does not offer {' or '.join(wanted)}")
        with translated(self._connection.target.address, wrote=True):
            system.reset_system(allowed[chosen])

    def supported_actions(self) -> tuple[PowerAction, ...]:
        system = self._connection.system(self._system_id, fresh=False)
        with translated(self._connection.target.address):
            allowed = {reset.value for reset in system.get_allowed_reset_system_values()}
        return tuple(action for action, words in RESETS.items() if allowed.intersection(words))

    def inject_nmi(self) -> None:
        self._reset(NMI)

    def get_last_reset(self) -> str | None:
        return self._connection.system_document(self._system_id).get("LastResetTime") or None

    def get_boot_device(self) -> BootDevice:
        return boot.get_device(self._system())

    def set_boot_device(self, device: str, *, persistent: bool) -> None:
        boot.set_device(self._connection, self._system_id, device, persistent)

    def supported_boot_devices(self) -> tuple[str, ...]:
        return boot.supported_devices(self._system(fresh=False))

    def get_boot_mode(self) -> str | None:
        return boot.get_mode(self._system())

    def set_boot_mode(self, mode: str) -> None:
        boot.set_mode(self._connection, self._system_id, mode)

    def get_secure_boot(self) -> bool | None:
        return boot.get_secure(self._connection, self._connection.system_document(self._system_id))

    def set_secure_boot(self, enabled: bool) -> None:
        boot.set_secure(self._connection, self._connection.system_document(self._system_id), enabled)

    def list_indicators(self) -> tuple[Indicator, ...]:
        return lamps.found(self._connection, self._connection.system_document(self._system_id))

    def get_indicator(self, component: str, name: str) -> str:
        return lamps.read(self._connection, self._connection.system_document(self._system_id), component, name)

    def set_indicator(self, component: str, name: str, state: str) -> None:
        lamps.switch(self._connection, self._connection.system_document(self._system_id), component, name, state)

    def get_vendor(self) -> str | None:
        return self._connection.system_document(self._system_id).get("Manufacturer") or None

    def get_health(self) -> str | None:
        return observe.health(self._connection.system_document(self._system_id))

    def read_sensors(self) -> tuple[Sensor, ...]:
        return observe.sensors(self._connection, self._connection.system_document(self._system_id))

    def media_slots(self) -> tuple[MediaSlot, ...]:
        return media.slots(self._connection, self._system_id)

    def insert_media(self, slot: str, url: str) -> None:
        media.insert(self._connection, slot, url)

    def eject_media(self, slot: str) -> None:
        media.eject(self._connection, slot)

    def set_http_boot(self, url: str) -> None:
        boot.set_http(self._connection, self._system_id, url)

    def _system(self, *, fresh: bool = True) -> Any:
        return self._connection.system(self._system_id, fresh=fresh)
