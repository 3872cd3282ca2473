"""Puts the real parts together: the only place that knows them all."""

from __future__ import annotations

from datetime import UTC, datetime

from prometheus_client import REGISTRY
from steelyard_common import runner
from steelyard_common.bmc.line import PoolSettings
from steelyard_common.bmc.pool import BmcPool
from steelyard_common.bus import connect_service
from steelyard_common.db import Database, Relay, migrate
from steelyard_common.health import Parts
from steelyard_common.provider import Clock, StepFunction, provide
from steelyard_common.provider.fakes import FAKE, only_fakes_switched
from steelyard_common.provider.slices import by_implementation

from . import handlers
from .domain.catalogue import OFFER
from .drivers import Conversations
from .drivers.bmc import BmcConversations
from .service.direct import Direct
from .service.inventory import Inventory
from .service.management import TALKS, talking
from .service.recorder import Recorder
from .service.sensors import KEPT_ROUNDS, Readings, SensorRounds, SensorRules
from .service.set_power import PowerChanges
from .service.sync import PowerSync, SyncRules
from .service.tidying import Tidier
from .service.vendor import log_passthrough
from .settings import Settings

NAME = "power"
MIGRATIONS = "steelyard_power:migrations"


def now() -> datetime:
    return datetime.now(UTC)


def step_functions(
    database: Database, conversations: Conversations, clock: Clock, *, step_timeout_s: float, grace_s: float
) -> dict[tuple[str, str], StepFunction]:
    """(interface, name) → what runs a slice of that step; the rows of domain.catalogue."""
    changes = PowerChanges(database, conversations, clock, step_timeout_s=step_timeout_s, grace_s=grace_s)
    functions: dict[tuple[str, str], StepFunction] = {("power", "set_power"): changes.run}
    for (interface, name), talk in TALKS.items():
        functions[interface, name] = talking(conversations, interface, talk, step_timeout_s)
    functions["vendor", "log_passthrough"] = by_implementation({FAKE: log_passthrough})
    return {label: only_fakes_switched(clock, function) for label, function in functions.items()}


def start(settings: Settings) -> Parts:
    """Errors: Unavailable while the bus or the database is away."""
    parts = Parts()
    sealer = settings.sealer()
    database = Database(settings.database_url, NAME, pool_size=settings.database_pool)
    parts.add("database", stop=database.close, check=database.is_alive)
    bus = connect_service(settings, NAME)
    pool = BmcPool(
        PoolSettings(calls_per_s=settings.bmc_calls_per_s, backoff_max_s=settings.bmc_backoff_max_s), sealer.open
    )
    parts.add("bmcs", stop=pool.close)
    parts.add("bus", stop=bus.close, check=lambda: bus.is_connected)
    parts.add("outbox", stop=Relay(database, bus).start().stop)
    conversations = BmcConversations(pool)
    inventory = Inventory(bus, settings.site, settings.instance)
    bus.serve(NAME, handlers.endpoints(settings.site, Direct(inventory, conversations)))
    _watch(settings, parts, database, inventory, conversations)
    functions = step_functions(
        database, conversations, now, step_timeout_s=settings.step_timeout_s, grace_s=settings.grace_s
    )
    provide(parts, bus, settings, OFFER, functions)
    return parts


def _watch(
    settings: Settings, parts: Parts, database: Database, inventory: Inventory, conversations: Conversations
) -> None:
    """What power does by itself: sync, sensors, tidying."""
    tidier = Tidier(database, now)
    tidier.start()
    parts.add("journal", stop=tidier.stop)
    if settings.sync_interval_s:
        rules = SyncRules(
            interval_s=settings.sync_interval_s,
            parallel=settings.sync_parallel,
            timeout_s=settings.sync_timeout_s,
            health_interval_s=settings.health_interval_s,
        )
        recorder = Recorder(database, settings.site)
        sync = PowerSync(database, inventory, conversations, recorder, rules, holder=settings.instance, clock=now)
        sync.start()
        parts.add("sync", stop=sync.stop, check=sync.is_alive)
    if settings.sensor_interval_s:
        rounds = _sensor_rounds(settings, database, inventory, conversations)
        rounds.start()
        parts.add("sensors", stop=rounds.stop)


def _sensor_rounds(
    settings: Settings, database: Database, inventory: Inventory, conversations: Conversations
) -> SensorRounds:
    readings = Readings(KEPT_ROUNDS * settings.sensor_interval_s) if settings.sensor_metrics else None
    if readings is not None:
        REGISTRY.register(readings)
    rules = SensorRules(
        interval_s=settings.sensor_interval_s,
        parallel=settings.sensor_parallel,
        timeout_s=settings.sensor_timeout_s,
    )
    return SensorRounds(
        database, inventory, conversations, rules,
        site=settings.site, holder=settings.instance, clock=now, readings=readings,
    )  # fmt: skip


SPEC = runner.ServiceSpec(
    name=NAME,
    settings=Settings,
    start=start,
    migrate=lambda settings: migrate(NAME, settings.database_url, NAME, MIGRATIONS),
)


def main() -> int:
    """→ exit status"""
    return runner.main(SPEC)
