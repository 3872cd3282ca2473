"""What is told of a group operation."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from steelyard_common.contracts.events import cloud_event
from steelyard_common.db import Transaction

from ..domain.operations import Outcome


def tell(transaction: Transaction, site: str, what: str, row: Mapping[str, Any], now: datetime) -> None:
    """``what``: started or finished. Parameters are not told: they may be large."""
    data = {
        "uuid": row["uuid"], "verb": row["verb"], "status": row["status"], "total": row["total"],
        "counts": {outcome.value: row["counts"].get(outcome, 0) for outcome in Outcome}, "owner": row["owner"],
    }  # fmt: skip
    transaction.emit(
        cloud_event(site, "inventory", f"operation-{what}", row["uuid"], data, cause=dict(row["cause"]), now=now)
    )
