"""What we ask of a BMC, in promises of at most five methods; one file per way out.

``redfish`` speaks through sushy, ``ipmi`` through pyghmi, ``fake`` takes no time (Ironic's fake interfaces).
Every call is safe to make twice, has a deadline, and raises only ``steelyard_common.errors``:
DeviceUnreachable (no answer, nothing done), DeviceRefused (answered no), OutcomeUnknown (sent, no answer),
Unsupported (this BMC cannot), InvalidRequest (the driver_info is incomplete or wrong).
Values are Ironic's words (facts §6, §7): see the enumerations.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable


class PowerState(enum.StrEnum):
    """What was seen. CHANGING is a BMC's own transition (PoweringOn, PoweringOff): look again."""

    ON = "power on"
    OFF = "power off"
    CHANGING = "changing"


class PowerAction(enum.StrEnum):
    """What can be sent. Sending is not arriving: read the state afterwards."""

    ON = "power on"
    OFF = "power off"
    SOFT_OFF = "soft power off"
    RESET = "reset"


@dataclass(frozen=True, kw_only=True)
class NodeAccess:
    """All a driver may know of a node. ``sealed`` maps a JSON pointer below driver_info to a sealed secret."""

    uuid: str
    driver_info: dict[str, Any]
    sealed: dict[str, str] = field(default_factory=dict, repr=False)
    power_state: str | None = None
    boot_mode: str | None = None
    secure_boot: bool | None = None
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class BootDevice:
    """``device`` in Ironic's words (pxe disk cdrom bios safe uefihttp floppy) or None when the BMC names none."""

    device: str | None
    persistent: bool | None


@dataclass(frozen=True, kw_only=True)
class Indicator:
    """A lamp: ``name`` is unique within ``component`` (chassis system disk power nic)."""

    component: str
    name: str
    state: str
    readonly: bool
    states: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """One reading; ``kind`` is Temperature, Fan, Power, Voltage, Drive …; unit as the BMC gives it."""

    kind: str
    name: str
    value: float | str | None
    unit: str | None
    health: str | None


@dataclass(frozen=True, kw_only=True)
class MediaSlot:
    """A slot for virtual media. ``kinds``: CD, DVD, USBStick, Floppy as Redfish names them; ``id`` for later calls."""

    id: str
    name: str
    kinds: tuple[str, ...]
    is_inserted: bool
    image: str | None = None


class Power(Protocol):
    """Power of one node. ``get_last_reset``: when it last started, in the BMC's own words; None: it does not say."""

    def get_power(self) -> PowerState: ...
    def set_power(self, action: PowerAction) -> None: ...
    def supported_actions(self) -> tuple[PowerAction, ...]: ...
    def inject_nmi(self) -> None: ...
    def get_last_reset(self) -> str | None: ...


class BootControl(Protocol):
    """What the node boots from next."""

    def get_boot_device(self) -> BootDevice: ...
    def set_boot_device(self, device: str, *, persistent: bool) -> None:
        """``url``, of Redfish: from the URL of ``set_http_boot``; ``uefihttp`` forgets it."""

    def supported_boot_devices(self) -> tuple[str, ...]: ...


class BootMode(Protocol):
    """Firmware mode: ``bios`` or ``uefi``, and UEFI secure boot; None where the BMC does not say."""

    def get_boot_mode(self) -> str | None: ...
    def set_boot_mode(self, mode: str) -> None: ...
    def get_secure_boot(self) -> bool | None: ...
    def set_secure_boot(self, enabled: bool) -> None: ...


class Indicators(Protocol):
    """Lamps: on, off, blinking, unknown."""

    def list_indicators(self) -> tuple[Indicator, ...]: ...
    def get_indicator(self, component: str, name: str) -> str: ...
    def set_indicator(self, component: str, name: str, state: str) -> None: ...


class Observe(Protocol):
    """Facts that are read now and then."""

    def get_vendor(self) -> str | None: ...
    def get_health(self) -> str | None: ...
    def read_sensors(self) -> tuple[Sensor, ...]: ...


@runtime_checkable
class RemoteMedia(Protocol):
    """Media over the network, and booting from a URL. Only BMCs with Redfish have it: ask with ``isinstance``."""

    def media_slots(self) -> tuple[MediaSlot, ...]: ...
    def insert_media(self, slot: str, url: str) -> None: ...
    def eject_media(self, slot: str) -> None: ...
    def set_http_boot(self, url: str) -> None: ...


class BmcDriver(Power, BootControl, BootMode, Indicators, Observe, Protocol):
    """All promises together: what a node's BMC driver offers (it may raise Unsupported for any)."""
