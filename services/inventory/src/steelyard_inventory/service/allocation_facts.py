"""What is told of allocations, and how one goes with its node: for all use cases that meet them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from steelyard_common.contracts.events import cloud_event
from steelyard_common.db import Transaction

from ..domain import allocation_rules as rules
from ..domain.projection import Fact
from ..store import allocations

Record = Mapping[str, Any]
TOLD = ("uuid", "name", "state", "node_uuid", "resource_class", "owner", "last_error")


def tell(transaction: Transaction, site: str, what: str, row: Record, cause: Mapping[str, Any], now: datetime) -> None:
    """``row``: the allocation as it is now; ``what``: created, updated, deleted, matched, failed."""
    data = {name: row.get(name) for name in TOLD}
    fact = f"allocation-{what}"
    transaction.emit(cloud_event(site, "inventory", fact, row["uuid"], data, cause=dict(cause), now=now))


def node_fact(node_uuid: str, name: str | None, instance_uuid: str | None) -> Fact:
    """A node that is taken (the UUID of both its instance and its allocation) or freed (None)."""
    told = {"instance_uuid": instance_uuid, "allocation_uuid": instance_uuid}
    data = {"uuid": node_uuid, "name": name, "changed": told, "changed_objects": ["instance_info"]}
    return Fact(name="node-updated", data=data)


def forget(transaction: Transaction, site: str, node: Record, cause: Mapping[str, Any], now: datetime) -> None:
    """The allocation of a node that goes, if it has one. The node's row is held."""
    if node["allocation_uuid"] is not None:
        row = allocations.take(transaction.connection, node["allocation_uuid"])
        allocations.delete(transaction.connection, row)
        tell(transaction, site, "deleted", row, cause, now)


def given_back(
    transaction: Transaction, site: str, node: Record, delta: dict[str, Any], cause: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """A change that takes a node's instance away ends its allocation, too. → the whole change. Errors: Conflict."""
    if node["allocation_uuid"] is None or "instance_uuid" not in delta or delta["instance_uuid"] is not None:
        return delta
    rules.check_may_free(node["allocation_uuid"], node)
    forget(transaction, site, node, cause, now)
    return delta | {"allocation_uuid": None}
