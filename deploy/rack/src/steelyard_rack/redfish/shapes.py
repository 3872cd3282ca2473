"""Shapes that many Redfish documents share (DSP0266 §9): links, collections, status."""

from typing import Any

from ..machine import Machine
from .bmc import RedfishBmc

Document = dict[str, Any]


def link(bmc: RedfishBmc, path: str) -> Document:
    """A reference to the document at a path below /redfish/v1."""
    return {"@odata.id": f"{bmc.prefix}/redfish/v1{path}"}


def collection(bmc: RedfishBmc, kind: str, paths: list[str]) -> Document:
    """A collection of documents of one kind."""
    return {
        "@odata.type": f"#{kind}Collection.{kind}Collection",
        "Name": f"{kind} Collection",
        "Members@odata.count": len(paths),
        "Members": [link(bmc, path) for path in paths],
    }


def status(machine: Machine, *, is_on: bool = True) -> Document:
    """State and health."""
    health = machine.faults.health or "OK"
    return {"State": "Enabled" if is_on else "StandbyOffline", "Health": health, "HealthRollup": health}
