"""The statements of workflows. A batch travels as one JSON document and is unnested here.

All names that are put into these texts are constants of this package; values are bound.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text

from .provider_view import COLUMNS

# Columns of nodes that a workflow or an observation may change; what is merged into objects is in _OBJECTS.
PATCHABLE = (
    "provision_state", "target_provision_state", "provision_updated_at", "power_state", "target_power_state",
    "power_changed_at", "power_corrections", "last_error", "reservation", "fence", "maintenance",
    "maintenance_reason", "fault", "boot_mode", "secure_boot", "health", "clean_step", "deploy_step", "service_step",
    "inspection_started_at", "inspection_finished_at", "instance_uuid", "instance_name", "allocation_uuid", "lessee",
    "raid_config", "console_enabled",
)  # fmt: skip
_STEP_COLUMNS = (
    "status text, attempt int, failures int, silences int, memo jsonb, progress text, signal text, "
    "deadline_at timestamptz, started_at timestamptz, finished_at timestamptz, error jsonb"
)
_STEP_NAMES = tuple(column.split()[0] for column in _STEP_COLUMNS.split(", "))
_RUN_COLUMNS = (
    "uuid uuid, node_uuid uuid, kind text, status text, fence bigint, params jsonb, cause jsonb, idempotency_id text, "
    "error jsonb, created_at timestamptz, current_step int, parked bool, due_at timestamptz, "
    "abort_asked_at timestamptz, finished_at timestamptz"
)
_RUN_NAMES = tuple(column.split()[0] for column in _RUN_COLUMNS.split(", "))
_RUN_CHANGING = ("status", "fence", "error", "current_step", "parked", "due_at", "abort_asked_at", "finished_at")


def _set(names: Sequence[str]) -> str:
    return ", ".join(f"{name} = d.{name}" for name in names)


def _merge(target: str, key: str) -> str:
    """An object with the members of ``d.patch -> key`` put in, and those that are null there taken out."""
    gone = f"ARRAY(SELECT e.key FROM jsonb_each(d.patch -> '{key}') e WHERE e.value = 'null'::jsonb)"  # noqa: S608
    return f"(({target} || (d.patch -> '{key}')) - {gone})"


_SEALED_INSTANCE = (
    "CASE WHEN d.patch ? 'instance_clear' THEN '{}'::jsonb ELSE coalesce(t.sealed -> 'instance_info', '{}'::jsonb) END"
)
_OBJECTS = (
    "properties = CASE WHEN d.patch ? 'properties' THEN t.properties || (d.patch -> 'properties') "
    "ELSE t.properties END || CASE WHEN d.patch ? 'vendor' "
    "THEN jsonb_build_object('vendor', d.patch -> 'vendor') ELSE '{}'::jsonb END, "
    f"driver_internal_info = CASE WHEN d.patch ? 'internal' THEN {_merge('t.driver_internal_info', 'internal')} "
    "ELSE t.driver_internal_info END, "
    "instance_info = CASE WHEN d.patch ? 'instance' THEN "
    + _merge("CASE WHEN d.patch ? 'instance_clear' THEN '{}'::jsonb ELSE t.instance_info END", "instance")
    + " WHEN d.patch ? 'instance_clear' THEN '{}'::jsonb ELSE t.instance_info END, "
    "sealed = CASE WHEN d.patch ? 'instance_sealed' THEN jsonb_set(t.sealed, '{instance_info}', "
    + _merge(_SEALED_INSTANCE, "instance_sealed")
    + ") WHEN d.patch ? 'instance_clear' THEN t.sealed - 'instance_info' ELSE t.sealed END, "
)
_PATCH_NODES = (
    f"n AS (UPDATE nodes t SET ({', '.join(PATCHABLE)}) = "  # noqa: S608
    f"(SELECT {', '.join(f'r.{name}' for name in PATCHABLE)} FROM jsonb_populate_record(t, d.patch "
    f"- ARRAY['properties', 'instance_info', 'sealed']) r), {_OBJECTS}"
    "updated_at = :now FROM d WHERE t.uuid = d.node_uuid AND d.patch <> '{}'::jsonb)"
)
_TAKE_LOCKS = (
    "INSERT INTO locks (node_uuid, holder, purpose, workflow_uuid, fence, since) "
    "SELECT node_uuid, holder, purpose, uuid, fence, {since} FROM d WHERE {condition} "
    "ON CONFLICT (node_uuid) DO UPDATE SET holder = excluded.holder, purpose = excluded.purpose, "
    "workflow_uuid = excluded.workflow_uuid, fence = excluded.fence, idempotency_id = NULL, "
    "since = excluded.since, expires_at = NULL WHERE locks.workflow_uuid IS NULL"
)
_FIXED = "workflow_uuid, index, interface, name, args, timeout_s, retries, alone, info"
_FIXED_OF_STEP = "s.index, s.interface, s.name, s.args, s.timeout_s, s.retries, s.alone, s.info"
_STEPS_OF_D = (
    "jsonb_to_recordset(d.steps) AS s(index int, interface text, name text, args jsonb, timeout_s float8, retries int, "
    f"alone bool, info jsonb, {_STEP_COLUMNS})"
)
_HOLDS = "finished_at IS NULL AND NOT parked"
START = text(
    f"WITH d AS MATERIALIZED (SELECT * FROM jsonb_to_recordset(CAST(:doc AS jsonb)) AS d({_RUN_COLUMNS}, "  # noqa: S608
    "steps jsonb, patch jsonb, holder text, purpose text)), "
    f"l AS ({_TAKE_LOCKS.format(since='created_at', condition=_HOLDS)}), "
    f"w AS (INSERT INTO workflows ({', '.join(_RUN_NAMES)}) SELECT {', '.join(_RUN_NAMES)} FROM d), "
    f"s AS (INSERT INTO steps ({_FIXED}, {', '.join(_STEP_NAMES)}) SELECT d.uuid, {_FIXED_OF_STEP}, "
    f"{', '.join(f's.{name}' for name in _STEP_NAMES)} FROM d, {_STEPS_OF_D}), "
    f"{_PATCH_NODES} SELECT 1"
)
SAVE = text(
    f"WITH d AS MATERIALIZED (SELECT * FROM jsonb_to_recordset(CAST(:doc AS jsonb)) AS d({_RUN_COLUMNS}, "  # noqa: S608
    "steps jsonb, patch jsonb, holder text, purpose text)), "
    f"s AS (UPDATE steps t SET {_set(_STEP_NAMES)} FROM (SELECT r.uuid, c.* FROM d r, jsonb_to_recordset(r.steps) "
    f"AS c(index int, {_STEP_COLUMNS})) d WHERE t.workflow_uuid = d.uuid AND t.index = d.index), "
    f"w AS (UPDATE workflows t SET {_set(_RUN_CHANGING)} FROM d WHERE t.uuid = d.uuid), "
    "l AS (DELETE FROM locks USING d WHERE locks.workflow_uuid = d.uuid AND locks.node_uuid = d.node_uuid "
    "AND (d.finished_at IS NOT NULL OR d.parked)), "
    f"k AS ({_TAKE_LOCKS.format(since=':now', condition='holder IS NOT NULL')}), {_PATCH_NODES} SELECT 1"
)
# What is left of workflows is planned anew: rows from ``first`` on make room, then others take their places.
UNPLAN = text(
    "DELETE FROM steps t USING jsonb_to_recordset(CAST(:doc AS jsonb)) AS d(uuid uuid, first int) "
    "WHERE t.workflow_uuid = d.uuid AND t.index >= d.first"
)
PLAN_ANEW = text(
    f"INSERT INTO steps ({_FIXED}, {', '.join(_STEP_NAMES)}) SELECT d.uuid, {_FIXED_OF_STEP}, "  # noqa: S608
    f"{', '.join(f's.{name}' for name in _STEP_NAMES)} "
    f"FROM jsonb_to_recordset(CAST(:doc AS jsonb)) AS d(uuid uuid, steps jsonb), {_STEPS_OF_D}"
)
PATCH = text(
    "WITH d AS (SELECT * FROM jsonb_to_recordset(CAST(:doc AS jsonb)) AS d(node_uuid uuid, patch jsonb)), "  # noqa: S608
    f"{_PATCH_NODES} SELECT 1"
)
LOCK_BY_WORKFLOW = text(
    f"SELECT w.uuid::text AS workflow, {COLUMNS} FROM workflows w JOIN nodes n ON n.uuid = w.node_uuid "  # noqa: S608
    "WHERE w.uuid = ANY(CAST(:uuids AS uuid[])) AND w.finished_at IS NULL ORDER BY n.id FOR NO KEY UPDATE OF n"
)
LOCK_DUE = text(
    f"SELECT w.uuid::text AS workflow, {COLUMNS} FROM workflows w JOIN nodes n ON n.uuid = w.node_uuid "  # noqa: S608
    "WHERE w.finished_at IS NULL AND w.due_at <= :now AND w.kind = ANY(:kinds) "
    "ORDER BY w.due_at LIMIT :most FOR NO KEY UPDATE OF n SKIP LOCKED"
)
READ = text(
    "SELECT w.uuid::text, w.node_uuid::text, w.kind, w.status, w.fence, w.params, w.cause, w.error, w.created_at, "
    "w.current_step, w.parked, w.due_at, w.abort_asked_at, w.finished_at, "
    "s.index, s.interface, s.name, s.args, s.status AS step_status, s.attempt, s.failures, s.silences, s.retries, "
    "s.alone, s.info, s.memo, s.progress, s.signal, s.timeout_s, s.deadline_at, s.started_at, "
    "s.finished_at AS step_finished_at, s.error AS step_error "
    "FROM workflows w LEFT JOIN steps s ON s.workflow_uuid = w.uuid "
    "WHERE w.uuid = ANY(CAST(:uuids AS uuid[])) ORDER BY w.uuid, s.index"
)
REPEATS = text(
    "SELECT w.node_uuid::text || ' ' || w.idempotency_id FROM workflows w "
    "JOIN jsonb_to_recordset(CAST(:doc AS jsonb)) AS d(node_uuid uuid, key text) "
    "ON w.node_uuid = d.node_uuid AND w.idempotency_id = d.key"
)
ACTIVE = text("SELECT uuid::text FROM workflows WHERE node_uuid = :node_uuid AND finished_at IS NULL ORDER BY parked")
PARKED = text(
    "SELECT uuid::text FROM workflows WHERE node_uuid = ANY(CAST(:uuids AS uuid[])) AND finished_at IS NULL AND parked"
)
NEXT_DUE = text("SELECT min(due_at) FROM workflows WHERE finished_at IS NULL AND kind = ANY(:kinds)")
SERVICES = text(
    "SELECT interface, min(service) AS service FROM workers, jsonb_object_keys(provides) AS interface WHERE online "
    "GROUP BY interface HAVING count(DISTINCT service) = 1"
)
POSTPONE = text("UPDATE workflows SET due_at = :due_at WHERE uuid = :uuid AND finished_at IS NULL")
