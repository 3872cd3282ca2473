"""Puts the real parts together: the only place that knows them all."""

from __future__ import annotations

from flask import Flask
from steelyard_common import runner
from steelyard_common.bus import connect_service
from steelyard_common.db import Database, Relay, migrate
from steelyard_common.health import Parts
from steelyard_common.provider import provide
from steelyard_common.provider.starting import now

from .domain.catalogue import OFFER
from .handlers import agents as agent_handlers
from .handlers.http import make_app
from .handlers.steps import step_functions
from .service.agents import Agents
from .service.inventory import Inventory
from .settings import Settings

NAME = "boot"
MIGRATIONS = "steelyard_boot:migrations"


class Boot(Parts):
    """The running service."""

    def http(self) -> Flask:
        """What machines ask."""
        return make_app([])


def start(settings: Settings) -> Boot:
    """Errors: Unavailable while the bus or the database is away."""
    parts = Boot()
    database = Database(settings.database_url, NAME, pool_size=settings.database_pool)
    parts.add("database", stop=database.close, check=database.is_alive)
    bus = connect_service(settings, NAME)
    parts.add("bus", stop=bus.close, check=lambda: bus.is_connected)
    parts.add("outbox", stop=Relay(database, bus).start().stop)
    agents = Agents(
        database, settings.sealer(), Inventory(bus, settings.site), now, settings.agent_rules(),
        require_tls=settings.agent_require_tls,
    )  # fmt: skip
    bus.serve(NAME, agent_handlers.endpoints(settings.site, agents))
    provide(parts, bus, settings, OFFER, step_functions(now))
    return parts


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
