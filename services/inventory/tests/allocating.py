"""Free nodes, and allocations of them, for tests."""

from __future__ import annotations

import uuid
from typing import Any

import sqlalchemy as sa
from steelyard_inventory.store.tables import nodes
from steelyard_inventory.testing import Desk, operations_of

NOWHERE = "6f4a3a52-2f73-4b5a-9f0e-000000000000"
CLASS = "baremetal"
FREE = {"provision_state": "available", "power_state": "power off", "resource_class": CLASS}


def add_node(desk: Desk, name: str, **columns: Any) -> str:
    """A free node of the class; its UUID."""
    values = {"uuid": str(uuid.uuid4()), "name": name, "driver": "fake-hardware", **FREE, **columns}
    with desk.database.begin() as transaction:
        transaction.connection.execute(nodes.insert().values(values))
    return str(values["uuid"])


def set_columns(desk: Desk, name: str, **columns: Any) -> None:
    with desk.database.begin() as transaction:
        transaction.connection.execute(sa.update(nodes).where(nodes.c.name == name).values(columns))


def ask_for(desk: Desk, minor: int = 115, **allocation: Any) -> Any:
    record = {"resource_class": CLASS, **allocation}
    return desk.tell("create-allocation", minor=minor, record={k: v for k, v in record.items() if v is not None})


def matched(desk: Desk, **allocation: Any) -> Any:
    """The allocation after the matcher has looked once."""
    made = ask_for(desk, **allocation)
    assert desk.inventory.matcher.match_one()
    return shown(desk, made["uuid"])


def shown(desk: Desk, ident: str) -> Any:
    return desk.ask("allocation", ident=ident)


def patch(desk: Desk, ident: str, *operations: tuple[Any, ...]) -> Any:
    return desk.tell("update-allocation", ident=ident, patch=operations_of(operations))


def listed(desk: Desk, **filters: Any) -> list[str]:
    answer = desk.ask("allocations", resource_url="allocations", filters=filters)
    return [each["name"] for each in answer["allocations"]]
