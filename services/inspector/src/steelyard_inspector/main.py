"""Puts the real parts together: the only place that knows them all."""

from __future__ import annotations

from steelyard_common import runner
from steelyard_common.bus import Bus
from steelyard_common.provider import Functions, service_spec
from steelyard_common.provider.starting import now

from .domain import OFFER
from .handlers import SERVICE, endpoints, step_functions
from .service.inspections import Inspections
from .settings import Settings


def make(settings: Settings, bus: Bus) -> Functions:
    """Serve what ramdisks tell. → the steps"""
    bus.serve(SERVICE, endpoints(settings.site, Inspections(bus, settings.site)))
    return step_functions(now, settings.add_ports)


SPEC = service_spec(OFFER, Settings, make)


def main() -> int:
    """→ exit status"""
    return runner.main(SPEC)
