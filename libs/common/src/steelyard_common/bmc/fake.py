"""Ironic's fake interfaces: no hardware, no time. The power state is the one on record; what is set is accepted.

Answers as a live Ironic 39 gives them (fake-hardware): boot device pxe, not persistent; no boot mode, no sensors.
"""

from __future__ import annotations

from ..errors import InvalidRequest, NotFound, Unsupported
from . import BootDevice, Indicator, NodeAccess, PowerAction, PowerState, Sensor

AFTER = {
    PowerAction.ON: PowerState.ON,
    PowerAction.OFF: PowerState.OFF,
    PowerAction.SOFT_OFF: PowerState.OFF,
    PowerAction.RESET: PowerState.ON,
}
LAMPS = (
    Indicator(component="chassis", name="led-0", state="on", readonly=True, states=("off", "on")),
    Indicator(component="system", name="led", state="on", readonly=False, states=("blinking", "off", "on")),
)


class FakeDriver:
    """One node during one conversation; forgets what it was told at the end, as Ironic's does."""

    def __init__(self, access: NodeAccess) -> None:
        self._power = PowerState.ON if access.power_state == PowerState.ON else PowerState.OFF

    def get_power(self) -> PowerState:
        return self._power

    def set_power(self, action: PowerAction) -> None:
        self._power = AFTER[action]

    def supported_actions(self) -> tuple[PowerAction, ...]:
        return tuple(PowerAction)

    def inject_nmi(self) -> None:
        raise Unsupported("the fake management interface does not inject NMIs")

    def get_last_reset(self) -> str | None:
        return None

    def get_boot_device(self) -> BootDevice:
        return BootDevice(device="pxe", persistent=False)

    def set_boot_device(self, device: str, *, persistent: bool) -> None:  # noqa: ARG002
        if device not in self.supported_boot_devices():
            raise Unsupported(f"the fake management interface does not offer boot device {device}")

    def supported_boot_devices(self) -> tuple[str, ...]:
        return ("pxe",)

    def get_boot_mode(self) -> str | None:
        return None

    def set_boot_mode(self, mode: str) -> None:  # noqa: ARG002
        raise Unsupported("the fake management interface does not set boot modes")

    def get_secure_boot(self) -> bool | None:
        return None

    def set_secure_boot(self, enabled: bool) -> None:  # noqa: ARG002
        raise Unsupported("the fake management interface does not set secure boot")

    def list_indicators(self) -> tuple[Indicator, ...]:
        return LAMPS

    def _lamp(self, component: str, name: str) -> Indicator:
        for lamp in LAMPS:
            if (lamp.component, lamp.name) == (component, name):
                return lamp
        raise NotFound(f"there is no indicator {name}@{component}")

    def get_indicator(self, component: str, name: str) -> str:
        return self._lamp(component, name).state

    def set_indicator(self, component: str, name: str, state: str) -> None:
        lamp = self._lamp(component, name)
        if lamp.readonly or state not in lamp.states:
            raise InvalidRequest(f"indicator {name}@{component} cannot be set to {state}")

    def get_vendor(self) -> str | None:
        return None

    def get_health(self) -> str | None:
        return None

    def read_sensors(self) -> tuple[Sensor, ...]:
        return ()
