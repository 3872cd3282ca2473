"""Fixtures over ``steelyard_api_gateway.testing``."""

from __future__ import annotations

import pytest
from steelyard_api_gateway.testing import SEAL_KEY, Api, Others, make_api
from steelyard_common.bus import MemoryBus
from steelyard_common.secrets import Sealer


@pytest.fixture
def bus() -> MemoryBus:
    return MemoryBus()


@pytest.fixture
def others(bus: MemoryBus) -> Others:
    served = Others(bus)
    served.serve()
    return served


@pytest.fixture
def api(bus: MemoryBus, others: Others) -> Api:
    return make_api(bus)


@pytest.fixture
def sealer() -> Sealer:
    return Sealer.from_text(SEAL_KEY)
