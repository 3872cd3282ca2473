"""Rows of webhooks and of their deliveries."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, text
from steelyard_common.errors import Conflict, NotFound

from ..domain.webhooks import DEAD_DAYS, DELIVERED_DAYS, LONGEST_GAP_S, MOST_AT_ONCE

Row = dict[str, Any]
COLUMNS = ("url", "secret", "events", "filters", "description", "enabled", "disabled_reason")
_SHOWN = (
    "w.uuid::text AS uuid, w.url, w.secret, w.events, w.filters, w.description, w.enabled, w.disabled_reason, w.owner, "
    "w.visible, w.created_at, w.updated_at, w.xmin::text AS version"
)
_DELIVERY = (
    "uuid::text AS uuid, webhook_uuid::text AS webhook_uuid, event_id, event_type, subject, status, tries, due_at, "
    "answer, error, created_at, settled_at"
)
_INSERT = text(
    "INSERT INTO webhooks (uuid, url, secret, events, filters, description, enabled, owner, visible, created_at) "
    "VALUES (:uuid, :url, :secret, :events, CAST(:filters AS jsonb), :description, :enabled, :owner, :visible, :now) "
    "ON CONFLICT (uuid) DO NOTHING"
)
# Columns are put into SQL text from the constants above only.
_GET = text(f"SELECT {_SHOWN} FROM webhooks w WHERE w.uuid = :uuid")  # noqa: S608
_TAKE = text(f"SELECT {_SHOWN} FROM webhooks w WHERE w.uuid = :uuid FOR UPDATE")  # noqa: S608
_ENABLED = text(f"SELECT {_SHOWN} FROM webhooks w WHERE w.enabled ORDER BY w.id")  # noqa: S608
_PAGE = text(
    f"SELECT {_SHOWN} FROM webhooks w WHERE (CAST(:owner AS text) IS NULL OR w.owner = :owner) "  # noqa: S608
    "AND (CAST(:marker AS uuid) IS NULL OR w.id > (SELECT id FROM webhooks WHERE uuid = :marker)) "
    "ORDER BY w.id LIMIT :limit"
)
_UPDATE = text(
    "UPDATE webhooks SET url = :url, secret = :secret, events = :events, filters = CAST(:filters AS jsonb), "
    "description = :description, enabled = :enabled, disabled_reason = :disabled_reason, updated_at = :now "
    "WHERE uuid = :uuid"
)
_DELETE = text("DELETE FROM webhooks WHERE uuid = :uuid")
_PILE = text(
    "INSERT INTO webhook_deliveries (uuid, webhook_uuid, event_id, event_type, subject, body, place, status, due_at, "
    "created_at) SELECT gen_random_uuid(), d.webhook, d.event_id, d.event_type, d.subject, d.body, d.place, 'pending', "
    ":now, :now FROM ROWS FROM (jsonb_to_recordset(CAST(:doc AS jsonb)) "
    "AS (webhook uuid, event_id text, event_type text, subject text, body text, place bigint)) "
    "AS d (webhook, event_id, event_type, subject, body, place) "
    "JOIN webhooks w ON w.uuid = d.webhook ORDER BY d.place ON CONFLICT DO NOTHING RETURNING uuid::text"
)
# Of each subject of each webhook the oldest that is pending, if it is due, nobody sends it, and no older one can come
# (or none has for LONGEST_GAP_S: a stream that was lost begins to count anew); so many of a webhook
# that no more than MOST_AT_ONCE are out, and of all webhooks in turn. Two takers that meet: the second judges the row
# once more as the first left it.
_TAKE_DUE = text(
    "UPDATE webhook_deliveries t SET taken_until = :until FROM webhooks w, ("
    "SELECT r.id FROM (SELECT h.id, row_number() OVER (PARTITION BY h.webhook_uuid ORDER BY h.id) AS rank, "
    "h.webhook_uuid FROM (SELECT DISTINCT ON (d.webhook_uuid, d.subject) d.id, d.webhook_uuid, d.due_at, "
    "d.taken_until, d.place, d.created_at FROM webhook_deliveries d WHERE d.status = 'pending' "
    "ORDER BY d.webhook_uuid, d.subject, d.place, d.id) h "
    "JOIN webhooks e ON e.uuid = h.webhook_uuid AND e.enabled "
    "WHERE h.due_at <= :now AND (h.taken_until IS NULL OR h.taken_until <= :now) "
    "AND (h.place <= :taken_to OR h.created_at <= :gap_over)) r "
    "WHERE r.rank + (SELECT count(*) FROM webhook_deliveries o WHERE o.webhook_uuid = r.webhook_uuid "
    "AND o.status = 'pending' AND o.taken_until > :now) <= :most_of_one ORDER BY r.rank, r.id LIMIT :most) c "
    "WHERE t.id = c.id AND w.uuid = t.webhook_uuid AND t.status = 'pending' AND t.due_at <= :now "
    "AND (t.taken_until IS NULL OR t.taken_until <= :now) "
    "AND t.id IN (SELECT id FROM webhook_deliveries WHERE id = t.id FOR UPDATE SKIP LOCKED) "
    "RETURNING t.uuid::text AS uuid, t.event_id, t.body, t.tries, w.url, w.secret, t.id"
)
_LOCKED = text(
    "SELECT uuid::text AS uuid, webhook_uuid::text AS webhook_uuid, tries, status, taken_until "
    "FROM webhook_deliveries WHERE uuid = ANY(CAST(:uuids AS uuid[])) ORDER BY id FOR UPDATE"
)
_SETTLE = text(
    "UPDATE webhook_deliveries t SET status = d.status, tries = d.tries, due_at = coalesce(d.due_at, t.due_at), "
    "taken_until = NULL, answer = d.answer, error = d.error, settled_at = d.settled_at FROM "
    "jsonb_to_recordset(CAST(:doc AS jsonb)) AS d (uuid uuid, status text, tries integer, due_at timestamptz, "
    "answer integer, error text, settled_at timestamptz) WHERE t.uuid = d.uuid"
)
_REDELIVER = text(
    "UPDATE webhook_deliveries SET status = 'pending', tries = 0, due_at = :now, taken_until = NULL, settled_at = NULL "
    "WHERE uuid = :uuid AND webhook_uuid = :webhook AND status <> 'pending'"
)
_DELIVERIES = text(
    f"SELECT {_DELIVERY} FROM webhook_deliveries WHERE webhook_uuid = :webhook "  # noqa: S608
    "AND (CAST(:status AS text) IS NULL OR status = :status) AND (CAST(:marker AS uuid) IS NULL OR id < "
    "(SELECT id FROM webhook_deliveries WHERE uuid = :marker)) ORDER BY id DESC LIMIT :limit"
)
_ONE_DELIVERY = text(
    f"SELECT {_DELIVERY} FROM webhook_deliveries WHERE uuid = :uuid AND webhook_uuid = :webhook"  # noqa: S608
)
_WHOSE = text("SELECT uuid::text AS uuid, owner, lessee FROM nodes WHERE uuid = ANY(CAST(:uuids AS uuid[]))")
_FORGET = text(
    "DELETE FROM webhook_deliveries WHERE id IN (SELECT id FROM webhook_deliveries WHERE "
    "settled_at < CASE WHEN status = 'dead' THEN CAST(:dead AS timestamptz) ELSE CAST(:delivered AS timestamptz) END "
    "ORDER BY settled_at LIMIT 5000 FOR UPDATE SKIP LOCKED)"
)


def insert(connection: Connection, row: Mapping[str, Any], now: datetime) -> None:
    """Errors: Conflict when the UUID is taken."""
    if not connection.execute(_INSERT, {**row, "filters": _json(row["filters"]), "now": now}).rowcount:
        raise Conflict(f"A webhook with UUID {row['uuid']} already exists.")


def get(connection: Connection, uuid: str) -> Row:
    """Errors: NotFound."""
    return _one(connection, _GET, uuid)


def take(connection: Connection, uuid: str) -> Row:
    """The row, locked until the transaction ends. Errors: NotFound."""
    return _one(connection, _TAKE, uuid)


def enabled(connection: Connection) -> list[Row]:
    return _rows(connection, _ENABLED, {})


def page(connection: Connection, owner: str | None, marker: str | None, limit: int) -> list[Row]:
    return _rows(connection, _PAGE, {"owner": owner, "marker": marker, "limit": limit})


def update(connection: Connection, row: Mapping[str, Any], now: datetime) -> None:
    values = {name: row[name] for name in ("uuid", *COLUMNS)}
    connection.execute(_UPDATE, {**values, "filters": _json(row["filters"]), "now": now})


def delete(connection: Connection, uuid: str) -> None:
    """With its deliveries. Errors: NotFound."""
    if not connection.execute(_DELETE, {"uuid": uuid}).rowcount:
        raise NotFound(f"Webhook {uuid} could not be found.")


def pile(connection: Connection, rows: Sequence[Mapping[str, Any]], now: datetime) -> list[str]:
    """Add deliveries {webhook, event_id, event_type, subject, body, place}; repeats are dropped. → UUIDs"""
    return list(connection.execute(_PILE, {"doc": _json(list(rows)), "now": now}).scalars())


def take_due(connection: Connection, now: datetime, until: datetime, most: int, taken_to: int) -> list[Row]:
    """At most so many deliveries to send now, marked as taken ``until`` then; the oldest first."""
    values = {
        "now": now, "until": until, "most_of_one": MOST_AT_ONCE, "most": most, "taken_to": taken_to,
        "gap_over": now - timedelta(seconds=LONGEST_GAP_S),
    }  # fmt: skip
    return sorted(_rows(connection, _TAKE_DUE, values), key=lambda row: int(row["id"]))


def locked(connection: Connection, uuids: Collection[str]) -> dict[str, Row]:
    """Deliveries by UUID, held until the transaction ends."""
    return {row["uuid"]: row for row in _rows(connection, _LOCKED, {"uuids": list(uuids)})}


def settle(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    connection.execute(_SETTLE, {"doc": _json(list(rows))})


def redeliver(connection: Connection, webhook: str, uuid: str, now: datetime) -> Row:
    """Errors: NotFound, Conflict (it is pending anyway)."""
    found = delivery(connection, webhook, uuid)
    if not connection.execute(_REDELIVER, {"uuid": uuid, "webhook": webhook, "now": now}).rowcount:
        raise Conflict(f"Delivery {uuid} is pending: it will be sent.")
    return found | {"status": "pending", "tries": 0, "due_at": now, "settled_at": None}


def delivery(connection: Connection, webhook: str, uuid: str) -> Row:
    """Errors: NotFound."""
    found = _rows(connection, _ONE_DELIVERY, {"uuid": uuid, "webhook": webhook})
    if not found:
        raise NotFound(f"Delivery {uuid} could not be found.")
    return found[0]


def deliveries(
    connection: Connection, webhook: str, status: str | None, marker: str | None, limit: int
) -> list[Row]:  # fmt: skip
    """The newest first."""
    return _rows(connection, _DELIVERIES, {"webhook": webhook, "status": status, "marker": marker, "limit": limit})


def whose(connection: Connection, uuids: Collection[str]) -> dict[str, tuple[str | None, str | None]]:
    """Node → (owner, lessee)."""
    return {row["uuid"]: (row["owner"], row["lessee"]) for row in _rows(connection, _WHOSE, {"uuids": list(uuids)})}


def forget(connection: Connection, now: datetime) -> int:
    """Drop what was settled long ago. → how many"""
    values = {"dead": now - timedelta(days=DEAD_DAYS), "delivered": now - timedelta(days=DELIVERED_DAYS)}
    return connection.execute(_FORGET, values).rowcount


def _rows(connection: Connection, statement: Any, values: Mapping[str, Any]) -> list[Row]:
    return [dict(row) for row in connection.execute(statement, values).mappings()]


def _one(connection: Connection, statement: Any, uuid: str) -> Row:
    found = _rows(connection, statement, {"uuid": uuid})
    if not found:
        raise NotFound(f"Webhook {uuid} could not be found.")
    return found[0]


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
