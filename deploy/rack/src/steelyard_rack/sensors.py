"""What the sensors of a machine show: values that drift with time and follow the power. Pure."""

import math
from dataclasses import dataclass

from .machine import Machine, Power


@dataclass(frozen=True, slots=True)
class Reading:
    """One sensor. ``unit`` is Cel, RPM, W or V; ``upper_critical`` and ``lower_critical`` may be missing."""

    number: int
    name: str
    unit: str
    value: float
    context: str = ""
    upper_critical: float | None = None
    lower_critical: float | None = None


def readings(machine: Machine, now: float) -> list[Reading]:
    """All sensors of the machine at this moment."""
    load = _load(machine, now)
    hot = 30.0 if machine.faults.health == "Critical" else 0.0
    fan_rpm = round(2400 + 5200 * load) if load else 0
    watts = round(120 + 280 * load, 1) if load else 6.5
    return [
        Reading(1, "Inlet Temp", "Cel", round(22 + _drift(machine, now, 1, 1.5), 1), "Intake", 45),
        Reading(2, "CPU1 Temp", "Cel", round(28 + 40 * load + hot + _drift(machine, now, 2, 2), 1), "CPU", 95),
        Reading(3, "Exhaust Temp", "Cel", round(25 + 18 * load + _drift(machine, now, 3, 1.5), 1), "Exhaust", 75),
        Reading(4, "Fan 1", "RPM", fan_rpm, "SystemBoard", lower_critical=500),
        Reading(5, "Fan 2", "RPM", fan_rpm, "SystemBoard", lower_critical=500),
        Reading(6, "Power", "W", watts),
        Reading(
            7, "12V", "V", round(12.0 + _drift(machine, now, 4, 0.08), 2), upper_critical=13.2, lower_critical=10.8
        ),
    ]


def _load(machine: Machine, now: float) -> float:
    """0 while off, else between 0.1 and 0.9, in waves of some minutes."""
    if machine.power(now) is Power.OFF:
        return 0.0
    return 0.5 + 0.4 * math.sin(now / 97 + machine.identity.seed % 628 / 100)


def _drift(machine: Machine, now: float, sensor: int, width: float) -> float:
    return width * math.sin(now / (31 + 7 * sensor) + (machine.identity.seed >> sensor) % 628 / 100)
