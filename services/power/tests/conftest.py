"""Fixtures of power's tests: its database, BMCs in memory, the step provider under an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from steelyard_common.bus import MemoryBus
from steelyard_common.db import Database, migrate
from steelyard_common.provider import StepProvider
from steelyard_common.testing import SetClock
from steelyard_power.drivers.simulated import SimulatedConversations
from steelyard_power.main import MIGRATIONS, step_functions
from steelyard_power.testing import Engine


def _migrate(url: str) -> None:
    migrate("power", url, "power", MIGRATIONS)


@pytest.fixture(scope="session")
def migrate_template() -> Callable[[str], None]:
    return _migrate


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, "power", pool_size=5)
    yield database
    database.close()


@pytest.fixture
def conversations() -> SimulatedConversations:
    return SimulatedConversations()


@pytest.fixture
def engine(database: Database, conversations: SimulatedConversations, memory_bus: MemoryBus, clock: SetClock) -> Engine:
    functions = step_functions(database, conversations, clock, step_timeout_s=30, grace_s=10)
    provider = StepProvider(memory_bus, functions, site="local", service="power", instance="power-1.test")
    return Engine(provider=provider, bus=memory_bus, clock=clock, conversations=conversations)
