"""The whole thing for system tests: a suite and a rack of its own, or the suite that many modules share.

A test that kills, freezes or sets something, or listens to all that happens, has a suite of its own (``suite``). Any
other takes ``shared``, one in each test process for as long as it runs the tests of this folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from steelyard_local.prepared import Prepared
from steelyard_local.testing import RunningSuite, begin_with, running_suite
from steelyard_rack.testing import RunningRack, running_rack

from .operator import Operator
from .shared import clear_away


@pytest.fixture(scope="session", autouse=True)
def _prepared(run_dir: Path) -> Iterator[None]:
    with begin_with(Prepared(run_dir / "suite")):
        yield


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


@pytest.fixture(scope="package")
def shared_suite() -> Iterator[RunningSuite]:
    """With default settings. Whoever takes it directly clears it away."""
    with running_suite() as suite:
        yield suite


@pytest.fixture
def shared(shared_suite: RunningSuite) -> Iterator[RunningSuite]:
    """The same: empty at the beginning of each test."""
    yield shared_suite
    clear_away(Operator(shared_suite.url))


@pytest.fixture
def operator(suite: RunningSuite) -> Operator:
    return Operator(suite.url)
