"""Fixtures of boot's tests: its database."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from steelyard_boot.main import MIGRATIONS
from steelyard_common.db import Database, migrate


def _migrate(url: str) -> None:
    migrate("boot", url, "boot", MIGRATIONS)


@pytest.fixture(scope="session")
def migrate_template() -> Callable[[str], None]:
    return _migrate


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, "boot", pool_size=5)
    yield database
    database.close()
