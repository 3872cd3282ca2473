"""Lamps of the system, its chassis and its drives: IndicatorLED, and LocationIndicatorActive, which replaced it.

Named as Ironic names them: ``<Id>@<component>``, with the component ``disk`` for drives.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import InvalidRequest, NotFound
from .. import Indicator
from .connection import Document, RedfishConnection

STATES = {"Lit": "on", "Off": "off", "Blinking": "blinking", "Unknown": "unknown"}
WORDS = {ours: foreign for foreign, ours in STATES.items() if ours != "unknown"}
CLASSIC, ACTIVE = "IndicatorLED", "LocationIndicatorActive"


def _links(document: Document, *path: str) -> list[Document]:
    found: object = document
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return [link for link in found if isinstance(link, dict)] if isinstance(found, list) else []


def _resources(connection: RedfishConnection, system: Document) -> Iterator[tuple[str, Document]]:
    yield "system", system
    for link in _links(system, "Links", "Chassis"):
        chassis = connection.expanded(link)
        if chassis:
            yield "chassis", chassis
    for storage in connection.members((system.get("Storage") or {}).get("@odata.id")):
        for link in _links(storage, "Drives"):
            drive = connection.expanded(link)
            if drive:
                yield "disk", drive


def _indicator(component: str, resource: Document) -> Indicator | None:
    name = str(resource.get("Id") or resource.get("UUID") or "")
    if not name:
        return None
    if resource.get(CLASSIC) in STATES:
        state, states = STATES[resource[CLASSIC]], tuple(WORDS)
    elif isinstance(resource.get(ACTIVE), bool):
        state, states = ("on" if resource[ACTIVE] else "off"), ("on", "off")
    else:
        return None
    return Indicator(component=component, name=name, state=state, readonly=False, states=states)


def found(connection: RedfishConnection, system: Document) -> tuple[Indicator, ...]:
    pairs = (_indicator(component, resource) for component, resource in _resources(connection, system))
    return tuple(indicator for indicator in pairs if indicator is not None)


def _one(connection: RedfishConnection, system: Document, component: str, name: str) -> tuple[Indicator, Document]:
    for kind, resource in _resources(connection, system):
        indicator = _indicator(kind, resource) if kind == component else None
        if indicator is not None and indicator.name == name:
            return indicator, resource
    raise NotFound(f"there is no indicator {name}@{component}")


def read(connection: RedfishConnection, system: Document, component: str, name: str) -> str:
    return _one(connection, system, component, name)[0].state


def switch(connection: RedfishConnection, system: Document, component: str, name: str, state: str) -> None:
    """Errors: NotFound, InvalidRequest (this lamp has no such state), and the BMC's."""
    indicator, resource = _one(connection, system, component, name)
    if state not in indicator.states:
        raise InvalidRequest(f"indicator {name}@{component} knows {', '.join(indicator.states)}, not {state}")
    classic = resource.get(CLASSIC) in STATES
    changes: Document = {CLASSIC: WORDS[state]} if classic else {ACTIVE: state == "on"}
    connection.patch(str(resource["@odata.id"]), changes)
