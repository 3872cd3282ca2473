"""Every request that can be sent on the bus, from each service's own table of endpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from marshmallow import Schema
from steelyard_boot.handlers import agents, artifact_requests, boot_attempts
from steelyard_common.bus import Endpoint
from steelyard_common.db import Database
from steelyard_inspector import handlers as inspector
from steelyard_inventory.main import Inventory
from steelyard_inventory.settings import Settings as InventorySettings
from steelyard_power import handlers as power


@dataclass(frozen=True, kw_only=True)
class RequestRow:
    """``kind``: qry or cmd. ``verb`` may end in ``.*``: a name of the asker's stands there."""

    kind: str
    verb: str
    schema: type[Schema] | None


def requests_served(site: str) -> Mapping[str, Sequence[RequestRow]]:
    """Service → what it answers, questions first."""
    settings = InventorySettings(database_url="postgresql://nobody@127.0.0.1:1/none", site=site)
    inventory = Inventory(settings, Database(settings.database_url, "none"), lambda: datetime.now(UTC))
    nobody: Any = None  # a table can be read without what answers
    tables: dict[str, Sequence[Endpoint]] = {
        "inventory": inventory.endpoints(nobody),
        "power": power.endpoints(site, nobody),
        "boot": [
            *agents.endpoints(site, nobody),
            *artifact_requests.endpoints(site, nobody),
            *boot_attempts.endpoints(site, nobody),
        ],
        "inspector": inspector.endpoints(site, nobody),
    }
    return {service: sorted(map(_row, table), key=_order) for service, table in tables.items()}


def _row(endpoint: Endpoint) -> RequestRow:
    _, _, kind, verb = endpoint.subject.split(".", 3)
    return RequestRow(kind=kind, verb=verb, schema=endpoint.schema)


def _order(row: RequestRow) -> tuple[bool, str]:
    return row.kind != "qry", row.verb
