"""The workers that announced themselves: what the API shows as conductors and drivers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from .sql import Prepared
from .tables import workers

_COLUMNS = (
    "instance", "service", "conductor_group", "provides", "hardware_types", "supplies", "steps", "version", "online",
    "seen_at", "created_at", "updated_at",
)  # fmt: skip
_ALL = Prepared(select(*(workers.c[name] for name in _COLUMNS)).order_by(workers.c.instance))


@dataclass(frozen=True, kw_only=True)
class Worker:
    """``provides``: {interface: [implementations]}; ``steps``: what it can run; ``seen_at``: its last word."""

    instance: str
    service: str
    conductor_group: str
    provides: dict[str, list[str]]
    hardware_types: list[str]
    supplies: list[str]
    steps: list[dict[str, Any]] = field(repr=False)
    version: str
    online: bool
    seen_at: datetime
    created_at: datetime
    updated_at: datetime | None


def read_all(connection: Connection) -> list[Worker]:
    """By instance."""
    return [Worker(**dict(zip(_COLUMNS, row, strict=True))) for row in _ALL.rows(connection)]


def announce(connection: Connection, values: Mapping[str, Any], now: datetime, ours: Collection[str] = ()) -> bool:
    """Write a worker's word about itself; ``values`` has the other columns of workers.

    False, and nothing is written, when another service has a worker of that name. One of ``ours`` (services) takes the
    name from whoever is none of them.
    """
    row = {**values, "seen_at": now}
    statement = insert(workers).values(row | {"created_at": now})
    allowed = workers.c.service == values["service"]
    if values["service"] in ours:
        allowed = or_(allowed, workers.c.service.not_in(ours))
    written = connection.execute(
        statement.on_conflict_do_update(
            index_elements=[workers.c.instance], set_=row | {"updated_at": now}, where=allowed
        ).returning(workers.c.instance)
    )
    return written.first() is not None


def forget(connection: Connection, service: str, unseen_since: datetime) -> None:
    """The workers of a service that said nothing for long."""
    connection.execute(delete(workers).where(workers.c.service == service, workers.c.seen_at < unseen_since))


def count_others(connection: Connection, service: str, instance: str) -> int:
    """How many workers the service has besides this one."""
    others = select(func.count()).where(workers.c.service == service, workers.c.instance != instance)
    return int(connection.execute(others).scalar_one())
