"""Fixtures over ``steelyard_api_gateway.testing``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from steelyard_api_gateway.service.identity import SignIn
from steelyard_api_gateway.testing import SEAL_KEY, Api, Others, make_api
from steelyard_common.bus import MemoryBus
from steelyard_common.secrets import Sealer

from tests.contract.oidc_door import make
from tests.contract.oidc_issuer import Issuer


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


@pytest.fixture(scope="module")
def _issuer() -> Iterator[Issuer]:
    with Issuer() as issuer:
        yield issuer


@pytest.fixture
def issuer(_issuer: Issuer) -> Issuer:
    """Of OpenID Connect: as new, with another key than before."""
    _issuer.mode, _issuer.discovery, _issuer.asked = "well", {}, 0
    _issuer.claims = {"roles": ["member"], "project": "p1"}
    _issuer.rotate(keep=False)
    return _issuer


@pytest.fixture
def door(issuer: Issuer) -> SignIn:
    """The gateway's, for that issuer."""
    return make(issuer)
