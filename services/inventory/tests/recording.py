"""Records around nodes, for tests."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from steelyard_inventory.store.tables import nodes
from steelyard_inventory.testing import Desk, operations_of


def uuid_of(desk: Desk, name: str) -> str:
    uuid: str = desk.ask("node", ident=name)["uuid"]
    return uuid


def add(desk: Desk, one: str, node: str | None = "n1", **record: Any) -> Any:
    if node is not None:
        record["node_uuid"] = uuid_of(desk, node)
    return desk.tell(f"create-{one}", record=record)


def add_port(desk: Desk, number: int = 1, node: str = "n1", **port: Any) -> Any:
    return desk.tell("create-port", port={"address": f"aa:bb:cc:dd:ee:{number:02x}", "node_ident": node, **port})


def patch(desk: Desk, one: str, ident: str, *operations: tuple[Any, ...], minor: int = 115) -> Any:
    return desk.tell(f"update-{one}", ident=ident, patch=operations_of(operations), minor=minor)


def listed(desk: Desk, many: str, plural: str, **asked: Any) -> list[Any]:
    found: list[Any] = desk.ask(many, resource_url=plural, **asked)[plural]
    return found


def set_columns(desk: Desk, name: str, **columns: Any) -> None:
    with desk.database.begin() as transaction:
        transaction.connection.execute(sa.update(nodes).where(nodes.c.name == name).values(columns))
