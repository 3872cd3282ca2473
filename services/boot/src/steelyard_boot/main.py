"""Puts the real parts together: the only place that knows them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Flask
from steelyard_common import runner
from steelyard_common.bus import connect_service
from steelyard_common.db import Database, Relay, migrate
from steelyard_common.errors import InvalidRequest
from steelyard_common.health import Parts
from steelyard_common.provider import Clock, provide
from steelyard_common.provider.starting import now

from .booting import make_booting
from .domain.catalogue import offer
from .drivers import Source
from .drivers.converting import QemuImg
from .drivers.download import Http, HttpRules
from .drivers.files import Files
from .drivers.folder import Drafts, Folder
from .drivers.oci import Registry
from .handlers import agents as agent_handlers
from .handlers import artifact_requests
from .handlers import artifacts as artifact_handlers
from .handlers import boot_attempts as boot_attempt_handlers
from .handlers.http import make_app
from .handlers.steps import step_functions
from .service.agents import Agents
from .service.artifact_desk import ArtifactDesk
from .service.artifacts import Artifacts, Limits, Shelf
from .service.collecting import Collector, Keeping
from .service.fetch import OneFetch
from .service.fetching import Fetcher, FetchRules
from .service.inventory import Inventory
from .service.own_url import own_url
from .service.reading import Reading
from .settings import Settings
from .working import make_works

NAME = "boot"
MIGRATIONS = "steelyard_boot:migrations"


class Boot(Parts):
    """The running service."""

    def __init__(self) -> None:
        super().__init__()
        self.blueprints: list[Blueprint] = []
        self.finishes: list[Callable[[Flask], None]] = []

    def http(self) -> Flask:
        """What machines ask."""
        app = make_app(self.blueprints)
        for finish in self.finishes:
            finish(app)
        return app


@dataclass(frozen=True, kw_only=True)
class ArtifactParts:
    """All that artifacts are made of."""

    artifacts: Artifacts
    fetcher: Fetcher
    collector: Collector
    reading: Reading
    desk: ArtifactDesk

    def start(self, parts: Parts) -> None:
        """From now on wishes are fetched, and garbage goes."""
        parts.add("fetcher", stop=self.fetcher.start().stop, check=self.fetcher.is_alive)
        parts.add("collector", stop=self.collector.start().stop)
        parts.add("reading", stop=self.reading.start().stop)


def make_artifacts(
    settings: Settings, database: Database, clock: Clock = now, *, free_bytes: Callable[[], int] | None = None,
    **rules: Any,
) -> ArtifactParts:  # fmt: skip
    """``free_bytes``: of the folder, if not as the system says; ``rules``: of ``FetchRules``, that no setting says.

    Errors: InvalidRequest when the folder cannot be used."""
    try:
        storage, drafts = Folder(settings.artifacts_dir), Drafts(settings.artifacts_dir)
    except OSError as error:
        raise InvalidRequest(f"STEELYARD_ARTIFACTS_DIR: {settings.artifacts_dir}: {error.strerror}") from error
    sealer = settings.sealer()
    shelf = Shelf(storage=storage, drafts=drafts, free_bytes=free_bytes or drafts.free_bytes)
    limits = Limits(
        most_bytes=settings.artifacts_most_bytes, spare_bytes=settings.artifacts_spare_bytes,
        allow_md5=settings.allow_md5,
    )  # fmt: skip
    fetch_rules = FetchRules(
        parallel=settings.artifacts_fetches, per_host=settings.artifacts_per_host, whole_s=settings.artifacts_whole_s,
        fresh_s=settings.artifacts_fresh_s, **rules,
    )  # fmt: skip
    keeping = Keeping(unused_s=settings.artifacts_unused_s, keep_bytes=settings.artifacts_keep_bytes)
    collector = Collector(database, shelf, keeping, clock)
    fetch = OneFetch(
        database, shelf, _sources(settings), QemuImg(settings.qemu_img, settings.artifacts_convert_s),
        open_secret=sealer.open, make_room=collector.make_room, limits=limits, rules=fetch_rules, clock=clock,
    )  # fmt: skip
    fetcher = Fetcher(database, fetch, fetch_rules, settings.instance, clock)

    def url() -> str:
        return own_url(settings.boot_url, settings.http_bind, settings.port_file)

    artifacts = Artifacts(database, shelf, url, sealer.fingerprint, limits, wished=fetcher.wake)
    return ArtifactParts(
        artifacts=artifacts,
        fetcher=fetcher,
        collector=collector,
        reading=Reading(database, storage, clock),
        desk=ArtifactDesk(database, artifacts, collector.remove, url, clock),
    )


def _sources(settings: Settings) -> dict[str, Source]:
    rules = HttpRules(
        connect_s=settings.artifacts_connect_s, stall_s=settings.artifacts_stall_s,
        redirects=settings.artifacts_redirects, networks=settings.artifacts_tenant_networks,
        ca_file=settings.artifacts_ca_file,
    )  # fmt: skip
    http = Http(rules)
    return {
        "http": http, "https": http, "file": Files(settings.artifacts_files),
        "oci": Registry(http, settings.artifacts_plain_registries),
    }  # fmt: skip


def start(settings: Settings) -> Boot:
    """Errors: Unavailable while the bus or the database is away."""
    parts = Boot()
    database = Database(settings.database_url, NAME, pool_size=settings.database_pool)
    parts.add("database", stop=database.close, check=database.is_alive)
    bus = connect_service(settings, NAME)
    parts.add("bus", stop=bus.close, check=lambda: bus.is_connected)
    parts.add("outbox", stop=Relay(database, bus).start().stop)
    artifacts = make_artifacts(settings, database)
    artifacts.start(parts)
    parts.blueprints.append(artifact_handlers.blueprint(artifacts.reading))
    inventory = Inventory(bus, settings.site)
    booting = make_booting(
        settings, database, artifacts.artifacts, artifacts.collector.remove, knows=inventory.knows_machine
    )
    booting.start(parts, settings)
    parts.blueprints += booting.blueprints(artifacts.reading)
    parts.finishes.append(booting.watch)
    agents = Agents(
        database, settings.sealer(), inventory, now, settings.agent_rules(), require_tls=settings.agent_require_tls,
        came=booting.trail.came, refused=booting.trail.refused,
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
