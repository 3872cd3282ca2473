"""Fixtures for the tests of every package: see ``steelyard_common.testing.fixtures``."""

import signal

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["steelyard_common.testing.fixtures"]

# A shell starts what is to run in the background with interrupts ignored, and all that it starts ignores them, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Properties are tried on the same examples each time, however slow the machine is: what lands is not decided by dice.
# ``pytest --hypothesis-profile=default`` looks for new ones.
settings.register_profile(
    "same", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("same")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole suites first: two processes that run the tests file by file then end together, on the small ones."""
    items.sort(key=lambda item: not item.nodeid.startswith("tests/system/"))
