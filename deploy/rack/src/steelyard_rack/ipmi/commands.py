"""What an IPMI BMC can be told within a session: ``COMMANDS`` at the end, (netfn, command) → what it does.

Numbers are those of the IPMI 2.0 specification: chassis commands §28, global commands §20, sensors §35.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from ..machine import Action, Machine, NotPossible, Power
from . import sdr

NODE_BUSY = 0xC0
UNKNOWN_COMMAND = 0xC1
INVALID_LENGTH = 0xC7
OUT_OF_RANGE = 0xC9
NO_SUCH_SENSOR = 0xCB
INVALID_FIELD = 0xCC
WRONG_STATE = 0xD5
UNKNOWN_PARAMETER = 0x80

# Boot device number in the boot flags (table 28-14) ↔ Redfish's word, which the machine uses.
_DEVICES = {0: "None", 1: "Pxe", 2: "Hdd", 3: "Hdd", 4: "Diags", 5: "Cd", 6: "BiosSetup", 15: "Usb"}
_DEVICE_NUMBERS = {"None": 0, "Pxe": 1, "Hdd": 2, "Diags": 4, "Cd": 5, "BiosSetup": 6, "Usb": 15, "UefiHttp": 1}

# Chassis control (§28.3): what it asks of the machine, and its name in ipmitool's words.
_CONTROLS = {
    0: (Action.FORCE_OFF, "power down"),
    1: (Action.ON, "power up"),
    2: (Action.POWER_CYCLE, "power cycle"),
    3: (Action.FORCE_RESTART, "hard reset"),
    4: (Action.NMI, "pulse diagnostic interrupt"),
    5: (Action.GRACEFUL_SHUTDOWN, "soft shutdown"),
}
_IGNORED_PARAMETERS = (0, 3, 4)
_BOOT_FLAGS = 5
_VALID, _PERSISTENT, _UEFI = 0x80, 0x40, 0x20


@dataclass(frozen=True, slots=True)
class Answer:
    """A completion code and the bytes behind it."""

    code: int = 0
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its name for the record, whether it changes something, and what it does."""

    title: str
    run: Callable[[Machine, bytes, float], Answer]
    is_write: bool = False
    is_power: bool = False

    def name(self, data: bytes) -> str:
        """The name for the record; a power command is named by what it asks."""
        if self.is_power and data:
            return f"chassis control {_CONTROLS.get(data[0] & 0b1111, ('', 'unknown'))[1]}"
        return self.title


def _device_id(_machine: Machine, _data: bytes, _now: float) -> Answer:
    # Device 0x20, firmware 1.00, IPMI 2.0; chassis, SDR repository and sensors; no manufacturer, product 1.
    return Answer(data=bytes([0x20, 0x01, 0x01, 0x00, 0x02, 0x83, 0, 0, 0, 1, 0]))


def _self_test(_machine: Machine, _data: bytes, _now: float) -> Answer:
    return Answer(data=b"\x55\x00")


def _guid(machine: Machine, _data: bytes, _now: float) -> Answer:
    return Answer(data=uuid.UUID(machine.identity.uuid).bytes_le)


def _chassis_status(machine: Machine, _data: bytes, now: float) -> Answer:
    # IPMI knows no "powering": the power is good until it is gone, and not before it is there.
    is_on = machine.reported_power(now) in (Power.ON, Power.POWERING_OFF)
    led = {"Off": 0, "Blinking": 1, "Lit": 2}[machine.led(now)]
    return Answer(data=bytes([int(is_on), 0, 0x40 | led << 4]))


def _chassis_control(machine: Machine, data: bytes, now: float) -> Answer:
    if not data:
        return Answer(INVALID_LENGTH)
    if data[0] & 0b1111 not in _CONTROLS:
        return Answer(INVALID_FIELD)
    try:
        machine.act(_CONTROLS[data[0] & 0b1111][0], now)
    except NotPossible:
        return Answer(WRONG_STATE)
    return Answer()


def _identify(machine: Machine, data: bytes, now: float) -> Answer:
    seconds = data[0] if data else 15
    if len(data) > 1 and data[1] & 1:
        machine.set_led("Lit")
    elif seconds:
        machine.set_led("Blinking", until=now + seconds)
    else:
        machine.set_led("Off")
    return Answer()


def _set_boot_options(machine: Machine, data: bytes, _now: float) -> Answer:
    if not data:
        return Answer(INVALID_LENGTH)
    parameter = data[0] & 0x7F
    if parameter in _IGNORED_PARAMETERS:
        return Answer()
    if parameter != _BOOT_FLAGS:
        return Answer(UNKNOWN_PARAMETER)
    if len(data) < 3:
        return Answer(INVALID_LENGTH)
    device = data[2] >> 2 & 0b1111
    if device not in _DEVICES:
        return Answer(INVALID_FIELD)
    if not data[1] & _VALID or device == 0:
        machine.boot.target, machine.boot.enabled = "None", "Disabled"
    else:
        machine.boot.target = _DEVICES[device]
        machine.boot.enabled = "Continuous" if data[1] & _PERSISTENT else "Once"
    if data[1] & _VALID:
        machine.boot.mode = "UEFI" if data[1] & _UEFI else "Legacy"
    return Answer()


def _get_boot_options(machine: Machine, data: bytes, _now: float) -> Answer:
    if not data:
        return Answer(INVALID_LENGTH)
    if data[0] & 0x7F != _BOOT_FLAGS:
        return Answer(UNKNOWN_PARAMETER)
    flags = _VALID if machine.boot.enabled != "Disabled" else 0
    flags |= _PERSISTENT if machine.boot.enabled == "Continuous" else 0
    flags |= _UEFI if machine.boot.mode == "UEFI" else 0
    device = _DEVICE_NUMBERS.get(machine.boot.target, 0)
    return Answer(data=bytes([1, _BOOT_FLAGS, flags, device << 2, 0, 0, 0]))


def _repository(_machine: Machine, _data: bytes, _now: float) -> Answer:
    return Answer(data=sdr.repository_info())


def _reserve(_machine: Machine, _data: bytes, _now: float) -> Answer:
    return Answer(data=b"\x01\x00")


def _get_sdr(_machine: Machine, data: bytes, _now: float) -> Answer:
    if len(data) < 6:
        return Answer(INVALID_LENGTH)
    found = sdr.record_part(data[2] | data[3] << 8, data[4], data[5])
    return Answer(NO_SUCH_SENSOR) if found is None else Answer(data=found)


def _sensor_reading(machine: Machine, data: bytes, now: float) -> Answer:
    if not data:
        return Answer(INVALID_LENGTH)
    found = sdr.sensor_reading(machine, data[0], now)
    return Answer(NO_SUCH_SENSOR) if found is None else Answer(data=found)


COMMANDS = {
    (0x00, 0x01): Command("chassis status", _chassis_status),
    (0x00, 0x02): Command("chassis control", _chassis_control, is_write=True, is_power=True),
    (0x00, 0x04): Command("chassis identify", _identify, is_write=True),
    (0x00, 0x08): Command("set boot options", _set_boot_options, is_write=True),
    (0x00, 0x09): Command("get boot options", _get_boot_options),
    (0x04, 0x2D): Command("get sensor reading", _sensor_reading),
    (0x06, 0x01): Command("get device id", _device_id),
    (0x06, 0x04): Command("get self test", _self_test),
    (0x06, 0x37): Command("get system guid", _guid),
    (0x0A, 0x20): Command("get sdr repository info", _repository),
    (0x0A, 0x22): Command("reserve sdr repository", _reserve),
    (0x0A, 0x23): Command("get sdr", _get_sdr),
}
