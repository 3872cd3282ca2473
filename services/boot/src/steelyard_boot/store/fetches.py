"""Queries of what is being fetched. Who writes names the attempt it took: one that lost its lease changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, text

from .artifacts import Row, _one, _rows

_COLUMNS = (
    "id, wish_key, wish, url, host, status, phase, artifact_key, holder, lease_until, attempt, tries, due_at, "
    "done_bytes, total_bytes, validator, error, begun_at, settled_at, fresh_until"
)
_GET = text(f"SELECT {_COLUMNS} FROM artifact_fetches WHERE wish_key = :wish_key")  # noqa: S608
_INSERT = text(
    "INSERT INTO artifact_fetches (wish_key, wish, url, host, status, due_at, created_at) "
    "VALUES (:wish_key, CAST(:wish AS jsonb), :url, :host, 'waiting', :now, :now) ON CONFLICT (wish_key) DO NOTHING"
)
# What is known of the last time (validator, artifact_key) stays: it may be what it was.
_AGAIN = text(
    "UPDATE artifact_fetches SET status = 'waiting', wish = CAST(:wish AS jsonb), phase = 'fetch', tries = 0, "
    "error = NULL, due_at = :now, begun_at = NULL, holder = NULL, lease_until = NULL, done_bytes = 0, "
    "total_bytes = NULL "
    "WHERE wish_key = :wish_key AND status IN ('done', 'failed')"
)
_CLAIM_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('artifact fetches', 0))")
_CLAIM = text(
    "WITH busy AS (SELECT host, count(*) AS n FROM artifact_fetches WHERE status = 'running' AND lease_until >= :now "
    "GROUP BY host), due AS (SELECT f.id, row_number() OVER (PARTITION BY f.host ORDER BY f.due_at, f.id) "
    "+ COALESCE(b.n, 0) AS place, f.due_at FROM artifact_fetches f LEFT JOIN busy b USING (host) "
    "WHERE (f.status = 'waiting' AND f.due_at <= :now) OR (f.status = 'running' AND f.lease_until < :now)) "
    "UPDATE artifact_fetches t SET status = 'running', holder = :holder, lease_until = :until, "
    "attempt = attempt + 1, begun_at = COALESCE(begun_at, :now), error = NULL WHERE id IN "
    "(SELECT id FROM due WHERE place <= :per_host ORDER BY due_at, id LIMIT :most) "
    "RETURNING t.*"
)
_BEAT = text(
    "UPDATE artifact_fetches t SET lease_until = :until, done_bytes = d.done_bytes, total_bytes = d.total_bytes, "
    "phase = d.phase, validator = d.validator FROM jsonb_to_recordset(CAST(:doc AS jsonb)) AS d (id bigint, "
    "attempt integer, done_bytes bigint, total_bytes bigint, phase text, validator jsonb) "
    "WHERE t.id = d.id AND t.attempt = d.attempt AND t.status = 'running' RETURNING t.id"
)
_DONE = text(
    "UPDATE artifact_fetches SET status = 'done', artifact_key = :key, settled_at = :now, fresh_until = :fresh_until, "
    "validator = CAST(:validator AS jsonb), error = NULL, tries = 0, holder = NULL, lease_until = NULL "
    "WHERE id = :id AND attempt = :attempt AND status = 'running'"
)
_FAILED = text(
    "UPDATE artifact_fetches SET status = 'failed', error = CAST(:error AS jsonb), settled_at = :now, holder = NULL, "
    "lease_until = NULL, validator = NULL, done_bytes = 0 WHERE id = :id AND attempt = :attempt AND status = 'running'"
)
_LATER = text(
    "UPDATE artifact_fetches SET status = 'waiting', due_at = :due_at, tries = :tries, error = CAST(:error AS jsonb), "
    "holder = NULL, lease_until = NULL, done_bytes = :done_bytes, validator = CAST(:validator AS jsonb) "
    "WHERE id = :id AND attempt = :attempt AND status = 'running'"
)
_OPEN = text("SELECT id FROM artifact_fetches WHERE status IN ('waiting', 'running')")
_TIDY = text(
    "DELETE FROM artifact_fetches f WHERE status IN ('done', 'failed') AND settled_at < :before AND NOT EXISTS "
    "(SELECT FROM artifact_references r WHERE r.wish_key = f.wish_key) AND NOT EXISTS "
    "(SELECT FROM artifacts a WHERE a.key = f.artifact_key AND f.status = 'done')"
)
_UNDER_WAY = text(
    f"SELECT {_COLUMNS} FROM artifact_fetches WHERE status <> 'done' ORDER BY id DESC LIMIT :limit"  # noqa: S608
)


def get(connection: Connection, wish_key: str) -> Row | None:
    return _one(connection, _GET, {"wish_key": wish_key})


def insert(connection: Connection, wish_key: str, wish: Mapping[str, Any], host: str, now: datetime) -> bool:
    """→ False when others wished it before"""
    values = {"wish_key": wish_key, "wish": _json(wish), "url": wish["url"], "host": host, "now": now}
    return connection.execute(_INSERT, values).rowcount > 0


def begin_again(connection: Connection, wish_key: str, wish: Mapping[str, Any], now: datetime) -> None:
    """Of one that has ended; while it is under way nothing changes."""
    connection.execute(_AGAIN, {"wish_key": wish_key, "wish": _json(wish), "now": now})


def claim(
    connection: Connection, holder: str, now: datetime, until: datetime, *, most: int, per_host: int
) -> list[Row]:
    """Take up to ``most`` that are due, or whose holder's lease has ended: at most ``per_host`` run for one host."""
    connection.execute(_CLAIM_LOCK)
    values = {"holder": holder, "now": now, "until": until, "most": most, "per_host": per_host}
    return _rows(connection, _CLAIM, values)


def beat(connection: Connection, jobs: Sequence[Mapping[str, Any]], until: datetime) -> set[int]:
    """Tell how far they are, and hold them on. ``jobs``: {id, attempt, done_bytes, total_bytes, phase, validator}.

    → the ids that are still ours
    """
    return set(connection.execute(_BEAT, {"doc": _json(list(jobs)), "until": until}).scalars())


def settle_done(
    connection: Connection, job: Mapping[str, Any], key: str, validator: Mapping[str, Any], now: datetime,
    fresh_until: datetime,
) -> bool:  # fmt: skip
    """→ False when it was taken over"""
    values = {
        "id": job["id"], "attempt": job["attempt"], "key": key, "validator": _json(validator), "now": now,
        "fresh_until": fresh_until,
    }  # fmt: skip
    return connection.execute(_DONE, values).rowcount > 0


def settle_failed(connection: Connection, job: Mapping[str, Any], error: Mapping[str, Any], now: datetime) -> bool:
    """→ False when it was taken over"""
    values = {"id": job["id"], "attempt": job["attempt"], "error": _json(error), "now": now}
    return connection.execute(_FAILED, values).rowcount > 0


def settle_later(
    connection: Connection, job: Mapping[str, Any], error: Mapping[str, Any] | None, due_at: datetime, *,
    tries: int, done_bytes: int, validator: Mapping[str, Any] | None,
) -> bool:  # fmt: skip
    """To be tried again. → False when it was taken over"""
    values = {
        "id": job["id"], "attempt": job["attempt"], "error": _json(error), "due_at": due_at, "tries": tries,
        "done_bytes": done_bytes, "validator": _json(validator),
    }  # fmt: skip
    return connection.execute(_LATER, values).rowcount > 0


def open_ids(connection: Connection) -> set[int]:
    """Those whose drafts are needed."""
    return set(connection.execute(_OPEN).scalars())


def tidy(connection: Connection, before: datetime) -> int:
    """Forget what ended before then and leads nowhere. → how many"""
    return connection.execute(_TIDY, {"before": before}).rowcount


def under_way(connection: Connection, limit: int) -> list[Row]:
    """What is not done: waiting, running, failed; the newest first."""
    return _rows(connection, _UNDER_WAY, {"limit": limit})


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
