"""What is published for BMCs to fetch, and which CDs were made of what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.postgresql import insert

from .tables import boot_isos, boot_media

_COLUMNS = select(
    boot_media.c.name, boot_media.c.node_uuid, boot_media.c.boot_id, boot_media.c.artifact, boot_media.c.is_ours
)


@dataclass(frozen=True, kw_only=True)
class Published:
    """``artifact``: its key. ``is_ours``: made for one boot."""

    name: str
    node_uuid: str
    boot_id: str
    artifact: str
    is_ours: bool


def publish(connection: Connection, media: Sequence[Published], now: datetime) -> None:
    for each in media:
        connection.execute(
            insert(boot_media).values(
                name=each.name, node_uuid=each.node_uuid, boot_id=each.boot_id, artifact=each.artifact,
                is_ours=each.is_ours, created_at=now,
            )
        )  # fmt: skip


def find(connection: Connection, name: str) -> Published | None:
    row = connection.execute(_COLUMNS.where(boot_media.c.name == name)).first()
    return None if row is None else Published(**row._mapping)


def of_node(connection: Connection, node_uuid: str) -> list[Published]:
    statement = _COLUMNS.where(boot_media.c.node_uuid == node_uuid).order_by(boot_media.c.name)
    return [Published(**row._mapping) for row in connection.execute(statement)]


def unpublish(connection: Connection, node_uuid: str) -> list[Published]:
    """→ what is gone"""
    gone = of_node(connection, node_uuid)
    connection.execute(delete(boot_media).where(boot_media.c.name.in_([each.name for each in gone])))
    return gone


def cd_of(connection: Connection, digest: str) -> str | None:
    """The artifact that was made of these parts."""
    return connection.scalar(select(boot_isos.c.artifact).where(boot_isos.c.digest == digest))


def note_cd(connection: Connection, digest: str, artifact: str, now: datetime) -> None:
    statement = insert(boot_isos).values(digest=digest, artifact=artifact, created_at=now)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["digest"], set_={"artifact": artifact, "created_at": now})
    )
