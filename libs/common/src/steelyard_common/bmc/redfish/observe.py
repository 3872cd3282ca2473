"""Health and sensors. Thermal and Power where a chassis has them, else its Sensors (Redfish 2020.4 and later)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .. import Sensor
from .connection import Document, RedfishConnection

MOST_SENSORS = 128  # a collection that cannot be expanded costs one request each
EXPAND = "?$expand=.($levels=1)"
# (resource, list in it, kind, names of the reading, unit or the name of the unit's field)
TABLE: tuple[tuple[str, str, str, tuple[str, ...], str], ...] = (
    ("Thermal", "Temperatures", "Temperature", ("ReadingCelsius",), "Celsius"),
    ("Thermal", "Fans", "Fan", ("Reading", "ReadingRPM"), "ReadingUnits"),
    ("Power", "Voltages", "Voltage", ("ReadingVolts",), "Volts"),
    ("Power", "PowerSupplies", "Power", ("PowerInputWatts", "LastPowerOutputWatts", "PowerOutputWatts"), "Watts"),
    ("Power", "PowerControl", "Power", ("PowerConsumedWatts",), "Watts"),
)
KINDS = {"Rotational": "Fan", "EnergykWh": "Energy"}


def health(resource: Document) -> str | None:
    """OK, Warning or Critical: of the node with all its parts where the BMC says so."""
    status = resource.get("Status") or {}
    return status.get("HealthRollup") or status.get("Health")


def sensors(connection: RedfishConnection, system: Document) -> tuple[Sensor, ...]:
    found: list[Sensor] = []
    for link in (system.get("Links") or {}).get("Chassis") or []:
        chassis = connection.expanded(link) or {}
        classic = list(_classic(connection, chassis))
        found += classic or _modern(connection, chassis)
    return tuple(found + list(_drives(connection, system)))


def _number(values: Iterator[Any]) -> float | None:
    return next((float(value) for value in values if isinstance(value, (int, float))), None)


def _classic(connection: RedfishConnection, chassis: Document) -> Iterator[Sensor]:
    read: dict[str, Document] = {}
    for resource, group, kind, readings, unit in TABLE:
        if resource not in read:
            read[resource] = connection.optional((chassis.get(resource) or {}).get("@odata.id")) or {}
        for item in read[resource].get(group) or []:
            if (item.get("Status") or {}).get("State") == "Absent":
                continue
            yield Sensor(
                kind=kind,
                name=str(item.get("Name") or item.get("FanName") or item.get("MemberId")),
                value=_number(item.get(reading) for reading in readings),
                unit=item.get(unit) if unit == "ReadingUnits" else unit,
                health=(item.get("Status") or {}).get("Health"),
            )


def _modern(connection: RedfishConnection, chassis: Document) -> list[Sensor]:
    path = (chassis.get("Sensors") or {}).get("@odata.id")
    if not path:
        return []
    features = connection.root().json.get("ProtocolFeaturesSupported") or {}
    expands = (features.get("ExpandQuery") or {}).get("NoLinks") or (features.get("ExpandQuery") or {}).get("Levels")
    collection = connection.optional(path + EXPAND if expands else path) or {}
    documents = (connection.expanded(member) for member in (collection.get("Members") or [])[:MOST_SENSORS])
    return [_sensor(document) for document in documents if document]


def _sensor(document: Document) -> Sensor:
    kind = str(document.get("ReadingType") or "Sensor")
    return Sensor(
        kind=KINDS.get(kind, kind),
        name=str(document.get("Name") or document.get("Id")),
        value=_number(iter([document.get("Reading")])),
        unit=document.get("ReadingUnits"),
        health=(document.get("Status") or {}).get("Health"),
    )


def _drives(connection: RedfishConnection, system: Document) -> Iterator[Sensor]:
    follow: Callable[[Document], Document | None] = connection.expanded
    for storage in connection.members((system.get("Storage") or {}).get("@odata.id")):
        for link in storage.get("Drives") or []:
            drive = follow(link) or {}
            status = drive.get("Status") or {}
            if drive:
                name = str(drive.get("Name") or drive.get("Id"))
                yield Sensor(kind="Drive", name=name, value=status.get("State"), unit=None, health=status.get("Health"))
