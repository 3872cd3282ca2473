"""Every request that can be sent on the bus, from each service's own table of endpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from marshmallow import Schema
from steelyard_common.db import Database
from steelyard_inventory.main import Inventory
from steelyard_inventory.settings import Settings as InventorySettings
from steelyard_power.handlers import COMMANDS, QUERIES


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
    rows = []
    for endpoint in inventory.endpoints():
        _, _, kind, verb = endpoint.subject.split(".", 3)
        rows.append(RequestRow(kind=kind, verb=verb, schema=endpoint.schema))
    power = [
        RequestRow(kind=kind, verb=verb, schema=row[0])
        for kind, table in (("qry", QUERIES), ("cmd", COMMANDS))
        for verb, row in table.items()
    ]
    return {service: sorted(found, key=_order) for service, found in (("inventory", rows), ("power", power))}


def _order(row: RequestRow) -> tuple[bool, str]:
    return row.kind != "qry", row.verb
