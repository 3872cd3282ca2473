"""What the databases say: schemas, workers, workflows, nodes and secrets. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from steelyard_common.contracts.catalogue import is_external
from steelyard_common.errors import InvalidRequest, Unavailable
from steelyard_common.releases import MARK, are_neighbours
from steelyard_common.secrets import Sealer
from steelyard_inventory.domain.transitions import UNSTABLE, State

from .findings import Finding
from .release import Release, Schema

FAULTS = (psycopg.Error,)
MOST_NAMED = 5
SEEN_WITHIN = timedelta(seconds=60)
Connection = psycopg.Connection[dict[str, Any]]
_RELEASE = (
    "SELECT obj_description(to_regclass(%(table)s), 'pg_class') AS mark, "
    "(SELECT count(*) FROM information_schema.schemata WHERE schema_name = %(schema)s) AS there"
)
_WORKERS = "SELECT instance, service, version, seen_at > now() - %(within)s AS seen FROM inventory.workers WHERE online"
_STEPS = """
SELECT w.uuid::text AS workflow, w.kind, w.parked, n.uuid::text AS node, n.name,
  array_agg(s.interface || '.' || s.name) FILTER (WHERE s.status NOT IN ('done', 'skipped')) AS steps
FROM inventory.workflows w JOIN inventory.nodes n ON n.uuid = w.node_uuid
LEFT JOIN inventory.steps s ON s.workflow_uuid = w.uuid
WHERE w.finished_at IS NULL GROUP BY w.uuid, w.kind, w.parked, n.uuid, n.name ORDER BY n.name, n.uuid
"""
_STUCK = """
SELECT n.uuid::text AS node, n.name, n.provision_state AS state FROM inventory.nodes n
WHERE n.provision_state = ANY(%(states)s)
AND NOT EXISTS (SELECT 1 FROM inventory.workflows w WHERE w.node_uuid = n.uuid AND w.finished_at IS NULL)
ORDER BY n.name, n.uuid
"""
_OFFERED = "SELECT steps FROM inventory.workers WHERE online"
# Columns that may hold sealed secrets; history is not among them: nothing opens what stands there.
_COLUMNS = """
SELECT table_schema AS schema, table_name AS name, column_name AS column FROM information_schema.columns
WHERE table_schema = ANY(%(schemas)s) AND (data_type IN ('json', 'jsonb') OR column_name IN ('secret', 'token'))
AND table_name NOT LIKE 'timeline%%' AND table_name NOT IN ('outbox', 'webhook_deliveries', 'workers', 'estimates')
ORDER BY 1, 2, 3
"""
_SEALED = (
    "SELECT DISTINCT ON (1) split_part(t[1], ':', 2) AS key, t[1] AS token, count(*) OVER (PARTITION BY "
    "split_part(t[1], ':', 2)) AS many FROM (SELECT regexp_matches({column}::text, "
    "'sealed:[A-Za-z0-9_.-]+:[A-Za-z0-9_=-]+', 'g') AS t FROM {table} WHERE {column}::text LIKE '%%sealed:%%') found"
)


def connect(url: str) -> Connection:
    """Errors: Unavailable."""
    try:
        connection = psycopg.connect(url, connect_timeout=5, row_factory=dict_row, autocommit=True)
        connection.execute("SET default_transaction_read_only = on")
        connection.execute("SET statement_timeout = '60s'")
    except psycopg.Error as error:
        raise Unavailable("the database cannot be asked", detail=str(error)) from error
    return connection


def schemas(connection: Connection, to: Release) -> Iterator[Finding]:
    """Is each schema one that the release can work with, or migrate?"""
    for service, schema in to.schemas.items():
        table = f"{service}.alembic_version"
        row = _one(connection, _RELEASE, {"table": table, "schema": service})
        if not row["there"]:
            continue  # the service is new: its schema is made
        mark = str(row["mark"] or "").removeprefix(MARK)
        at = sql.SQL("SELECT version_num FROM {}").format(sql.Identifier(service, "alembic_version"))
        found = connection.execute(at).fetchone()
        if found is None:
            yield Finding(reason="schema-unknown", about=service, says="no migration was ever run to its end")
        else:
            yield from _judge(service, found["version_num"], mark, schema, to)


def _judge(service: str, revision: str, mark: str, schema: Schema, to: Release) -> Iterator[Finding]:
    if revision in schema.revisions:
        oldest = schema.oldest
        if oldest is not None and schema.revisions.index(revision) > schema.revisions.index(oldest):
            says = f"it is at revision {revision}, and {to.version} migrates from {oldest} on"
            yield Finding(reason="schema-behind", about=service, says=says)
    elif not mark:
        yield Finding(
            reason="schema-unknown", about=service, says=f"revision {revision} is none that {to.version} knows"
        )
    elif not are_neighbours(mark, to.version):
        says = f"it is of release {mark} (revision {revision}), more than one release from {to.version}"
        yield Finding(reason="schema-ahead", about=service, says=says)


def versions(connection: Connection) -> dict[str, str]:
    """Worker → its version, of those that said something lately."""
    rows = _all(connection, _WORKERS, {"within": SEEN_WITHIN})
    return {row["instance"]: row["version"] for row in rows if row["seen"]}


def foreign_interfaces(connection: Connection) -> set[str]:
    """Interfaces that workers serve."""
    rows = _all(connection, "SELECT provides, steps FROM inventory.workers WHERE online")
    return {each for row in rows for each in (*row["provides"], *(step["interface"] for step in row["steps"]))}


def workers_away(connection: Connection) -> Iterator[Finding]:
    for row in _all(connection, _WORKERS, {"within": SEEN_WITHIN}):
        if not row["seen"]:
            says = f"it did not sign off, and said nothing for {SEEN_WITHIN.seconds} s"
            yield Finding(reason="replica-failing", about=row["instance"], says=says)


def workflows(connection: Connection, to: Release) -> Iterator[Finding]:
    """Those that go on: could the other release go on with them? Are they parked?"""
    offered = {
        f"{step['interface']}.{step['name']}"
        for row in _all(connection, _OFFERED)
        for step in row["steps"]
        if not is_external(step["interface"])
    }
    for row in _all(connection, _STEPS):
        about = f"{row['name'] or row['node']} ({row['kind']} {row['workflow']})"
        if to.kinds and row["kind"] not in to.kinds:
            yield Finding(reason="workflow-unknown", about=about, says=f"{to.version} knows no workflow {row['kind']}")
        unknown = sorted({*(row["steps"] or ())} & offered - {*to.steps})  # others are an agent's, or the engine's
        if to.steps and unknown:
            says = f"{to.version} knows no step {', '.join(unknown[:MOST_NAMED])}"
            yield Finding(reason="workflow-unknown", about=about, says=says)
        if row["parked"]:
            yield Finding(reason="workflow-parked", about=about, says="it waits for something from outside")


def nodes(connection: Connection) -> Iterator[Finding]:
    """In a state that a workflow must end, and without one."""
    holds = {State.CLEAN_HOLD, State.DEPLOY_HOLD, State.SERVICE_HOLD}
    for row in _all(connection, _STUCK, {"states": [str(state) for state in UNSTABLE | holds]}):
        says = f'it is in the state "{row["state"]}", and no workflow goes on'
        yield Finding(reason="node-without-workflow", about=row["name"] or row["node"], says=says)


def secrets(connection: Connection, to: Release, seal_keys: str | None) -> Iterator[Finding]:
    """Can what is sealed be opened with the keys that there are? ``seal_keys`` None: nobody gave them."""
    sealer = _sealer(seal_keys)
    for row in _all(connection, _COLUMNS, {"schemas": list(to.schemas) or ["inventory"]}):
        where = f"{row['schema']}.{row['name']}.{row['column']}"
        query = sql.SQL(_SEALED).format(
            column=sql.Identifier(row["column"]), table=sql.Identifier(row["schema"], row["name"])
        )
        for found in connection.execute(query):
            if (reason := _why_not(sealer, found["token"])) is not None:
                says = f"{found['many']} secrets sealed with key {found['key']}: {reason}"
                yield Finding(reason="secret-unreadable", about=where, says=says)


def _sealer(seal_keys: str | None) -> Sealer | None:
    try:
        return Sealer.from_text(seal_keys) if seal_keys else None
    except InvalidRequest:
        return None


def _why_not(sealer: Sealer | None, token: str) -> str | None:
    if sealer is None:
        return "no sealing keys are there to open them with"
    try:
        sealer.open(token)
    except InvalidRequest as error:
        return error.message
    return None


def _all(connection: Connection, query: LiteralString, values: Any = None) -> Sequence[dict[str, Any]]:
    return connection.execute(query, values).fetchall()


def _one(connection: Connection, query: LiteralString, values: Any = None) -> dict[str, Any]:
    found = connection.execute(query, values).fetchone()
    return found or {}
