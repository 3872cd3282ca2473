"""Rows of messages that are committed and not yet known to be on their stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from ..bus.types import Message

_INSERT = """
    INSERT INTO outbox (msg_id, subject, headers, body)
    SELECT * FROM unnest(%s::text[], %s::text[], %s::jsonb[], %s::bytea[]) RETURNING id
"""
_OLD = """
    SELECT id, msg_id, subject, headers, body FROM outbox
    WHERE created_at < now() - make_interval(secs => %s) AND NOT id = ANY(%s) ORDER BY id LIMIT %s
"""


def outbox_table(metadata: sa.MetaData) -> sa.Table:
    """The table each schema has. It is nearly always empty: vacuumed by count, not by share."""
    return sa.Table(
        "outbox", metadata,
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("msg_id", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("headers", JSONB, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.clock_timestamp()),
        postgresql_with={"autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 2000},
    )  # fmt: skip


def insert(connection: sa.Connection, messages: Sequence[Message]) -> list[int]:
    """→ the new rows' ids, in no promised order."""
    columns = (
        [message.msg_id for message in messages],
        [message.subject for message in messages],
        [orjson.dumps(message.headers).decode() for message in messages],
        [message.body for message in messages],
    )
    return [row[0] for row in connection.exec_driver_sql(_INSERT, columns)]


def delete(connection: sa.Connection, ids: Sequence[int]) -> None:
    connection.exec_driver_sql("DELETE FROM outbox WHERE id = ANY(%s)", (list(ids),))


def old(connection: sa.Connection, age_s: float, known: Sequence[int], limit: int) -> list[tuple[int, Message]]:
    """Rows that somebody should have published by now, oldest first, without the ``known`` ones."""
    rows: Any = connection.exec_driver_sql(_OLD, (age_s, list(known), limit))
    return [
        (row.id, Message(subject=row.subject, body=bytes(row.body), msg_id=row.msg_id, headers=row.headers))
        for row in rows
    ]
