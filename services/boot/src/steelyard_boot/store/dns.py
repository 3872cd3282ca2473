"""Queries of DNS records. What is being written is lent to one replica: ``due_at`` lies ahead while it is at work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from ..domain.dns_records import Record
from .tables import boot_leases, dns_records

Row = Mapping[str, Any]


def want(connection: Connection, node_uuid: str, records: Sequence[Record], due_at: datetime) -> Row:
    """What is wanted from now on. What was written stays known until it is gone. → the row"""
    told = [asdict(each) for each in records]
    statement = insert(dns_records).values(
        node_uuid=node_uuid, wanted=told, written=[], tries=0, error=None, due_at=due_at
    )  # fmt: skip
    statement = statement.on_conflict_do_update(
        index_elements=["node_uuid"], set_={"wanted": told, "tries": 0, "error": None, "due_at": due_at}
    )
    return dict(connection.execute(statement.returning(dns_records)).mappings().one())


def known(connection: Connection, node_uuid: str) -> Row | None:
    found = connection.execute(select(dns_records).where(dns_records.c.node_uuid == node_uuid)).mappings().first()
    return None if found is None else dict(found)


def may_be_there(connection: Connection, row: Row) -> None:
    """Before the server is told: whoever comes after a crash must know what may have been written."""
    both = list({tuple(sorted(each.items())): each for each in (*row["written"], *row["wanted"])}.values())
    connection.execute(
        update(dns_records).where(dns_records.c.node_uuid == row["node_uuid"]).values(written=both)
    )  # fmt: skip


def done(connection: Connection, row: Row) -> None:
    """Unless something else is wanted by now."""
    same = (dns_records.c.node_uuid == row["node_uuid"]) & (dns_records.c.wanted == row["wanted"])
    if not row["wanted"]:
        connection.execute(delete(dns_records).where(same))
        return
    connection.execute(
        update(dns_records).where(same).values(written=row["wanted"], tries=0, error=None, due_at=None)
    )  # fmt: skip


def failed(connection: Connection, row: Row, error: str, due_at: datetime | None) -> None:
    same = (dns_records.c.node_uuid == row["node_uuid"]) & (dns_records.c.wanted == row["wanted"])
    connection.execute(
        update(dns_records).where(same).values(tries=row["tries"] + 1, error=error, due_at=due_at)
    )  # fmt: skip


def lend(connection: Connection, now: datetime, until: datetime, most: int) -> list[Row]:
    """Those that are due, lent until ``until``."""
    due = (
        select(dns_records.c.node_uuid).where(dns_records.c.due_at <= now).order_by(dns_records.c.due_at).limit(most)
        .with_for_update(skip_locked=True)
    )  # fmt: skip
    statement = update(dns_records).where(dns_records.c.node_uuid.in_(due)).values(due_at=until).returning(dns_records)
    return [dict(row) for row in connection.execute(statement).mappings()]


def leased(connection: Connection, macs: Sequence[str]) -> list[str]:
    """Addresses that DHCP gave to these NICs."""
    found = connection.execute(select(boot_leases.c.ip).where(boot_leases.c.mac.in_(list(macs))))
    return [str(ip) for ip in found.scalars()]
