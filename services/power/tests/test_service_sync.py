"""Power sync and sensors: BMCs in memory, a real PostgreSQL, an inventory on the bus twin."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import orjson
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from steelyard_common.bmc import PowerState
from steelyard_common.bus import MemoryBus
from steelyard_common.db import Database, Relay
from steelyard_common.errors import DeviceUnreachable, Unavailable
from steelyard_common.testing import SetClock, eventually
from steelyard_power.drivers.simulated import SimulatedBmc, SimulatedConversations
from steelyard_power.service.inventory import Inventory
from steelyard_power.service.polls import PollThreads
from steelyard_power.service.recorder import Recorder
from steelyard_power.service.sensors import Readings, SensorRounds, SensorRules
from steelyard_power.service.sync import PowerSync, SyncRules
from steelyard_power.store import observations
from steelyard_power.testing import InventoryTwin, node

PERIOD = timedelta(seconds=46)
RULES = SyncRules(interval_s=60, parallel=4, timeout_s=10, health_interval_s=0)


def _hold(released: threading.Event) -> None:
    released.wait(120)


class Site:
    """One replica of the sync and what is around it."""

    def __init__(self, database: Database, bus: MemoryBus, clock: SetClock, rules: SyncRules = RULES) -> None:
        self.database, self.bus, self.clock = database, bus, clock
        self.twin = InventoryTwin()
        self.twin.serve(bus)
        self.conversations = SimulatedConversations()
        self.recorder = Recorder(database, "local")
        self.inventory = Inventory(bus, "local", "power-1.test")
        self.rules = rules
        self.syncs: list[PowerSync] = []
        self.sync = self.replica("power-1.test")

    def replica(self, holder: str) -> PowerSync:
        sync = PowerSync(
            self.database,
            self.inventory,
            self.conversations,
            self.recorder,
            self.rules,
            holder=holder,
            clock=self.clock,
        )
        self.syncs.append(sync)
        return sync

    def add(self, *, shard: int = 0, bmc: dict[str, Any] | None = None, **more: Any) -> SimulatedBmc:
        row = self.twin.add(node(), shard=shard, **more)
        self.conversations.bmcs[row["uuid"]] = made = SimulatedBmc(clock=self.clock, **(bmc or {}))
        return made

    def uuid_of(self, bmc: SimulatedBmc) -> str:
        return next(uuid for uuid, each in self.conversations.bmcs.items() if each is bmc)

    def look(self) -> None:
        """What is due now has its turn."""
        while self.sync.take_due():
            pass
        eventually(lambda: not self.sync.open_turns and not self.sync.in_flight)
        self.recorder.flush()

    def turn(self) -> None:
        """A period passes, and all shards have their turn."""
        for _ in range(10):
            self.clock.advance(PERIOD.total_seconds() / 10)
            self.look()

    def facts(self, name: str | None = None) -> list[tuple[str, dict[str, Any]]]:
        """What was told, oldest first."""
        relay = Relay(self.database, self.bus).start()
        relay.stop()
        with self.database.begin() as transaction:  # what nobody was there to publish at its commit
            rows = transaction.connection.exec_driver_sql("SELECT subject, body FROM outbox ORDER BY id").all()
        told = [(subject.split(".")[3], orjson.loads(bytes(body))["data"]) for subject, body in rows]
        return [fact for fact in told if name in (None, fact[0])]

    def seen(self, bmc: SimulatedBmc) -> Any:
        uuid = self.uuid_of(bmc)
        with self.database.read() as connection:
            return observations.of_shard(connection, self.twin.nodes[uuid]["id"] % 64).get(uuid)


@pytest.fixture
def site(database: Database, memory_bus: MemoryBus, clock: SetClock) -> Iterator[Site]:
    site = Site(database, memory_bus, clock)
    site.look()  # the shards get their places
    yield site
    for sync in site.syncs:
        sync.stop()


def test_states_are_read_and_only_differences_are_told(site: Site) -> None:
    same = site.add(bmc={"power": PowerState.ON}, recorded="power on")
    other = site.add(shard=5, bmc={"power": PowerState.OFF}, recorded="power on")
    new = site.add(shard=63, bmc={"power": PowerState.ON})

    site.turn()

    assert [site.seen(bmc).power_state for bmc in (same, other, new)] == ["power on", "power off", "power on"]
    told = {(data["power_state"], data["recorded"]) for _, data in site.facts("power-observed")}
    assert told == {("power off", "power on"), ("power on", None)}


def test_no_state_gets_older_than_the_interval_and_none_is_read_in_haste(site: Site) -> None:
    read_at: dict[int, list[float]] = {shard: [] for shard in range(0, 64, 7)}
    for shard, times in read_at.items():
        site.add(shard=shard, recorded="power off").on_read = lambda times=times: times.append(  # type: ignore[misc]
            site.clock().timestamp()
        )

    for second in range(200):
        site.clock.advance(1 if second != 100 else 12)  # once, nobody has time for a while
        site.look()

    gaps = [after - before for times in read_at.values() for before, after in itertools.pairwise(times)]
    assert len(gaps) >= 3 * len(read_at)
    assert min(gaps) > 9
    assert max(gaps) < 60


@pytest.mark.parametrize("why", [{"busy": True}, {"maintenance": True}, {"provision_state": "enroll"}])
def test_nodes_that_are_somebody_elses_business_are_left_alone(site: Site, why: dict[str, Any]) -> None:
    bmc = site.add(**why)

    site.turn()

    assert (bmc.reads, site.seen(bmc)) == (0, None)


def test_a_bmc_that_another_task_talks_to_has_not_failed(site: Site) -> None:
    bmc = site.add(recorded="power off")
    site.conversations.busy.add(site.uuid_of(bmc))

    site.turn()

    assert site.seen(bmc) is None


def test_an_unreachable_bmc_is_told_at_the_third_failure_and_its_recovery_once(site: Site) -> None:
    bmc = site.add(bmc={"fault": DeviceUnreachable("no answer")}, recorded="power off")
    well = site.add(recorded="power off")

    while site.seen(bmc) is None or site.seen(bmc).failures < 4:
        site.turn()
    failures = site.seen(bmc).failures
    bmc.fault = None
    site.turn()

    assert [(name, data["failures"]) for name, data in site.facts()] == [
        ("bmc-unreachable", 3),
        ("bmc-recovered", failures),
    ]
    assert site.facts("bmc-unreachable")[0][1]["error"] == "no answer"
    assert well.reads >= 4


def test_a_node_with_a_power_failure_is_polled_and_told_of(site: Site) -> None:
    site.add(recorded="power off", maintenance=True, fault="power failure")

    site.turn()

    assert [name for name, _ in site.facts()] == ["power-observed"]


def test_a_hung_bmc_delays_neither_its_shard_nor_the_others(site: Site) -> None:
    hung = site.add(recorded="power off")
    well = [site.add(recorded="power off") for _ in range(3)] + [site.add(shard=9, recorded="power off")]
    released = threading.Event()
    hung.on_read = lambda: _hold(released)

    site.clock.advance(46)
    try:
        while site.sync.take_due():
            pass
        eventually(lambda: site.recorder.flush() + 1 and all(site.seen(bmc) is not None for bmc in well))
        assert all(bmc.reads == 1 for bmc in well)
        assert site.seen(hung) is None
        assert site.sync.open_turns == 1
    finally:
        released.set()
    eventually(lambda: not site.sync.open_turns)


def test_nodes_that_are_gone_are_forgotten(site: Site) -> None:
    bmc = site.add(recorded="power off")
    site.turn()
    uuid = site.uuid_of(bmc)
    assert site.seen(bmc) is not None

    row = site.twin.nodes.pop(uuid)
    site.turn()

    with site.database.read() as connection:
        assert observations.of_shard(connection, row["id"] % 64) == {}


def test_two_replicas_share_the_shards_and_no_node_is_read_twice(site: Site) -> None:
    bmcs = [site.add(shard=shard, recorded="power off") for shard in range(64)]
    other = site.replica("power-2.test")

    site.clock.advance(46)
    while site.sync.take_due() + other.take_due():
        pass
    eventually(lambda: not site.sync.open_turns + other.open_turns)

    assert {bmc.reads for bmc in bmcs} == {1}


def test_the_shards_of_a_dead_replica_are_taken_over_within_its_lease(site: Site) -> None:
    bmc = site.add(recorded="power off")
    held = threading.Event()
    bmc.on_read = lambda: _hold(held)  # this replica never ends its poll: as good as dead
    site.clock.advance(46)
    while site.sync.take_due():
        pass
    other = site.replica("power-2.test")
    assert other.take_due() == 0
    well = site.add(recorded="power off")

    site.clock.advance(21)
    while other.take_due():
        pass

    try:
        eventually(lambda: well.reads == 1)
    finally:
        held.set()


def test_while_inventory_is_away_turns_are_postponed_and_then_go_on(site: Site) -> None:
    bmc = site.add(recorded="power off")
    site.bus.available = False

    site.clock.advance(46)
    while site.sync.take_due():
        pass
    assert (bmc.reads, site.sync.open_turns) == (0, 0)

    site.bus.available = True
    site.clock.advance(4)
    site.look()
    assert bmc.reads == 1


def test_while_the_database_is_away_readings_wait(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    bmc = site.add(recorded="power on")
    site.clock.advance(46)
    while site.sync.take_due():
        pass
    eventually(lambda: not site.sync.open_turns)

    def away() -> Any:
        raise Unavailable("the database is away or busy")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site.database, "begin", away)
        assert site.recorder.flush() == 0
    assert site.recorder.flush() == 1
    assert site.seen(bmc).power_state == "power off"
    assert [name for name, _ in site.facts()] == ["power-observed"]


def test_the_threads_live_through_an_outage_and_stop_when_told(site: Site) -> None:
    site.bus.available = False
    bmc = site.add(recorded="power off")
    site.clock.advance(46)
    site.sync.start()
    site.bus.available = True

    site.clock.advance(4)
    eventually(lambda: bmc.reads)
    assert site.sync.is_alive()
    site.sync.stop()

    assert not site.sync.is_alive()


def test_health_is_read_at_its_own_pace_and_told_when_it_changes(
    database: Database, memory_bus: MemoryBus, clock: SetClock
) -> None:
    rules = SyncRules(interval_s=60, parallel=4, timeout_s=10, health_interval_s=90)
    site = Site(database, memory_bus, clock, rules)
    site.look()
    bmc = site.add(recorded="power off")

    site.turn()
    bmc.health = "Critical"
    site.turn()
    assert [data for _, data in site.facts("health-changed")] == [{"health": "OK"}]
    for _ in range(3):
        site.turn()

    assert [data for _, data in site.facts("health-changed")] == [{"health": "OK"}, {"health": "Critical"}]


# --- threads ---------------------------------------------------------------------------------------------------------


class Work:
    """Tasks that end when told."""

    def __init__(self) -> None:
        self.began = 0
        self.may_end = threading.Event()

    def task(self) -> Callable[[], None]:
        def run() -> None:
            self.began += 1
            self.may_end.wait(120)

        return run


def test_threads_that_are_stuck_are_replaced_up_to_a_bound_and_let_go_later() -> None:
    now = [0.0]
    threads, work = PollThreads(2, clock=lambda: now[0]), Work()
    for _ in range(40):
        threads.submit(work.task())
    eventually(lambda: work.began == 2)

    for expected in (4, 6, 8, 10, 12, 14, 16, 16):
        now[0] += 2
        threads.tick()
        eventually(lambda expected=expected: work.began == expected)  # type: ignore[misc]

    work.may_end.set()
    eventually(lambda: work.began == 40)

    def are_let_go() -> bool:
        threads.tick()
        return threads.threads == 2

    eventually(are_let_go)
    threads.stop(60)
    assert threads.threads == 0


def test_suspects_never_take_all_threads() -> None:
    now = [0.0]
    threads, stuck, well = PollThreads(2, clock=lambda: now[0]), Work(), Work()
    for _ in range(40):
        threads.submit(stuck.task(), suspect=True)
    for expected in (2, 4, 6, 8, 8):
        eventually(lambda expected=expected: stuck.began == expected)  # type: ignore[misc]
        now[0] += 2
        threads.tick()

    well.may_end.set()
    threads.submit(well.task())

    eventually(lambda: well.began == 1)
    assert stuck.began == 8
    stuck.may_end.set()
    threads.stop(60)


# --- sensors ---------------------------------------------------------------------------------------------------------


def test_sensors_are_told_and_shown(site: Site) -> None:
    bmc = site.add(recorded="power off")
    dead = site.add(bmc={"fault": DeviceUnreachable()}, recorded="power off")
    readings = Readings(keep_s=60)
    rounds = SensorRounds(
        site.database, site.inventory, site.conversations, SensorRules(interval_s=600, parallel=2, timeout_s=5),
        site="local", holder="power-1.test", clock=site.clock, readings=readings,
    )  # fmt: skip

    with ThreadPoolExecutor(2) as pool:
        site.clock.advance(600)
        while rounds.take_due(pool):
            pass
        site.clock.advance(600)
        while rounds.take_due(pool):
            pass

    assert dead.reads == 0
    reading = {"kind": "Temperature", "name": "Inlet", "value": 21.5, "unit": "Cel", "health": "OK"}
    assert [data["readings"] for _, data in site.facts("sensors")] == [[reading]] * 2
    registry = CollectorRegistry()
    registry.register(readings)
    line = f'steelyard_sensor_reading{{kind="Temperature",name="Inlet",node="{site.uuid_of(bmc)}",unit="Cel"}} 21.5'
    assert line in generate_latest(registry).decode()
