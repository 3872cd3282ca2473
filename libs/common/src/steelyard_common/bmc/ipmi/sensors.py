"""Sensors over IPMI: the SDR repository (read once, kept by pyghmi) and one reading for each sensor."""

from __future__ import annotations

from typing import Any

from pyghmi import exceptions
from pyghmi.ipmi import sdr
from pyghmi.ipmi.private import constants

from .. import Sensor
from .session import RmcpSession

SENSOR_EVENT, GET_READING = 0x04, 0x2D
NO_SUCH_SENSOR = 0xCB
HEALTH = {0: "OK", 1: "Warning", 2: "Critical", 4: "Critical"}
UNITS = {"°C": "Celsius", "°F": "Fahrenheit", "W": "Watts", "V": "Volts", "A": "Amps"}


class _Commands:
    """What pyghmi's SDR reader needs of pyghmi's Command class, without its vendor extensions (they open HTTPS)."""

    def __init__(self, session: RmcpSession) -> None:
        self._session = session

    def raw_command(self, netfn: int, command: int, data: Any = (), rslun: int = 0, **_extra: Any) -> Any:
        return self._session.raw_command(netfn, command, data=data, rslun=rslun)

    def xraw_command(self, netfn: int, command: int, data: Any = (), rslun: int = 0, **_extra: Any) -> Any:
        answer = self.raw_command(netfn, command, data=data, rslun=rslun)
        if "error" in answer:
            raise exceptions.IpmiException(answer["error"], answer["code"])
        return answer

    def get_event_constants(self) -> Any:
        return constants


def read(session: RmcpSession) -> tuple[Sensor, ...]:
    """All readable sensors. A BMC without an SDR repository has none."""
    commands = _Commands(session)
    try:
        repository = sdr.SDR(commands)
    except (NotImplementedError, exceptions.IpmiException):
        return ()
    found = []
    for number in list(repository.get_sensor_numbers()):
        entry = repository.sensors[number]
        answer = commands.raw_command(SENSOR_EVENT, GET_READING, (entry.sensor_number,), rslun=entry.sensor_lun)
        if answer.get("code"):
            continue  # absent, or not readable at present
        found.append(_sensor(entry.decode_sensor_reading(commands, answer["data"])))
    return tuple(found)


def _sensor(reading: Any) -> Sensor:
    value = reading.value
    states = ", ".join(str(state) for state in reading.states)
    return Sensor(
        kind=str(reading.type),
        name=str(reading.name),
        value=(float(value) if isinstance(value, (int, float)) else states or None)
        if not reading.unavailable
        else None,
        unit=UNITS.get(str(reading.units).strip(), str(reading.units).strip() or None),
        health=HEALTH.get(int(reading.health)),
    )
