"""The service as it is put together: real PostgreSQL, real NATS."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest
from steelyard_common.bus import Delivery, NatsBus
from steelyard_common.contracts import subjects
from steelyard_common.embedded import EmbeddedNats
from steelyard_common.errors import Unavailable
from steelyard_common.health import Parts
from steelyard_common.settings import describe, read
from steelyard_common.testing import eventually
from steelyard_inventory.main import start
from steelyard_inventory.settings import Settings

API = {"minor": 115, "base_url": "http://h"}


@pytest.fixture
def running(database_url: str, own_nats: EmbeddedNats, site: str) -> Iterator[Parts]:
    settings = Settings(
        site=site, instance="inventory-1.here", database_url=database_url, nats_url=own_nats.url, workers=2
    )  # fmt: skip
    parts = start(settings)
    yield parts
    parts.stop()


def test_a_node_is_enrolled_listed_and_told_over_the_real_bus(running: Parts, nats_bus: NatsBus, site: str) -> None:
    told: list[str] = []

    def hear(delivery: Delivery) -> None:
        told.append(delivery.body["type"])

    nats_bus.consume(subjects.EVENTS_STREAM, "hearer", [f"{site}.inventory.evt.>"], hear, workers=1)
    word = {"instance": "power-1", "service": "power", "hardware_types": ["redfish"]}
    announce = subjects.command(site, "inventory", "announce")

    def announced() -> bool:
        try:
            return nats_bus.request(announce, word, timeout_s=30) == b"null"
        except Unavailable:
            return False  # it is not serving yet

    eventually(announced)
    create = subjects.command(site, "inventory", "create-node")
    node = nats_bus.request(create, {"api": API, "node": {"driver": "redfish", "name": "n1"}}, timeout_s=30)
    listed = nats_bus.request(
        subjects.query(site, "inventory", "nodes"), {"api": API, "resource_url": "nodes", "detail": True}, timeout_s=30
    )

    assert orjson.loads(listed)["nodes"] == [orjson.loads(node)]
    assert orjson.loads(node)["conductor"] == "power-1"
    eventually(lambda: told == ["org.steelyard.inventory.node-created"])
    eventually(lambda: dict(running.health()) == {"database": True, "nats": True})


def test_settings_are_read_from_the_environment_and_described() -> None:
    environ = {
        "STEELYARD_DATABASE_URL": "postgresql://u:p@h/d", "STEELYARD_AUTOMATED_CLEAN": "yes",
        "STEELYARD_DEFAULT_RESOURCE_CLASS": "baremetal", "STEELYARD_INVENTORY_WORKERS": "3",
    }  # fmt: skip

    settings = read(Settings, environ)

    assert (settings.automated_clean, settings.default_resource_class, settings.workers) == (True, "baremetal", 3)
    assert settings.force_power_state is True
    assert "u:p" not in repr(settings)
    assert {"STEELYARD_POWER_SYNC_TRIES", "STEELYARD_DATABASE_URL"} < {row.name for row in describe(Settings)}
