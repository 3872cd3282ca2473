"""Boot attempts and their hops."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from ..domain.waterfall import Expectation, Hop, Note, Outcome
from .tables import boot_attempts, boot_hops, boot_leases, boots

_SEEN = """
    UPDATE boot_attempts SET seen_at = t.at FROM unnest(%s::uuid[], %s::timestamptz[]) AS t (uuid, at)
    WHERE boot_attempts.uuid = t.uuid
"""
KEPT = 50  # attempts of a node


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One row, with what was seen of it."""

    uuid: str
    node_uuid: str
    boot_id: str
    purpose: str
    interface: str
    last_hop: Hop
    began_at: datetime
    seen_at: datetime
    outcome: Outcome = Outcome.RUNNING
    failing_hop: Hop | None = None
    reason: str | None = None
    ended_at: datetime | None = None
    notes: tuple[Note, ...] = field(default=())

    @property
    def expected(self) -> Expectation:
        return Expectation(interface=self.interface, purpose=self.purpose, last=self.last_hop)

    def ended(self, outcome: Outcome, at: datetime, hop: Hop | None = None, reason: str | None = None) -> Attempt:
        return replace(self, outcome=outcome, ended_at=at, failing_hop=hop, reason=reason)


def begin(node_uuid: str, boot_id: str, expected: Expectation, at: datetime) -> Attempt:
    return Attempt(
        uuid=str(uuid.uuid4()), node_uuid=node_uuid, boot_id=boot_id, purpose=expected.purpose,
        interface=expected.interface, last_hop=expected.last, began_at=at, seen_at=at,
    )  # fmt: skip


def running(connection: Connection, nodes: Sequence[str]) -> dict[str, Attempt]:
    """By node, locked, with their notes."""
    statement = (
        select(boot_attempts)
        .where(boot_attempts.c.outcome == Outcome.RUNNING.value, boot_attempts.c.node_uuid.in_(nodes))
        .order_by(boot_attempts.c.uuid)
        .with_for_update()
    )
    found = [_attempt(row) for row in connection.execute(statement).mappings()]
    return {attempt.node_uuid: attempt for attempt in _with_notes(connection, found)}


def came_up(connection: Connection, nodes: Sequence[str], since: datetime) -> dict[str, list[datetime]]:
    """When nodes came up since then in attempts of which nobody has seen the power go on."""
    with_power = select(boot_hops.c.attempt_uuid).where(
        boot_hops.c.attempt_uuid == boot_attempts.c.uuid, boot_hops.c.hop == Hop.POWER.value
    )
    statement = select(boot_attempts.c.node_uuid, boot_attempts.c.ended_at).where(
        boot_attempts.c.node_uuid.in_(nodes), boot_attempts.c.outcome == Outcome.BOOTED.value,
        boot_attempts.c.ended_at >= since, ~with_power.exists(),
    )  # fmt: skip
    found: dict[str, list[datetime]] = {}
    for row in connection.execute(statement):
        found.setdefault(row.node_uuid, []).append(row.ended_at)
    return found


def over(connection: Connection, nodes: Sequence[str], since: datetime) -> dict[str, tuple[str, datetime]]:
    """Boot of these nodes → its last attempt that ended since then, and when."""
    statement = (
        select(boot_attempts.c.boot_id, boot_attempts.c.uuid, boot_attempts.c.ended_at)
        .where(boot_attempts.c.node_uuid.in_(nodes), boot_attempts.c.ended_at >= since)
        .order_by(boot_attempts.c.ended_at)
    )
    return {row.boot_id: (row.uuid, row.ended_at) for row in connection.execute(statement)}


def quiet(connection: Connection, since: datetime, limit: int) -> list[Attempt]:
    """Running ones that nothing was seen of since; those that somebody else has in hand are left out."""
    statement = (
        select(boot_attempts)
        .where(boot_attempts.c.outcome == Outcome.RUNNING.value, boot_attempts.c.seen_at < since)
        .order_by(boot_attempts.c.seen_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    found = [_attempt(row) for row in connection.execute(statement).mappings()]
    return _with_notes(connection, found)


def add(connection: Connection, attempts: Sequence[Attempt]) -> None:
    """New ones. A node has one that runs: another replica may have begun it a moment ago, then this is none."""
    if attempts:
        statement = upsert(boot_attempts).on_conflict_do_nothing()
        connection.execute(statement, [_values(attempt) for attempt in attempts])


def save(connection: Connection, attempt: Attempt) -> None:
    connection.execute(
        update(boot_attempts).where(boot_attempts.c.uuid == attempt.uuid).values(**_values(attempt))
    )  # fmt: skip


def seen(connection: Connection, attempts: Sequence[Attempt]) -> None:
    """When each was last seen: nothing else of them has changed."""
    if attempts:
        uuids, times = [each.uuid for each in attempts], [each.seen_at for each in attempts]
        connection.exec_driver_sql(_SEEN, (uuids, times))


def add_notes(connection: Connection, notes: Sequence[tuple[str, Note]]) -> None:
    """(attempt, what was seen of it)."""
    if notes:
        rows = [
            {
                "attempt_uuid": attempt, "hop": note.hop.value, "outcome": note.outcome, "at": note.at,
                "detail": note.detail,
            }
            for attempt, note in notes
        ]  # fmt: skip
        connection.execute(insert(boot_hops), rows)


def existing(connection: Connection, uuids: Sequence[str]) -> set[str]:
    return set(connection.scalars(select(boot_attempts.c.uuid).where(boot_attempts.c.uuid.in_(list(uuids)))))


def prune(connection: Connection, node_uuid: str) -> None:
    """The newest are kept."""
    newest = (
        select(boot_attempts.c.uuid)
        .where(boot_attempts.c.node_uuid == node_uuid)
        .order_by(boot_attempts.c.began_at.desc())
        .limit(KEPT)
    )
    connection.execute(
        delete(boot_attempts).where(boot_attempts.c.node_uuid == node_uuid, boot_attempts.c.uuid.not_in(newest))
    )


def forget(connection: Connection, node_uuid: str) -> None:
    connection.execute(delete(boot_attempts).where(boot_attempts.c.node_uuid == node_uuid))


def of_node(connection: Connection, node_uuid: str, limit: int, marker: str | None = None) -> list[Attempt]:
    """Newest first. ``marker``: the last one of the page before."""
    statement = select(boot_attempts).where(boot_attempts.c.node_uuid == node_uuid)
    if marker is not None:
        after = select(boot_attempts.c.began_at).where(boot_attempts.c.uuid == marker).scalar_subquery()
        statement = statement.where(boot_attempts.c.began_at < after)
    rows = connection.execute(statement.order_by(boot_attempts.c.began_at.desc()).limit(limit)).mappings()
    return _with_notes(connection, [_attempt(row) for row in rows])


def one(connection: Connection, node_uuid: str, attempt: str) -> Attempt | None:
    statement = select(boot_attempts).where(boot_attempts.c.node_uuid == node_uuid, boot_attempts.c.uuid == attempt)
    row = connection.execute(statement).mappings().first()
    return None if row is None else _with_notes(connection, [_attempt(row)])[0]


def nodes_of_macs(connection: Connection, macs: Sequence[str]) -> dict[str, str]:
    """MAC → node, of nodes that were ever prepared."""
    found: dict[str, str] = {}
    for row in connection.execute(select(boots.c.node_uuid, boots.c.macs).where(boots.c.macs.op("&&")(list(macs)))):
        found |= dict.fromkeys(row.macs, row.node_uuid)
    return found


def write_leases(connection: Connection, leases: Mapping[str, str], now: datetime) -> None:
    """``leases``: address → MAC."""
    if leases:
        rows = [{"ip": ip, "mac": mac, "seen_at": now} for ip, mac in sorted(leases.items())]
        statement = upsert(boot_leases).values(rows)
        set_ = {"mac": statement.excluded.mac, "seen_at": statement.excluded.seen_at}
        connection.execute(statement.on_conflict_do_update(index_elements=["ip"], set_=set_))


def has_leases(connection: Connection, since: datetime) -> bool:
    """Whether any address was seen to be given out since then."""
    return (
        connection.execute(select(boot_leases.c.ip).where(boot_leases.c.seen_at >= since).limit(1)).first() is not None
    )


def drop_leases(connection: Connection, addresses: Sequence[str]) -> None:
    if addresses:
        connection.execute(delete(boot_leases).where(boot_leases.c.ip.in_(list(addresses))))


def _values(attempt: Attempt) -> dict[str, Any]:
    return {
        "uuid": attempt.uuid, "node_uuid": attempt.node_uuid, "boot_id": attempt.boot_id, "purpose": attempt.purpose,
        "interface": attempt.interface, "last_hop": attempt.last_hop.value, "outcome": attempt.outcome.value,
        "failing_hop": attempt.failing_hop.value if attempt.failing_hop else None, "reason": attempt.reason,
        "began_at": attempt.began_at, "seen_at": attempt.seen_at, "ended_at": attempt.ended_at,
    }  # fmt: skip


def _attempt(row: RowMapping) -> Attempt:
    return Attempt(
        uuid=row["uuid"], node_uuid=row["node_uuid"], boot_id=row["boot_id"], purpose=row["purpose"],
        interface=row["interface"], last_hop=Hop(row["last_hop"]), outcome=Outcome(row["outcome"]),
        failing_hop=Hop(row["failing_hop"]) if row["failing_hop"] else None, reason=row["reason"],
        began_at=row["began_at"], seen_at=row["seen_at"], ended_at=row["ended_at"],
    )  # fmt: skip


def _with_notes(connection: Connection, attempts: Sequence[Attempt]) -> list[Attempt]:
    if not attempts:
        return []
    by_uuid: dict[str, list[Note]] = {attempt.uuid: [] for attempt in attempts}
    node_of = {attempt.uuid: attempt for attempt in attempts}
    statement = (
        select(boot_hops).where(boot_hops.c.attempt_uuid.in_(list(by_uuid))).order_by(boot_hops.c.at, boot_hops.c.id)
    )
    for row in connection.execute(statement).mappings():
        attempt = node_of[row["attempt_uuid"]]
        by_uuid[attempt.uuid].append(
            Note(
                node_uuid=attempt.node_uuid, boot_id=attempt.boot_id, hop=Hop(row["hop"]), outcome=row["outcome"],
                at=row["at"], detail=row["detail"],
            )
        )  # fmt: skip
    return [replace(attempt, notes=tuple(by_uuid[attempt.uuid])) for attempt in attempts]
