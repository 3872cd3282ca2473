"""The whole thing for system tests: a suite of its own and a rack of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from steelyard_local.testing import RunningSuite, running_suite
from steelyard_rack.testing import RunningRack, running_rack

from .operator import Operator


@pytest.fixture
def rack() -> Iterator[RunningRack]:
    """Twenty-one machines (one is a witness) that take their time; half speak Redfish, half IPMI."""
    with running_rack(machines=21, fast=False, power_on="0.5-1.5", power_off="0.5-1.5") as rack:
        yield rack


@pytest.fixture
def settings() -> dict[str, str]:
    """What this test wants set beyond the defaults: look at the nodes often."""
    return {"STEELYARD_POWER_SYNC_INTERVAL_S": "5"}


@pytest.fixture
def suite(settings: dict[str, str]) -> Iterator[RunningSuite]:
    with running_suite(environment=settings) as suite:
        yield suite


@pytest.fixture
def operator(suite: RunningSuite) -> Operator:
    return Operator(suite.url)
