"""Puts the real parts together: the only place that knows them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flask import Blueprint, Flask
from steelyard_common import runner
from steelyard_common.bus import connect_service
from steelyard_common.db import Database, Relay, migrate
from steelyard_common.health import Parts
from steelyard_common.http.at_once import Desk, Desked
from steelyard_common.provider import provide
from steelyard_common.provider.starting import now
from steelyard_common.telemetry import get_logger

from .booting import make_booting
from .domain.catalogue import offer
from .handlers import agents as agent_handlers
from .handlers import artifact_requests
from .handlers import artifacts as artifact_handlers
from .handlers import boot_attempts as boot_attempt_handlers
from .handlers import installers as installer_handlers
from .handlers.artifacts import serve
from .handlers.boot_desks import desks
from .handlers.http import make_app
from .handlers.steps import step_functions
from .keeping import make_artifacts
from .service.agents import Agents
from .service.inventory import Inventory
from .service.kickstarts import Kickstarts
from .service.reading import Reading
from .service.refusals import Refusals
from .service.traffic import Traffic
from .settings import Settings
from .settings_doubts import doubts
from .working import make_kickstarts, make_works

log = get_logger(__name__)
NAME = "boot"
MIGRATIONS = "steelyard_boot:migrations"


class Boot(Parts):
    """The running service."""

    def __init__(self) -> None:
        super().__init__()
        self.blueprints: list[Blueprint] = []
        self.finishes: list[Callable[[Flask], None]] = []
        self.desks: dict[str, Desk] = {}

    def http(self) -> Desked:
        """What machines ask."""
        app = make_app(self.blueprints)
        for finish in self.finishes:
            finish(app)
        return Desked(app, self.desks)


def start(settings: Settings) -> Boot:
    """Errors: Unavailable while the bus or the database is away."""
    parts = Boot()
    database = Database(settings.database_url, NAME, pool_size=settings.database_pool)
    parts.add("database", stop=database.close, check=database.is_alive)
    bus = connect_service(settings, NAME)
    parts.add("bus", stop=bus.close, check=lambda: bus.is_connected)
    parts.add("outbox", stop=Relay(database, bus).start().stop)
    for doubt in doubts(settings):
        log.warning("a setting may be wrong", what=doubt)
    artifacts = make_artifacts(settings, database)
    artifacts.start(parts)
    parts.blueprints.append(artifact_handlers.blueprint(artifacts.reading))
    inventory = Inventory(bus, settings.site)
    booting = make_booting(settings, database, artifacts, knows=inventory.knows_machine)
    booting.start(parts, settings)
    parts.blueprints += booting.blueprints(artifacts.reading)
    parts.blueprints.append(_installers(make_kickstarts(settings, database), booting.traffic, artifacts.reading))
    parts.finishes.append(booting.watch)
    parts.desks = desks(booting.scripts)
    agents = Agents(
        database, settings.sealer(), inventory, now, settings.agent_rules(), require_tls=settings.agent_require_tls,
        came=booting.trail.came, refusals=Refusals(inventory, now, booting.trail.refused),
    )  # fmt: skip
    works = make_works(settings, parts, agents, inventory, artifacts.artifacts, booting.boots, database=database)
    forgets = [booting.forget, *([works.dns.forget] if works.dns is not None else [])]
    endpoints = [
        *artifact_requests.endpoints(settings.site, artifacts.desk),
        *agent_handlers.endpoints(settings.site, agents),
        *boot_attempt_handlers.endpoints(settings.site, booting.attempts(inventory.node_uuid)),
    ]
    bus.serve(NAME, endpoints)
    boot_attempt_handlers.listen(bus, settings.site, booting.trail.note, _all_of(forgets))
    offered = offer(dns=works.dns is not None, ramdisks=settings.ramdisks())
    provide(parts, bus, settings, offered, step_functions(now, works))
    return parts


def _installers(kickstarts: Kickstarts, traffic: Traffic, reading: Reading) -> Blueprint:
    return installer_handlers.blueprint(kickstarts, traffic, lambda key: serve(reading, key))


def _all_of(forgets: Sequence[Callable[[str], None]]) -> Callable[[str], None]:
    def forget(node_uuid: str) -> None:
        for each in forgets:
            each(node_uuid)

    return forget


SPEC = runner.ServiceSpec(
    name=NAME,
    settings=Settings,
    start=start,
    make_app=lambda _settings, parts: parts.http(),
    migrate=lambda settings: migrate(NAME, settings.database_url, NAME, MIGRATIONS),
)


def main() -> int:
    """→ exit status"""
    return runner.main(SPEC)
