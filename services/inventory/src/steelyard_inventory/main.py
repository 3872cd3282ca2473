"""Puts inventory's real parts together: the only place that knows them all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from steelyard_common.bus import Bus, Endpoint, Streams, connect_service
from steelyard_common.db import Database, Relay, migrate
from steelyard_common.health import Parts
from steelyard_common.runner import ServiceSpec
from steelyard_common.runner import main as run

from .domain.plans import PlanRules
from .domain.projection import SyncRules
from .domain.recipe_rules import DEPLOY_TEMPLATE, INSPECTION_RULE, RUNBOOK
from .domain.workflows import Kind
from .handlers import access as access_handlers
from .handlers import allocations as allocation_handlers
from .handlers import insight as insight_handlers
from .handlers import lifecycle as lifecycle_handlers
from .handlers import node_parts as node_part_handlers
from .handlers import node_volumes as node_volume_handlers
from .handlers import nodes as node_handlers
from .handlers import operations as operation_handlers
from .handlers import ports as port_handlers
from .handlers import ramdisks as ramdisk_handlers
from .handlers import recipes as recipe_handlers
from .handlers import records as record_handlers
from .handlers import tenancy as tenancy_handlers
from .handlers import timeline as timeline_handlers
from .handlers import webhooks as webhook_handlers
from .handlers import workers as worker_handlers
from .service import attached_kinds
from .service.access import Access
from .service.allocations import Allocations
from .service.attached import Attached
from .service.catalogue import Catalogue
from .service.chassis import Chassis
from .service.conductors import Conductors
from .service.engine import Engine
from .service.insight import Insight
from .service.leases import Leases
from .service.lifecycle import Lifecycle
from .service.loop import Loop
from .service.matching import Matcher
from .service.node_parts import NodeParts
from .service.node_views import NodeViews
from .service.node_volumes import NodeVolumes
from .service.nodes import NodeRecords
from .service.observations import Observations
from .service.operation_runner import Runner
from .service.operations import Operations
from .service.plans import Plans
from .service.ports import Ports
from .service.quotas import Quotas
from .service.ramdisks import Ramdisks
from .service.recipes import Recipes
from .service.starting import Clock, Rules, ServiceMap, Starter
from .service.tags import Tags
from .service.timeline import Timeline
from .service.vifs import Vifs
from .service.webhooks import Webhooks
from .service.workers import Workers
from .settings import SCHEMA, Settings

NAME = "inventory"
MIGRATIONS = "steelyard_inventory:migrations"
MONTHS_AGAIN_S = 5.0  # while the database is away


def rules(settings: Settings) -> Rules:
    """What the operator set, in the words of the lifecycle."""
    most = {Kind.DEPLOY: settings.max_deploys, Kind.CLEAN: settings.max_cleans}
    waits_s: dict[str, float] = {
        Kind.CLEAN: settings.clean_wait_timeout_s,
        Kind.DEPLOY: settings.deploy_wait_timeout_s,
        Kind.RESCUE: settings.rescue_wait_timeout_s,
        Kind.SERVICE: settings.service_wait_timeout_s,
        Kind.INSPECT: settings.inspect_wait_timeout_s,
    }
    return Rules(
        sync=SyncRules(
            force=settings.force_power_state, tries=settings.power_sync_tries, window_s=settings.power_sync_window_s
        ),
        plan=PlanRules(
            deny=frozenset(settings.denied_steps),
            clean_priorities=settings.clean_priorities,
            waits_s=waits_s,
            hold_s=settings.hold_timeout_s,
            powers_off_failed=settings.power_off_after_deploy_failure,
            fast_track=settings.fast_track,
        ),
        cleans=settings.automated_clean,
        automatic_lessee=settings.automatic_lessee,
        most={kind: limit for kind, limit in most.items() if limit},
        quota=settings.default_quota,
    )


class Inventory:
    """All use cases on one database."""

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        self.workers = Workers(database, clock)
        starter = Starter(
            site=settings.site,
            holder=settings.instance,
            rules=rules(settings),
            services=ServiceMap(),
            catalogue=Catalogue(self.workers),
        )
        self.site = settings.site
        self.engine = Engine(database, starter, clock)
        self.lifecycle = Lifecycle(database, starter, clock, self.engine.wake)
        self.leases = Leases(database, settings.instance, clock, site=settings.site)
        self.observations = Observations(database, starter, clock, self.engine.wake)
        self.views = NodeViews(database, self.workers, clock)
        self.webhooks = Webhooks(database, settings.site, clock, settings.webhook_pauses_s)
        self.runner = Runner(database, settings.site, clock, self.lifecycle)
        self.operations = Operations(database, settings.site, clock, self.views, self.runner.wake, self.lifecycle.wake)
        self.records = NodeRecords(
            database,
            settings.site,
            clock,
            self.workers,
            resource_class=settings.default_resource_class or None,
            traits=settings.default_traits,
        )
        self.ports = Ports(database, settings.site, clock)
        self.access = Access(database)
        self.chassis = Chassis(database, settings.site, clock)
        self.portgroups = Attached(database, settings.site, clock, attached_kinds.PORTGROUP)
        self.connectors = Attached(database, settings.site, clock, attached_kinds.CONNECTOR)
        self.targets = Attached(database, settings.site, clock, attached_kinds.TARGET)
        self.parts = NodeParts(database)
        self.vifs = Vifs(database, settings.site, clock)
        self.tags = Tags(database, settings.site, clock)
        self.quotas = Quotas(database, settings.default_quota)
        self.insight = Insight(database, self.workers, clock)
        self.plans = Plans(database, self.lifecycle, starter, clock)
        self.timeline = Timeline(database, self.workers, clock, days=settings.timeline_days)
        self.volumes = NodeVolumes(database)
        self.ramdisks = Ramdisks(database, clock, self.engine.wake, fast_track=settings.fast_track)
        self.conductors = Conductors(self.workers)
        self.templates = Recipes(database, settings.site, clock, DEPLOY_TEMPLATE)
        self.runbooks = Recipes(database, settings.site, clock, RUNBOOK)
        self.rules = Recipes(database, settings.site, clock, INSPECTION_RULE)
        self.matcher = Matcher(database, settings.site, clock, settings.zone_key)
        self.allocations = Allocations(database, settings.site, clock, self.matcher.wake, quota=settings.default_quota)

    def endpoints(self, streams: Streams) -> list[Endpoint]:
        """The service's table of contents."""
        parts: list[Sequence[Endpoint]] = [
            access_handlers.endpoints(self.site, self.access),
            node_handlers.endpoints(self.site, self.records, self.views),
            port_handlers.endpoints(self.site, self.ports),
            record_handlers.endpoints(self.site, "chassis", "all-chassis", self.chassis),
            record_handlers.endpoints(self.site, "portgroup", "portgroups", self.portgroups),
            record_handlers.endpoints(self.site, "volume-connector", "volume-connectors", self.connectors),
            record_handlers.endpoints(self.site, "volume-target", "volume-targets", self.targets),
            node_part_handlers.endpoints(self.site, self.parts, self.vifs),
            timeline_handlers.endpoints(self.site, self.timeline),
            operation_handlers.endpoints(self.site, self.operations),
            webhook_handlers.endpoints(self.site, self.webhooks, streams),
            tenancy_handlers.endpoints(self.site, self.tags, self.quotas),
            insight_handlers.endpoints(self.site, self.insight, self.plans),
            ramdisk_handlers.endpoints(self.site, self.ramdisks),
            node_volume_handlers.endpoints(self.site, self.volumes),
            recipe_handlers.endpoints(self.site, self.templates, self.runbooks, self.rules),
            allocation_handlers.endpoints(self.site, self.allocations),
            worker_handlers.endpoints(self.site, self.workers, self.conductors),
            lifecycle_handlers.endpoints(self.site, self.lifecycle, self.leases),
        ]
        return [endpoint for part in parts for endpoint in part]

    def begin(self, bus: Bus, workers: int) -> None:
        """Take requests, results and observations."""
        bus.serve(NAME, self.endpoints(bus), workers=workers)
        lifecycle_handlers.consume(bus, self.site, self.engine, self.observations)
        timeline_handlers.consume(bus, self.site, self.timeline)
        webhook_handlers.consume(bus, self.site, self.webhooks)


def _now() -> datetime:
    return datetime.now(UTC)


def start(settings: Settings) -> Parts:
    """Errors: Unavailable while the database is away; NATS may come later."""
    parts = Parts()
    database = Database(settings.database_url, SCHEMA, pool_size=settings.database_pool)
    parts.add("database", stop=database.close, check=database.is_alive)
    bus = connect_service(settings, NAME)
    parts.add("nats", check=lambda: bus.is_connected)
    relay = Relay(database, bus).start()
    inventory = Inventory(settings, database, _now)
    inventory.engine.start()
    inventory.matcher.start()
    inventory.runner.start()
    months = Loop("timeline months", inventory.timeline.tidy, _now, again_s=MONTHS_AGAIN_S).start()
    # Stopped from the last to the first. What the last requests tell after the relay has gone stays in the outbox, for
    # any replica's sweep.
    parts.add("bus", stop=bus.close)
    parts.add("relay", stop=relay.stop)
    parts.add("engine", stop=inventory.engine.stop)
    parts.add("matcher", stop=inventory.matcher.stop)
    parts.add("operations", stop=inventory.runner.stop)
    parts.add("timeline", stop=months.stop)
    inventory.begin(bus, settings.workers)
    return parts


def upgrade(settings: Settings) -> None:
    migrate(NAME, settings.database_url, SCHEMA, MIGRATIONS)


SERVICE = ServiceSpec(name=NAME, settings=Settings, start=start, migrate=upgrade)


def main() -> int:
    return run(SERVICE)
