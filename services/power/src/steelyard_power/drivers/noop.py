"""Ironic's noop management: the boot order is fixed in the firmware, network first; nothing is asked of the BMC."""

from __future__ import annotations

from steelyard_common.bmc import BootDevice, Indicator, PowerAction, PowerState, Sensor
from steelyard_common.errors import Unsupported

_DEVICES = ("pxe", "disk")


def _no(what: str) -> Unsupported:
    return Unsupported(f"the noop management interface does not {what}")


class NoopManagement:
    """A BmcDriver that accepts boot devices and can do nothing else."""

    def get_boot_device(self) -> BootDevice:
        return BootDevice(device="pxe", persistent=True)

    def set_boot_device(self, device: str, *, persistent: bool) -> None:  # noqa: ARG002
        if device not in _DEVICES:
            raise _no(f"offer boot device {device}")

    def supported_boot_devices(self) -> tuple[str, ...]:
        return _DEVICES

    def get_power(self) -> PowerState:
        raise _no("read power")

    def set_power(self, action: PowerAction) -> None:  # noqa: ARG002
        raise _no("change power")

    def supported_actions(self) -> tuple[PowerAction, ...]:
        return ()

    def inject_nmi(self) -> None:
        raise _no("inject NMIs")

    def get_last_reset(self) -> str | None:
        return None

    def get_boot_mode(self) -> str | None:
        return None

    def set_boot_mode(self, mode: str) -> None:  # noqa: ARG002
        raise _no("set the boot mode")

    def get_secure_boot(self) -> bool | None:
        return None

    def set_secure_boot(self, enabled: bool) -> None:  # noqa: ARG002
        raise _no("set secure boot")

    def list_indicators(self) -> tuple[Indicator, ...]:
        return ()

    def get_indicator(self, component: str, name: str) -> str:  # noqa: ARG002
        raise _no("know indicators")

    def set_indicator(self, component: str, name: str, state: str) -> None:  # noqa: ARG002
        raise _no("know indicators")

    def get_vendor(self) -> str | None:
        return None

    def get_health(self) -> str | None:
        return None

    def read_sensors(self) -> tuple[Sensor, ...]:
        return ()
