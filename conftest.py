"""Fixtures for the tests of every package: see ``steelyard_common.testing.fixtures``."""

pytest_plugins = ["steelyard_common.testing.fixtures"]
