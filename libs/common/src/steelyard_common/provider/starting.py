"""A whole service out of an offer and a table of step functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from .. import runner
from ..bus import Bus, connect_service
from ..contracts.catalogue import Offer
from ..health import Parts
from ..runner import ServiceSpec
from ..settings import CommonSettings, env, positive
from .announcing import Announcer
from .slices import Functions
from .standing import Standing
from .stepping import StepProvider, consume


@dataclass(frozen=True, kw_only=True)
class ProviderSettings(CommonSettings):
    """What every step provider reads."""

    conductor_group: str = field(
        default="",
        metadata=env("STEELYARD_CONDUCTOR_GROUP", "the group of nodes that this worker announces itself for"),
    )
    step_workers: int = field(
        default=8, metadata=env("STEELYARD_STEP_WORKERS", "steps of one interface run at once", parse=positive)
    )


S = TypeVar("S", bound=ProviderSettings)
Make = Callable[[S, Bus], Functions]


def now() -> datetime:
    return datetime.now(UTC)


def provide(parts: Parts, bus: Bus, settings: ProviderSettings, offer: Offer, functions: Functions) -> None:
    """Take steps from now on, and say so."""
    provider = StepProvider(
        bus, functions,
        site=settings.site, service=offer.service, instance=settings.instance, is_out=Standing(bus, settings.site),
    )  # fmt: skip
    consume(bus, provider, site=settings.site, interfaces=offer.provides, workers=settings.step_workers)
    announcer = Announcer(
        bus, offer,
        site=settings.site, instance=settings.instance, conductor_group=settings.conductor_group,
        version=runner.version_of(offer.service),
    )  # fmt: skip
    announcer.start()
    parts.add("announcer", stop=announcer.stop)


def service_spec(offer: Offer, settings: type[S], make: Make[S]) -> ServiceSpec[S, Parts]:
    """The service that provides ``offer`` and keeps nothing. ``make``: (settings, bus) → its step functions."""

    def start(given: S) -> Parts:
        """Errors: Unavailable while the bus does not take us."""
        parts = Parts()
        bus = connect_service(given, offer.service)
        parts.add("bus", stop=bus.close, check=lambda: bus.is_connected)
        provide(parts, bus, given, offer, make(given, bus))
        return parts

    return ServiceSpec(name=offer.service, settings=settings, start=start)
