"""Sensor data records (IPMI 2.0 §43.1) and readings (§35.14), made from the machine's sensors."""

import struct
from dataclasses import dataclass

from ..hardware import Identity
from ..machine import Machine
from ..sensors import Reading, readings


@dataclass(frozen=True, slots=True)
class _Kind:
    """How values of a unit travel in one byte: value = raw × factor × 10^exponent (§36.3)."""

    sensor_type: int
    unit: int
    factor: int
    exponent: int

    def raw(self, value: float) -> int:
        return max(0, min(255, round(value / (self.factor * 10.0**self.exponent))))


_KINDS = {
    "Cel": _Kind(0x01, 1, 1, 0),
    "V": _Kind(0x02, 4, 6, -2),
    "RPM": _Kind(0x04, 18, 40, 0),
    "W": _Kind(0x0B, 6, 2, 0),
}
_ENTITY = 7  # system board
_UPPER_CRITICAL, _LOWER_CRITICAL = 0x10, 0x04
_SCANNING, _UNAVAILABLE = 0xC0, 0x20


def _record(number: int, reading: Reading) -> bytes:
    kind = _KINDS[reading.unit]
    upper = kind.raw(reading.upper_critical) if reading.upper_critical is not None else 0
    lower = kind.raw(reading.lower_critical) if reading.lower_critical is not None else 0
    has_upper = _UPPER_CRITICAL if reading.upper_critical is not None else 0
    has_lower = _LOWER_CRITICAL if reading.lower_critical is not None else 0
    name = reading.name.encode()[:16]
    body = bytes([0x20, 0, reading.number, _ENTITY, 1, 0x7F, 0x68, kind.sensor_type, 1])
    body += bytes(4) + bytes([has_upper | has_lower, 0])  # no events; which thresholds can be read
    body += bytes([0, kind.unit, 0, 0, kind.factor, 0, 0, 0, 0, (kind.exponent & 0xF) << 4])
    body += bytes([0, 0, 0, 0, 255, 0])  # analog flags, nominal, normal and possible range
    body += bytes([0, upper, 0, 0, lower, 0, 0, 0, 0, 0, 0, 0xC0 | len(name)]) + name
    return struct.pack("<HBBB", number, 0x51, 1, len(body)) + body


def _make_records() -> list[bytes]:
    # The records say which sensors there are and how to read them: the same for every machine.
    machine = Machine(Identity(name="", uuid="", serial="", macs=(), seed=0))
    return [_record(number, reading) for number, reading in enumerate(readings(machine, 0.0), start=1)]


_RECORDS = _make_records()


def repository_info() -> bytes:
    """Get SDR Repository Info (§33.9): version, count, free space, times, reservations are supported."""
    return struct.pack("<BHHIIB", 0x51, len(_RECORDS), 0, 1, 1, 0x02)


def record_part(number: int, offset: int, count: int) -> bytes | None:
    """Get SDR (§33.12): number of the next record, then a part of this one; None when there is no such record."""
    index = max(number, 1) - 1
    if index >= len(_RECORDS):
        return None
    following = index + 2 if index + 1 < len(_RECORDS) else 0xFFFF
    part = _RECORDS[index][offset:] if count == 0xFF else _RECORDS[index][offset : offset + count]
    return struct.pack("<H", following) + part


def sensor_reading(machine: Machine, number: int, now: float) -> bytes | None:
    """Get Sensor Reading (§35.14), or None when there is no such sensor. Fans of a machine that is off have none."""
    reading = next((found for found in readings(machine, now) if found.number == number), None)
    if reading is None:
        return None
    raw = _KINDS[reading.unit].raw(reading.value)
    if reading.unit == "RPM" and not reading.value:
        return bytes([0, _SCANNING | _UNAVAILABLE, 0])
    status = 0
    if reading.upper_critical is not None and reading.value >= reading.upper_critical:
        status |= _UPPER_CRITICAL
    if reading.lower_critical is not None and reading.value <= reading.lower_critical:
        status |= _LOWER_CRITICAL
    return bytes([raw, _SCANNING, status])
