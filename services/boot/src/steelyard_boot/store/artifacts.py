"""Queries of what is on the shared folder, and of who needs it. Times are arguments."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

Row = dict[str, Any]
_COLUMNS = (
    "key, sha256, sha512, made_of, size, stored_bytes, kind, name, format, virtual_size, source, created_at, used_at"
)
_GET = text(f"SELECT {_COLUMNS} FROM artifacts WHERE key = :key")  # noqa: S608
# Public ones only: what has a random name is for those who were told it. An original is preferred where raw is wished.
_BY_SHA256 = text(
    f"SELECT {_COLUMNS} FROM artifacts WHERE (key = :sum AND (NOT :raw OR format <> 'qcow2')) "  # noqa: S608
    "OR (:raw AND made_of = :sum AND key = sha256) ORDER BY key = :sum DESC LIMIT 1"
)
_BY_SHA512 = text(
    f"SELECT {_COLUMNS} FROM artifacts WHERE key = sha256 AND sha512 = :sum "  # noqa: S608
    "AND (NOT :raw OR format <> 'qcow2') LIMIT 1"
)
_INSERT = text(
    f"INSERT INTO artifacts ({_COLUMNS}) VALUES (:key, :sha256, :sha512, :made_of, :size, :stored_bytes, :kind, :name, "  # noqa: S608
    ":format, :virtual_size, :source, :now, :now) ON CONFLICT (key) DO UPDATE SET used_at = excluded.used_at, "
    "sha512 = COALESCE(excluded.sha512, artifacts.sha512), made_of = COALESCE(excluded.made_of, artifacts.made_of)"
)
_TOUCH = text("UPDATE artifacts SET used_at = :now WHERE key = ANY(:keys) AND used_at < :now")
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('artifact ' || :key, 0))")
_PAGE = text(
    f"SELECT {_COLUMNS} FROM artifacts WHERE key = sha256 "  # noqa: S608
    "AND (CAST(:marker AS text) IS NULL OR key > :marker) AND (CAST(:kind AS text) IS NULL OR kind = :kind) "
    "ORDER BY key LIMIT :limit"
)
_REFERRERS = text("SELECT reference FROM artifact_references WHERE artifact_key = :key ORDER BY reference LIMIT :limit")
_KEEP = text(
    "INSERT INTO artifact_references (reference, wish_key, artifact_key) VALUES (:reference, :wish_key, :key) "
    "ON CONFLICT (reference, wish_key) DO UPDATE SET artifact_key = COALESCE(excluded.artifact_key, "
    "artifact_references.artifact_key)"
)
_RELEASE = text("DELETE FROM artifact_references WHERE reference LIKE :pattern")
_FILL = text("UPDATE artifact_references SET artifact_key = :key WHERE wish_key = :wish_key AND artifact_key IS NULL")
_UNUSED = text(
    "SELECT key, stored_bytes, used_at FROM artifacts a WHERE used_at < :before AND NOT EXISTS "
    "(SELECT FROM artifact_references r WHERE r.artifact_key = a.key) ORDER BY used_at, key LIMIT :limit"
)
_DROP = text(
    "DELETE FROM artifacts a WHERE key = :key AND used_at < :before AND NOT EXISTS "
    "(SELECT FROM artifact_references r WHERE r.artifact_key = a.key)"
)
_FORGET = text("DELETE FROM artifacts WHERE key = :key")
_TOTALS = text("SELECT kind, count(*) AS files, sum(stored_bytes)::bigint AS bytes FROM artifacts GROUP BY kind")
_KNOWN = text("SELECT key FROM artifacts WHERE key = ANY(:keys)")


def get(connection: Connection, key: str) -> Row | None:
    return _one(connection, _GET, {"key": key})


def by_sum(connection: Connection, algorithm: str, value: str, *, raw: bool) -> Row | None:
    """The artifact with this checksum; ``raw``: or what it was converted to, and no qcow2."""
    if algorithm == "md5":
        return None
    return _one(connection, _BY_SHA256 if algorithm == "sha256" else _BY_SHA512, {"sum": value, "raw": raw})


def lock(connection: Connection, key: str) -> None:
    """Until the transaction ends nobody else puts or removes this file."""
    connection.execute(_LOCK, {"key": key})


def insert(connection: Connection, row: Mapping[str, Any], now: datetime) -> None:
    """Of what is known already only the time of use changes."""
    connection.execute(_INSERT, {"sha512": None, "made_of": None, "source": None, **row, "now": now})


def touch(connection: Connection, keys: Collection[str], now: datetime) -> None:
    """They are used now."""
    connection.execute(_TOUCH, {"keys": sorted(keys), "now": now})


def page(connection: Connection, marker: str | None, limit: int, kind: str | None) -> list[Row]:
    """Public ones."""
    return _rows(connection, _PAGE, {"marker": marker, "limit": limit, "kind": kind})


def referrers(connection: Connection, key: str, limit: int) -> list[str]:
    return list(connection.execute(_REFERRERS, {"key": key, "limit": limit}).scalars())


def keep(connection: Connection, reference: str, wish_key: str, key: str | None) -> None:
    connection.execute(_KEEP, {"reference": reference, "wish_key": wish_key, "key": key})


def release(connection: Connection, prefix: str) -> int:
    """→ how many references"""
    pattern = prefix.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"
    return connection.execute(_RELEASE, {"pattern": pattern}).rowcount


def fill_references(connection: Connection, wish_key: str, key: str) -> None:
    """What was wished is there."""
    connection.execute(_FILL, {"wish_key": wish_key, "key": key})


def unused(connection: Connection, before: datetime, limit: int) -> list[Row]:
    """What nobody refers to and nobody used since: {key, stored_bytes, used_at}, the least recently used first."""
    return _rows(connection, _UNUSED, {"before": before, "limit": limit})


def drop(connection: Connection, key: str, before: datetime) -> bool:
    """→ False when it came to be used or referred to meanwhile. The caller holds its lock."""
    return connection.execute(_DROP, {"key": key, "before": before}).rowcount > 0


def forget(connection: Connection, key: str) -> None:
    """Its file is gone, or is to go."""
    connection.execute(_FORGET, {"key": key})


def totals(connection: Connection) -> list[Row]:
    """{kind, files, bytes}"""
    return _rows(connection, _TOTALS, {})


def known(connection: Connection, keys: Collection[str]) -> set[str]:
    return set(connection.execute(_KNOWN, {"keys": list(keys)}).scalars())


def _rows(connection: Connection, statement: Any, values: Mapping[str, Any]) -> list[Row]:
    return [dict(row) for row in connection.execute(statement, values).mappings()]


def _one(connection: Connection, statement: Any, values: Mapping[str, Any]) -> Row | None:
    row = connection.execute(statement, values).mappings().first()
    return None if row is None else dict(row)
