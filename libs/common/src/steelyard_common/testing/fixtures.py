"""Pytest fixtures over real servers; every package's tests have them (root ``conftest.py``).

A package whose database has a schema overrides ``migrate_template`` with a session fixture that returns a function
``(url) -> None``; ``database_url`` is then a clone, as good as new, of a database that was migrated once.
"""

from __future__ import annotations

import fcntl
import hashlib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from ..bus import MemoryBus, NatsBus, connect
from ..db import database as database_room
from ..embedded import EmbeddedNats
from . import keeper
from .clock import SetClock
from .clones import Clones
from .guarded import GuardedNats

Migrate = Callable[[str], None]


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A folder that all processes of this test run share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if hasattr(request.config, "workerinput") else base


@pytest.fixture(scope="session")
def postgres_server(run_dir: Path) -> Iterator[str]:
    """The URL of the run's PostgreSQL server (database ``steelyard``, which tests leave alone)."""
    url, hold = keeper.join("postgres", run_dir / "postgres")
    yield url
    hold.close()


@pytest.fixture(scope="session")
def nats_server(run_dir: Path) -> Iterator[str]:
    """The URL of the run's nats-server. Tests share it: take a site of your own (``site``)."""
    url, hold = keeper.join("nats", run_dir / "nats")
    yield url
    hold.close()


@pytest.fixture(scope="session", autouse=True)
def patient_pools() -> Iterator[None]:
    """Twenty threads that take turns at few connections may need more than a few seconds on a busy machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database_room, "POOL_WAIT_S", 60)
        yield


@pytest.fixture(scope="session")
def migrate_template() -> Migrate:
    """Overridden by packages with a schema."""
    return lambda _url: None


@pytest.fixture(scope="session")
def _templates() -> dict[str, str]:
    """Schema → name of its migrated template, as far as this process has seen them."""
    return {}


@pytest.fixture
def _template(postgres_server: str, migrate_template: Migrate, run_dir: Path, _templates: dict[str, str]) -> str:
    # Not a session's fixture: pytest would keep the first package's template for all packages of the run.
    origin = f"{migrate_template.__module__}.{migrate_template.__qualname__}"
    if origin not in _templates:
        _templates[origin] = _make_template(origin, postgres_server, migrate_template, run_dir)
    return _templates[origin]


def _make_template(origin: str, postgres_server: str, migrate_template: Migrate, run_dir: Path) -> str:
    """Made once a run, whoever comes first."""
    name = f"template_{hashlib.sha256(origin.encode()).hexdigest()[:16]}"
    with (run_dir / f"{name}.lock").open("w") as lock, psycopg.connect(postgres_server, autocommit=True) as connection:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
        if known is None:
            draft = f"{name}_new"
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(draft)))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(draft)))
            migrate_template(_with_database(postgres_server, draft))
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            connection.execute(rename.format(sql.Identifier(draft), sql.Identifier(name)))
    return name


@pytest.fixture(scope="session")
def _clones(postgres_server: str) -> Iterator[Clones]:
    clones = Clones(postgres_server)
    yield clones
    clones.close()


@pytest.fixture
def database_url(_clones: Clones, _template: str) -> Iterator[str]:
    """A database of this test's own, migrated."""
    clone = _clones.take(_template)
    yield _clones.url(clone)
    _clones.give_back(_template, clone)


@pytest.fixture
def site() -> str:
    """A site of this test's own: its subjects meet nobody else's."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture
def own_nats(tmp_path: Path) -> Iterator[EmbeddedNats]:
    """A nats-server for this test alone, to be stopped and started: with its streams empty."""
    server = EmbeddedNats(tmp_path / "nats", durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def nats_bus(own_nats: EmbeddedNats, site: str) -> Iterator[NatsBus]:
    """A bus on a nats-server of this test's own."""
    bus = connect(own_nats.url, site, "test", wait_s=30)
    yield bus
    bus.close()


@pytest.fixture
def other_bus(own_nats: EmbeddedNats, site: str) -> Iterator[NatsBus]:
    """A second one on the same server: who asks ``nats_bus``, or its replica."""
    bus = connect(own_nats.url, site, "other", wait_s=30)
    yield bus
    bus.close()


@pytest.fixture(scope="module")
def guarded_nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedNats]:
    """A nats-server where each service is its own user, with the rights it has in production."""
    server = GuardedNats(tmp_path_factory.mktemp("guarded"))
    yield server
    server.stop()


@pytest.fixture
def guarded(guarded_nats: GuardedNats) -> Iterator[GuardedNats]:
    """The same; whoever joins leaves after the test."""
    yield guarded_nats
    guarded_nats.leave()


@pytest.fixture
def memory_bus() -> MemoryBus:
    return MemoryBus()


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


def _with_database(url: str, name: str) -> str:
    return f"{url.rsplit('/', 1)[0]}/{name}"
