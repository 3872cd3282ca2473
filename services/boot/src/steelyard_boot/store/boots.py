"""What each node boots next: written by a step, read by whatever asks for its script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, select
from sqlalchemy.dialects.postgresql import insert

from ..domain.boot_model import BootModel, Purpose
from ..domain.node_for_boot import NodeForBoot
from .tables import boot_kickstarts, boots

# Several machines at once, each by system UUID (1), then by MAC (2), then by the address that the DHCP server gave to
# one of its NICs (3). The limits keep each branch a look into its index; joined, PostgreSQL would read the whole table.
_FIND = """
    WITH asked AS (SELECT * FROM unnest(%(numbers)s::int[], %(ranks)s::int[], %(names)s::text[]) AS a (n, rank, name)),
    hits AS (
        SELECT a.n, a.rank, b.node_uuid FROM asked a CROSS JOIN LATERAL (
            SELECT node_uuid FROM boots WHERE system_uuids && ARRAY[a.name] LIMIT 9
        ) b WHERE a.rank = 1
        UNION ALL SELECT a.n, a.rank, b.node_uuid FROM asked a CROSS JOIN LATERAL (
            SELECT node_uuid FROM boots WHERE macs && ARRAY[a.name] LIMIT 9
        ) b WHERE a.rank = 2
        UNION ALL SELECT a.n, a.rank, b.node_uuid FROM asked a JOIN boot_leases l ON l.ip = a.name CROSS JOIN LATERAL (
            SELECT node_uuid FROM boots WHERE macs && ARRAY[l.mac] LIMIT 9
        ) b WHERE a.rank = 3
    ), best AS (SELECT n, node_uuid, min(rank) AS rank FROM hits GROUP BY n, node_uuid)
    SELECT best.n, best.rank, b.node_uuid::text AS node_uuid, b.purpose, b.interface, b.mode, b.arch, b.loader,
        b.model, b.created_at, b.macs,
        EXISTS (SELECT 1 FROM hits h WHERE h.n = best.n AND h.rank = 3 AND h.node_uuid <> b.node_uuid) AS is_anothers,
        EXISTS (SELECT 1 FROM hits h WHERE h.n = best.n AND h.rank = 2 AND h.node_uuid <> b.node_uuid)
            AS has_anothers_mac
    FROM best JOIN boots b USING (node_uuid) ORDER BY best.n, best.rank
"""
_SEEN = ("is_anothers", "has_anothers_mac")
Names = tuple[Sequence[str], Sequence[str], str | None]


@dataclass(frozen=True, kw_only=True)
class BootRow:
    """What one node boots next. ``is_anothers``: the address that asks was given to a NIC of another node;
    ``has_anothers_mac``: of the MAC addresses that it was asked by, one is another node's."""

    node_uuid: str
    interface: str
    mode: str
    arch: str
    loader: str | None
    macs: tuple[str, ...]
    model: BootModel
    created_at: datetime
    is_anothers: bool = False
    has_anothers_mac: bool = False


def _row(row: RowMapping | Any, **seen: bool) -> BootRow:
    return BootRow(
        node_uuid=row["node_uuid"],
        interface=row["interface"],
        mode=row["mode"],
        arch=row["arch"],
        loader=row["loader"],
        macs=tuple(row["macs"]),
        model=BootModel.from_dict(row["model"]),
        created_at=row["created_at"],
        **seen,
    )


def write(connection: Connection, node: NodeForBoot, model: BootModel, now: datetime) -> None:
    """This is what the node boots from now on."""
    values = {
        "boot_id": model.boot_id, "system_uuids": list(node.system_uuids), "macs": list(node.macs),
        "purpose": model.purpose.value, "interface": node.interface, "mode": node.mode, "arch": node.arch,
        "loader": node.loader, "model": model.to_dict(), "created_at": now,
    }  # fmt: skip
    statement = insert(boots).values(node_uuid=node.uuid, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["node_uuid"], set_=values))
    if model.purpose is not Purpose.INSTALL:
        connection.execute(delete(boot_kickstarts).where(boot_kickstarts.c.node_uuid == node.uuid))


def forget(connection: Connection, node_uuid: str) -> bool:
    """→ whether it was known"""
    connection.execute(delete(boot_kickstarts).where(boot_kickstarts.c.node_uuid == node_uuid))
    return connection.execute(delete(boots).where(boots.c.node_uuid == node_uuid)).rowcount > 0


def of_node(connection: Connection, node_uuid: str) -> BootRow | None:
    row = connection.execute(select(boots).where(boots.c.node_uuid == node_uuid)).mappings().first()
    return None if row is None else _row(row)


def of_nodes(connection: Connection, nodes: Sequence[str]) -> dict[str, BootRow]:
    rows = connection.execute(select(boots).where(boots.c.node_uuid.in_(list(nodes)))).mappings()
    return {row["node_uuid"]: _row(row) for row in rows}


def of_boot(connection: Connection, boot_id: str) -> BootRow | None:
    row = connection.execute(select(boots).where(boots.c.boot_id == boot_id)).mappings().first()
    return None if row is None else _row(row)


def everything(connection: Connection) -> Sequence[BootRow]:
    """For writing a folder anew that other servers read."""
    return [_row(row) for row in connection.execute(select(boots).order_by(boots.c.node_uuid)).mappings()]


def find(connection: Connection, asked: Sequence[Names]) -> list[BootRow | None]:
    """``asked``: (system UUIDs, MACs, address) of each. → whoever asks by these names, in the same order.

    None for nobody, and where two nodes have the best of the names in common.
    """
    rows = [
        (number, rank, name)
        for number, (uuids, macs, ip) in enumerate(asked)
        for rank, names in ((1, uuids), (2, macs), (3, [ip] if ip else []))
        for name in names
    ]
    numbers, ranks, names = ([row[at] for row in rows] for at in range(3))
    found: Any = connection.exec_driver_sql(_FIND, {"numbers": numbers, "ranks": ranks, "names": names})
    best: list[list[Any]] = [[] for _ in asked]
    for row in found.mappings():
        of_one = best[row["n"]]
        if not of_one or of_one[0]["rank"] == row["rank"]:
            of_one.append(row)
    return [
        _row(of_one[0], **{name: of_one[0][name] for name in _SEEN}) if len(of_one) == 1 else None for of_one in best
    ]
