"""Fixtures of inventory's tests: a database with its schema, and a stage on which the lifecycle plays."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from steelyard_common.bus import MemoryBus, Message
from steelyard_common.contracts import subjects
from steelyard_common.contracts.steps import Outcome, ResultMessage, StepMessage, StepResult
from steelyard_common.db import Database, migrate
from steelyard_common.testing import SetClock
from steelyard_inventory.handlers import lifecycle as handlers
from steelyard_inventory.main import MIGRATIONS, NAME
from steelyard_inventory.service.catalogue import Catalogue
from steelyard_inventory.service.engine import Engine
from steelyard_inventory.service.leases import Leases
from steelyard_inventory.service.lifecycle import Caller, Lifecycle
from steelyard_inventory.service.observations import Observations
from steelyard_inventory.service.starting import Rules, ServiceMap, Starter
from steelyard_inventory.service.workers import Workers
from steelyard_inventory.settings import SCHEMA
from steelyard_inventory.store.tables import nodes
from steelyard_inventory.store.workers import announce
from steelyard_inventory.testing import Desk
from steelyard_inventory.testing_provider import FAKE_INTERFACES, SERVICES, FakeProvider, announcements

SITE = "here"


@pytest.fixture(scope="session")
def migrate_template() -> Callable[[str], None]:
    def upgrade(url: str) -> None:
        migrate(NAME, url, SCHEMA, MIGRATIONS)

    return upgrade


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, "inventory", pool_size=4)
    yield database
    database.close()


@dataclass
class Stage:
    """The lifecycle on a real database and the bus's twin; the test plays the provider."""

    database: Database
    bus: MemoryBus
    clock: SetClock
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self) -> None:
        self.services = ServiceMap()
        self.services.replace({"power": "power", "management": "power"})
        self.workers = Workers(self.database, self.clock)
        self.starter = Starter(
            site=SITE, holder="inventory-1.here", rules=self.rules, services=self.services,
            catalogue=Catalogue(self.workers),
        )  # fmt: skip
        self.engine = Engine(self.database, self.starter, self.clock)
        self.lifecycle = Lifecycle(self.database, self.starter, self.clock, self.engine.wake)
        self.leases = Leases(self.database, "inventory-1.here", self.clock, site=SITE)
        self.observations = Observations(self.database, self.starter, self.clock, self.engine.wake)
        self.database.hand_over = self._publish
        self.bus.serve("inventory", handlers.endpoints(SITE, self.lifecycle, self.leases))
        handlers.consume(self.bus, SITE, self.engine, self.observations)

    def _publish(self, messages: Any, ids: Any) -> None:
        self.bus.publish(messages)
        self.database.note_published(ids)

    # ---- given

    def add_node(self, **columns: Any) -> str:
        """A node on fake hardware; its UUID."""
        values = {
            "uuid": str(uuid.uuid4()), "driver": "fake-hardware", "provision_state": "available",
            "power_state": "power off", "power_interface": "fake", "management_interface": "fake",
        } | columns  # fmt: skip
        with self.database.begin() as transaction:
            transaction.connection.execute(nodes.insert().values(values))
        return str(values["uuid"])

    def announce_all(self, *, agents: bool = False) -> FakeProvider:
        """All services are there, for fake hardware; the one who plays them."""
        with self.database.begin() as transaction:
            for word in announcements(agents=agents):
                announce(transaction.connection, word, self.clock())
        interfaces = {name: service for service, names in SERVICES.items() for name in names}
        self.services.replace(interfaces)
        return FakeProvider(self.bus, SITE)

    def add_fake(self, state: str = "manageable", **columns: Any) -> str:
        """A node whose interfaces are all fake."""
        return self.add_node(**{**FAKE_INTERFACES, "provision_state": state, "network_interface": "noop", **columns})

    def verb(self, node: str, target: str, **params: Any) -> None:
        self.lifecycle.set_provision(node, target, Caller(), params)

    # ---- when

    def answer(self, message: StepMessage, *results: StepResult, fence: int | None = None, times: int = 1) -> None:
        """The provider's answer for the first steps of ``message``, delivered."""
        outcomes = [
            Outcome(index=step.index, attempt=step.attempt, result=result)
            for step, result in zip(message.steps, results, strict=False)
        ]
        for _ in range(times):
            self.tell(message, outcomes, message.fence if fence is None else fence)
        self.bus.deliver()

    def tell(self, message: StepMessage, outcomes: list[Outcome], fence: int) -> None:
        result = ResultMessage(
            workflow=message.workflow, node=message.node["uuid"], fence=fence, provider="power-1", outcomes=outcomes
        )
        subject = subjects.result(SITE, message.workflow)
        body = orjson.dumps(result.to_dict())
        self.bus.publish([Message(subject=subject, body=body, msg_id=str(uuid.uuid4()))])

    def see(self, fact: str, node: str, **data: Any) -> None:
        """An event of the power service, delivered."""
        body = orjson.dumps({"time": self.clock.now.isoformat(), "data": data})
        subject = subjects.event(SITE, "power", fact, node)
        self.bus.publish([Message(subject=subject, body=body, msg_id=str(uuid.uuid4()))])
        self.bus.deliver()

    def tick(self, after_s: float = 0) -> float:
        self.clock.advance(after_s)
        return self.engine.tick()

    # ---- then

    def sent(self, node: str | None = None) -> list[StepMessage]:
        """Every step message so far, oldest first."""
        messages = (each for each in self.bus.published if each.subject.startswith(f"{SITE}.step."))
        return [
            StepMessage.from_dict(orjson.loads(each.body))
            for each in messages
            if node is None or each.subject.endswith(node)
        ]

    def events(self, node: str) -> list[tuple[str, dict[str, Any]]]:
        """(fact, data) of every event about the node, oldest first."""
        prefix = f"{SITE}.inventory.evt."
        return [
            (each.subject.split(".")[3], orjson.loads(each.body)["data"])
            for each in self.bus.published
            if each.subject.startswith(prefix) and each.subject.endswith(node)
        ]

    def facts(self, node: str) -> list[str]:
        return [fact for fact, _ in self.events(node)]

    def node(self, node: str) -> dict[str, Any]:
        return self.rows("SELECT * FROM nodes WHERE uuid = :node", node=node)[0]

    def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        with self.database.read() as connection:
            return [dict(row) for row in connection.execute(sa.text(query), values).mappings()]


@pytest.fixture
def stage(database: Database, memory_bus: MemoryBus, clock: SetClock) -> Stage:
    return Stage(database, memory_bus, clock)


@pytest.fixture
def caller() -> Caller:
    return Caller(cause={"origin": "api", "user": "ada", "request_id": "req-1"}, request_id="req-1")


@pytest.fixture
def desk(database: Database, memory_bus: MemoryBus, clock: SetClock) -> Desk:
    """All of inventory behind the bus's twin, with a worker for every hardware type."""
    desk = Desk(database, memory_bus, clock)
    desk.announce()
    return desk
