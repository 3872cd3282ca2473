"""The promises over IPMI 2.0: chassis control, boot flags, identify. § is of the IPMI 2.0 specification."""

from __future__ import annotations

from ...errors import InvalidRequest, NotFound, Unsupported
from .. import BootDevice, Indicator, NodeAccess, PowerAction, PowerState, Sensor
from ..driver_info import IpmiTarget
from . import sensors
from .connection import IpmiConnection

CHASSIS, APPLICATION = 0x00, 0x06
GET_STATUS, CONTROL, IDENTIFY, SET_BOOT, GET_BOOT = 0x01, 0x02, 0x04, 0x08, 0x09  # §28.2, .3, .5, .12, .13
GET_DEVICE_ID = 0x01  # §20.1
CONTROLS = {PowerAction.OFF: 0x00, PowerAction.ON: 0x01, PowerAction.RESET: 0x03, PowerAction.SOFT_OFF: 0x05}
NMI = 0x04

# Boot flags, parameter 5, data 2 (table 28-14): device in bits 5..2.
DEVICES = {"pxe": 0x04, "disk": 0x08, "safe": 0x0C, "cdrom": 0x14, "bios": 0x18, "floppy": 0x3C}
DEVICE_WORDS = {code: word for word, code in DEVICES.items()} | {0x2C: "disk", 0x24: "disk", 0x20: "cdrom"}
# Quirk: Supermicro in UEFI mode boots the disk by this code (docs/reference/bmc-quirks.md).
SUPERMICRO, SUPERMICRO_UEFI_DISK = "supermicro", 0x24
VALID, PERSISTENT, UEFI = 0x80, 0x40, 0x20

IDENTIFY_STATES = {0: "off", 1: "blinking", 2: "on"}
LED = ("chassis", "led")
# IANA enterprise numbers of BMC makers.
VENDORS = {
    2: "IBM", 11: "Hewlett-Packard", 343: "Intel", 674: "Dell", 2011: "Huawei", 5771: "Cisco", 6569: "Inventec",
    7154: "IPMI forum", 7244: "Quanta", 10368: "Fujitsu", 10437: "Peppercon", 10876: "Supermicro", 11129: "Google",
    12634: "PICMG", 15000: "Asus", 15370: "Gigabyte", 19046: "Lenovo", 20301: "IBM", 20569: "Inspur", 20974: "AMI",
    40092: "Wiwynn", 42817: "IBM", 47196: "Hewlett Packard Enterprise", 49622: "ASRock Rack",
}  # fmt: skip


class IpmiDriver:
    """One node during one conversation."""

    def __init__(self, connection: IpmiConnection, access: NodeAccess, target: IpmiTarget) -> None:
        self._connection = connection
        self._access = access
        self._target = target

    def get_power(self) -> PowerState:
        return PowerState.ON if self._status()[0] & 1 else PowerState.OFF

    def _status(self) -> bytes:
        status = self._connection.ask(CHASSIS, GET_STATUS)
        if len(status) < 3:
            raise Unsupported(f"the BMC at {self._target.address} gives a chassis status that is cut short")
        return status

    def set_power(self, action: PowerAction) -> None:
        """Looks first: what is so already is not sent. A reset of a node that is off switches it on."""
        is_on = self.get_power() is PowerState.ON
        if action is PowerAction.RESET and not is_on:
            action = PowerAction.ON  # the specification leaves a reset of a node that is off to the BMC
        if (action is PowerAction.ON) == is_on and action is not PowerAction.RESET:
            return
        self._connection.tell(CHASSIS, CONTROL, (CONTROLS[action],))

    def supported_actions(self) -> tuple[PowerAction, ...]:
        return tuple(CONTROLS)

    def inject_nmi(self) -> None:
        self._status()
        self._connection.tell(CHASSIS, CONTROL, (NMI,))

    def get_last_reset(self) -> str | None:
        return None

    def get_boot_device(self) -> BootDevice:
        answer = self._connection.ask(CHASSIS, GET_BOOT, (5, 0, 0))
        if len(answer) < 4 or answer[1] & 0x80 or not answer[2] & VALID:
            return BootDevice(device=None, persistent=None)
        device = DEVICE_WORDS.get(answer[3] & 0x3C)
        return BootDevice(device=device, persistent=bool(answer[2] & PERSISTENT) if device else None)

    def set_boot_device(self, device: str, *, persistent: bool) -> None:
        if device not in DEVICES:
            raise Unsupported(f"boot device {device} is not known to IPMI; known: {', '.join(DEVICES)}")
        uefi = (self._access.boot_mode or "") == "uefi"
        code = DEVICES[device]
        vendor = str(self._access.properties.get("vendor") or "").lower()
        if device == "disk" and uefi and vendor == SUPERMICRO:
            code = SUPERMICRO_UEFI_DISK
        if self._target.disable_boot_timeout:
            # Parameter 3: without it the BMC forgets the flags after 60 s (§28.12, boot flag valid bit clearing).
            self._connection.ask(CHASSIS, SET_BOOT, (3, 8))
        flags = VALID | (PERSISTENT if persistent else 0) | (UEFI if uefi else 0)
        self._connection.ask(CHASSIS, SET_BOOT, (5, flags, code, 0, 0, 0))

    def supported_boot_devices(self) -> tuple[str, ...]:
        return tuple(DEVICES)

    def get_boot_mode(self) -> str | None:
        return None  # the flag in the boot options is a wish for one boot, not the firmware's mode

    def set_boot_mode(self, mode: str) -> None:  # noqa: ARG002
        raise Unsupported("IPMI cannot set the boot mode; it is sent along with each boot device")

    def get_secure_boot(self) -> bool | None:
        return None

    def set_secure_boot(self, enabled: bool) -> None:  # noqa: ARG002
        raise Unsupported("IPMI knows nothing of secure boot")

    def list_indicators(self) -> tuple[Indicator, ...]:
        state = self._lamp()
        return (Indicator(component=LED[0], name=LED[1], state=state, readonly=False, states=("on", "off")),)

    def _lamp(self) -> str:
        flags = self._status()[2]
        if not flags & 0x40:
            return "unknown"  # this BMC does not tell the lamp's state
        return IDENTIFY_STATES.get(flags >> 4 & 3, "unknown")

    def get_indicator(self, component: str, name: str) -> str:
        self._known(component, name)
        return self._lamp()

    def set_indicator(self, component: str, name: str, state: str) -> None:
        self._known(component, name)
        if state not in ("on", "off"):
            raise InvalidRequest(f"indicator led@chassis knows on and off, not {state}")
        self._connection.ask(CHASSIS, IDENTIFY, (0, 1 if state == "on" else 0))

    def _known(self, component: str, name: str) -> None:
        if (component, name) != LED:
            raise NotFound(f"there is no indicator {name}@{component}")

    def get_vendor(self) -> str | None:
        answer = self._connection.ask(APPLICATION, GET_DEVICE_ID)
        if len(answer) < 9:
            return None
        number = int.from_bytes(answer[6:9], "little") & 0xFFFFF
        return VENDORS.get(number, f"IANA {number}") if number else None

    def get_health(self) -> str | None:
        """Critical while the chassis reports a fault of power, drives or cooling (table 28-3)."""
        status = self._status()
        is_faulty = status[0] & 0b01010 or status[2] & 0b1100
        return "Critical" if is_faulty else "OK"

    def read_sensors(self) -> tuple[Sensor, ...]:
        return self._connection.talk(sensors.read)
