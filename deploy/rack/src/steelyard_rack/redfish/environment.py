"""The Thermal and Power documents of a chassis (DSP2046), made from the sensors."""

from typing import Any

from ..machine import Machine
from ..sensors import Reading, readings


def thermal_document(machine: Machine, now: float) -> dict[str, Any]:
    """Temperatures and fans."""
    found = readings(machine, now)
    return {
        "@odata.type": "#Thermal.v1_6_0.Thermal",
        "Id": "Thermal",
        "Name": "Thermal",
        "Status": _status(machine),
        "Temperatures": [_temperature(machine, reading) for reading in found if reading.unit == "Cel"],
        "Fans": [_fan(machine, reading) for reading in found if reading.unit == "RPM"],
    }


def power_document(machine: Machine, now: float) -> dict[str, Any]:
    """Watts, volts and the power supplies."""
    found = readings(machine, now)
    watts = next(reading.value for reading in found if reading.unit == "W")
    return {
        "@odata.type": "#Power.v1_6_0.Power",
        "Id": "Power",
        "Name": "Power",
        "PowerControl": [_power_control(machine, watts)],
        "Voltages": [_voltage(machine, reading) for reading in found if reading.unit == "V"],
        "PowerSupplies": [_supply(machine, number, watts / 2) for number in (1, 2)],
    }


def _status(machine: Machine, *, is_present: bool = True) -> dict[str, str]:
    return {"State": "Enabled" if is_present else "StandbyOffline", "Health": machine.faults.health or "OK"}


def _temperature(machine: Machine, reading: Reading) -> dict[str, Any]:
    return {
        "MemberId": str(reading.number),
        "Name": reading.name,
        "SensorNumber": reading.number,
        "Status": _status(machine),
        "ReadingCelsius": reading.value,
        "UpperThresholdCritical": reading.upper_critical,
        "PhysicalContext": reading.context,
    }


def _fan(machine: Machine, reading: Reading) -> dict[str, Any]:
    return {
        "MemberId": str(reading.number),
        "Name": reading.name,
        "Status": _status(machine, is_present=reading.value > 0),
        "Reading": int(reading.value),
        "ReadingUnits": "RPM",
        "LowerThresholdCritical": reading.lower_critical,
        "PhysicalContext": reading.context,
    }


def _power_control(machine: Machine, watts: float) -> dict[str, Any]:
    return {
        "MemberId": "0",
        "Name": "System Power Control",
        "PowerConsumedWatts": watts,
        "PowerCapacityWatts": 1600,
        "Status": _status(machine),
    }


def _voltage(machine: Machine, reading: Reading) -> dict[str, Any]:
    return {
        "MemberId": str(reading.number),
        "Name": reading.name,
        "ReadingVolts": reading.value,
        "UpperThresholdCritical": reading.upper_critical,
        "LowerThresholdCritical": reading.lower_critical,
        "Status": _status(machine),
    }


def _supply(machine: Machine, number: int, watts: float) -> dict[str, Any]:
    return {
        "MemberId": str(number),
        "Name": f"PSU {number}",
        "Manufacturer": machine.identity.manufacturer,
        "Model": "PSU-800",
        "SerialNumber": f"{machine.identity.serial}-P{number}",
        "PowerSupplyType": "AC",
        "LineInputVoltage": 230,
        "LastPowerOutputWatts": round(watts, 1),
        "PowerCapacityWatts": 800,
        "Status": _status(machine),
    }
