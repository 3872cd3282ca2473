"""Sensor rounds: every node's readings as an event, and as figures on /metrics."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from steelyard_common.bmc import Sensor
from steelyard_common.contracts.events import cloud_event
from steelyard_common.db import Database
from steelyard_common.errors import SteelyardError, Unsupported
from steelyard_common.provider import Clock
from steelyard_common.telemetry import get_logger

from ..domain import observation, schedule
from ..drivers import Conversations
from ..store.shards import Turn
from . import metrics
from .inventory import Inventory
from .turns import RENEW_EVERY_S, Turns

log = get_logger(__name__)
PAUSE_S = 1.0
KEPT_ROUNDS = 2  # readings are shown until so many rounds have passed without a new one
MANAGEMENT = "management"


@dataclass(frozen=True, kw_only=True)
class SensorRules:
    """See settings."""

    interval_s: float
    parallel: int
    timeout_s: float


class Readings(Collector):
    """The newest numeric readings of the nodes that this replica has read."""

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._lock = threading.Lock()
        self._nodes: dict[str, tuple[float, tuple[Sensor, ...]]] = {}

    def put(self, node_uuid: str, sensors: tuple[Sensor, ...]) -> None:
        with self._lock:
            self._nodes[node_uuid] = (time.monotonic() + self._keep_s, sensors)

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(
            "steelyard_sensor_reading", "Sensor readings, in the unit that the BMC gives.",
            labels=["node", "kind", "name", "unit"],
        )  # fmt: skip
        now = time.monotonic()
        with self._lock:
            self._nodes = {uuid: kept for uuid, kept in self._nodes.items() if kept[0] > now}
            nodes = [(uuid, sensors) for uuid, (_, sensors) in self._nodes.items()]
        for uuid, sensors in nodes:
            for sensor in sensors:
                if isinstance(sensor.value, (int, float)):
                    family.add_metric([uuid, sensor.kind, sensor.name, sensor.unit or ""], sensor.value)
        yield family


class SensorRounds:
    """One thread takes turns, a few read; a shard a turn."""

    def __init__(
        self, database: Database, inventory: Inventory, conversations: Conversations, rules: SensorRules,
        *, site: str, holder: str, clock: Clock, readings: Readings | None,
    ) -> None:  # fmt: skip
        self._database, self._inventory, self._conversations = database, inventory, conversations
        self._rules, self._site, self._clock, self._readings = rules, site, clock, readings
        self._turns = Turns(database, "sensors", holder, schedule.period_s(rules.interval_s), clock)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sensors", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(self._rules.timeout_s + 5)

    def _run(self) -> None:
        with ThreadPoolExecutor(self._rules.parallel, thread_name_prefix="sensors") as pool:
            while not self._stopping.is_set():
                try:
                    taken = self.take_due(pool)
                except SteelyardError as error:
                    log.warning("sensor rounds wait", reason=error.message, detail=error.detail)
                    taken = False
                if not taken:
                    self._stopping.wait(PAUSE_S)

    def take_due(self, pool: ThreadPoolExecutor) -> bool:
        """Read one due shard. Errors: Unavailable."""
        turns = self._turns.claim(1)
        for turn in turns:
            try:
                targets = self._inventory.power_targets(turn.shard)
            except SteelyardError as error:
                log.warning("sensors are postponed", shard=turn.shard, reason=error.message)
                self._turns.postpone(turn)
                continue
            self._read_all(turn, [each for each in targets if observation.skip_reason(each) is None], pool)
        return bool(turns)

    def _read_all(self, turn: Turn, targets: list[dict[str, Any]], pool: ThreadPoolExecutor) -> None:
        renew_at = time.monotonic() + RENEW_EVERY_S
        for start in range(0, len(targets), self._rules.parallel):
            if self._stopping.is_set():
                return
            list(pool.map(self._read, targets[start : start + self._rules.parallel]))
            if time.monotonic() > renew_at:
                self._turns.renew([turn.shard])
                renew_at = time.monotonic() + RENEW_EVERY_S
        self._turns.finish(turn)

    def _read(self, target: dict[str, Any]) -> None:
        try:
            with self._conversations.open(target, MANAGEMENT, timeout_s=self._rules.timeout_s, patient=False) as driver:
                sensors = driver.read_sensors()
        except Unsupported:
            return
        except SteelyardError as error:
            metrics.SENSOR_READS.labels(error.code).inc()
            return
        metrics.SENSOR_READS.labels("read").inc()
        if sensors:
            self._tell(target["uuid"], sensors)

    def _tell(self, node_uuid: str, sensors: tuple[Sensor, ...]) -> None:
        if self._readings is not None:
            self._readings.put(node_uuid, sensors)
        now = self._clock()
        data = {"readings": [asdict(sensor) for sensor in sensors], "seen_at": now.isoformat()}
        with self._database.begin() as transaction:
            transaction.emit(cloud_event(self._site, "power", "sensors", node_uuid, data, now=now))
