"""A world on a fresh database."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from steelyard_common.bus import MemoryBus
from steelyard_common.db import Database, migrate
from steelyard_common.testing import SetClock
from steelyard_inventory.main import MIGRATIONS, NAME
from steelyard_inventory.settings import SCHEMA

from tests.tenancy.world import World


@pytest.fixture(scope="session")
def migrate_template() -> Callable[[str], None]:
    return lambda url: migrate(NAME, url, SCHEMA, MIGRATIONS)


@pytest.fixture
def world(database_url: str, memory_bus: MemoryBus, clock: SetClock) -> Iterator[World]:
    database = Database(database_url, SCHEMA, pool_size=4)
    yield World(database, memory_bus, clock)
    database.close()
