"""Kickstarts that are served: found by their name, as long as their node is to boot its installer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from ..domain.boot_model import Purpose
from .tables import boot_kickstarts, boot_leases, boots


@dataclass(frozen=True, kw_only=True)
class Kickstart:
    """``text`` is sealed; ``stage2``: key of an artifact."""

    node_uuid: str
    name: str = field(repr=False)
    text: str = field(repr=False)
    stage2: str | None


@dataclass(frozen=True, kw_only=True)
class Served:
    """A kickstart, the boot that it belongs to, and the NICs of its node."""

    kickstart: Kickstart
    boot_id: str
    macs: tuple[str, ...]


def keep(connection: Connection, kickstart: Kickstart, now: datetime) -> None:
    """In place of what the node had."""
    values = {
        "name": kickstart.name, "text": kickstart.text, "stage2": kickstart.stage2, "created_at": now,
    }  # fmt: skip
    statement = insert(boot_kickstarts).values(node_uuid=kickstart.node_uuid, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["node_uuid"], set_=values))


def find(connection: Connection, name: str) -> Served | None:
    """None also when its node boots something else by now."""
    kept = boot_kickstarts.c
    query = (
        select(kept.node_uuid, kept.name, kept.text, kept.stage2, boots.c.boot_id, boots.c.macs)
        .join(boots, boots.c.node_uuid == kept.node_uuid)
        .where(kept.name == name, boots.c.purpose == Purpose.INSTALL.value)
    )
    row = connection.execute(query).mappings().first()
    if row is None:
        return None
    kickstart = Kickstart(node_uuid=row["node_uuid"], name=row["name"], text=row["text"], stage2=row["stage2"])
    return Served(kickstart=kickstart, boot_id=row["boot_id"], macs=tuple(row["macs"]))


def lease_of(connection: Connection, address: str) -> str | None:
    """The NIC that the DHCP server gave this address to, where its log is read."""
    mac = connection.execute(select(boot_leases.c.mac).where(boot_leases.c.ip == address)).scalar()
    return None if mac is None else str(mac)
