"""The gateway in front of the real inventory and the power service with fake hardware, over the bus's twin."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from steelyard_api_gateway.testing import Api, make_api
from steelyard_common.bmc.line import PoolSettings
from steelyard_common.bmc.pool import BmcPool
from steelyard_common.bus import MemoryBus
from steelyard_common.db import Database, migrate
from steelyard_common.testing import SetClock
from steelyard_inventory.testing import SITE, Desk
from steelyard_power import handlers
from steelyard_power.drivers.bmc import BmcConversations
from steelyard_power.service.direct import Direct
from steelyard_power.service.inventory import Inventory


@pytest.fixture(scope="session")
def migrate_template() -> Callable[[str], None]:
    return lambda url: migrate("inventory", url, "inventory", "steelyard_inventory:migrations")


@pytest.fixture
def desk(database_url: str, memory_bus: MemoryBus, clock: SetClock) -> Iterator[Desk]:
    """Inventory, with a worker."""
    database = Database(database_url, "inventory", pool_size=4)
    desk = Desk(database, memory_bus, clock)
    desk.announce()
    yield desk
    database.close()


@pytest.fixture
def api(desk: Desk) -> Iterator[Api]:
    """All three."""
    pool = BmcPool(PoolSettings(), lambda sealed: sealed)
    direct = Direct(Inventory(desk.bus, SITE, "power-1.test"), BmcConversations(pool))
    desk.bus.serve("power", handlers.endpoints(SITE, direct))
    yield make_api(desk.bus, site=SITE)
    pool.close()
