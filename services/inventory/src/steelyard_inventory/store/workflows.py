"""Workflows and their steps: started, read under the node's lock, written back; many at a time, a few statements.

Everything of a batch travels as one JSON document and is unnested there: a transaction costs the same for one row and
for a hundred, and a hundred rows are one parse.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, RowMapping, text

from ..domain.runs import Run, Status, StepRun, StepStatus
from ..domain.workflows import Kind, purpose
from .provider_view import COLUMNS, NodeRow, node_row

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


# All names in these texts are constants of this module; values are bound.
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
_HOLDS = "finished_at IS NULL AND NOT parked"
_START = text(
    f"WITH d AS MATERIALIZED (SELECT * FROM jsonb_to_recordset(CAST(:doc AS jsonb)) AS d({_RUN_COLUMNS}, "  # noqa: S608
    "steps jsonb, patch jsonb, holder text, purpose text)), "
    f"l AS ({_TAKE_LOCKS.format(since='created_at', condition=_HOLDS)}), "
    f"w AS (INSERT INTO workflows ({', '.join(_RUN_NAMES)}) SELECT {', '.join(_RUN_NAMES)} FROM d), "
    f"s AS (INSERT INTO steps ({_FIXED}, "
    f"{', '.join(_STEP_NAMES)}) SELECT d.uuid, s.index, s.interface, s.name, s.args, s.timeout_s, s.retries, s.alone, "
    f"s.info, {', '.join(f's.{name}' for name in _STEP_NAMES)} FROM d, jsonb_to_recordset(d.steps) AS s(index int, "
    f"interface text, name text, args jsonb, timeout_s float8, retries int, alone bool, info jsonb, {_STEP_COLUMNS})), "
    f"{_PATCH_NODES} SELECT 1"
)
_SAVE = text(
    f"WITH d AS MATERIALIZED (SELECT * FROM jsonb_to_recordset(CAST(:doc AS jsonb)) AS d({_RUN_COLUMNS}, "  # noqa: S608
    "steps jsonb, patch jsonb, holder text, purpose text)), "
    f"s AS (UPDATE steps t SET {_set(_STEP_NAMES)} FROM (SELECT r.uuid, c.* FROM d r, jsonb_to_recordset(r.steps) "
    f"AS c(index int, {_STEP_COLUMNS})) d WHERE t.workflow_uuid = d.uuid AND t.index = d.index), "
    f"w AS (UPDATE workflows t SET {_set(_RUN_CHANGING)} FROM d WHERE t.uuid = d.uuid), "
    "l AS (DELETE FROM locks USING d WHERE locks.workflow_uuid = d.uuid AND locks.node_uuid = d.node_uuid "
    "AND (d.finished_at IS NOT NULL OR d.parked)), "
    f"k AS ({_TAKE_LOCKS.format(since=':now', condition='holder IS NOT NULL')}), {_PATCH_NODES} SELECT 1"
)
_PATCH = text(
    "WITH d AS (SELECT * FROM jsonb_to_recordset(CAST(:doc AS jsonb)) AS d(node_uuid uuid, patch jsonb)), "  # noqa: S608
    f"{_PATCH_NODES} SELECT 1"
)
_LOCK_BY_WORKFLOW = text(
    f"SELECT w.uuid::text AS workflow, {COLUMNS} FROM workflows w JOIN nodes n ON n.uuid = w.node_uuid "  # noqa: S608
    "WHERE w.uuid = ANY(CAST(:uuids AS uuid[])) AND w.finished_at IS NULL ORDER BY n.id FOR NO KEY UPDATE OF n"
)
_LOCK_DUE = text(
    f"SELECT w.uuid::text AS workflow, {COLUMNS} FROM workflows w JOIN nodes n ON n.uuid = w.node_uuid "  # noqa: S608
    "WHERE w.finished_at IS NULL AND w.due_at <= :now AND w.kind = ANY(:kinds) "
    "ORDER BY w.due_at LIMIT :most FOR NO KEY UPDATE OF n SKIP LOCKED"
)
_READ = text(
    "SELECT w.uuid::text, w.node_uuid::text, w.kind, w.status, w.fence, w.params, w.cause, w.error, w.created_at, "
    "w.current_step, w.parked, w.due_at, w.abort_asked_at, w.finished_at, "
    "s.index, s.interface, s.name, s.args, s.status AS step_status, s.attempt, s.failures, s.silences, s.retries, "
    "s.alone, s.info, s.memo, s.progress, s.signal, s.timeout_s, s.deadline_at, s.started_at, "
    "s.finished_at AS step_finished_at, s.error AS step_error "
    "FROM workflows w LEFT JOIN steps s ON s.workflow_uuid = w.uuid "
    "WHERE w.uuid = ANY(CAST(:uuids AS uuid[])) ORDER BY w.uuid, s.index"
)
_REPEATS = text(
    "SELECT w.node_uuid::text || ' ' || w.idempotency_id FROM workflows w "
    "JOIN jsonb_to_recordset(CAST(:doc AS jsonb)) AS d(node_uuid uuid, key text) "
    "ON w.node_uuid = d.node_uuid AND w.idempotency_id = d.key"
)
_ACTIVE = text("SELECT uuid::text FROM workflows WHERE node_uuid = :node_uuid AND finished_at IS NULL ORDER BY parked")
_PARKED = text(
    "SELECT uuid::text FROM workflows WHERE node_uuid = ANY(CAST(:uuids AS uuid[])) AND finished_at IS NULL AND parked"
)
_NEXT_DUE = text("SELECT min(due_at) FROM workflows WHERE finished_at IS NULL AND kind = ANY(:kinds)")
_SERVICES = text(
    "SELECT interface, min(service) AS service FROM workers, jsonb_object_keys(provides) AS interface WHERE online "
    "GROUP BY interface HAVING count(DISTINCT service) = 1"
)
_POSTPONE = text("UPDATE workflows SET due_at = :due_at WHERE uuid = :uuid AND finished_at IS NULL")
_KNOWN = [str(kind) for kind in Kind]


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """A workflow as it stands, with its node's row taken."""

    run: Run
    node: NodeRow


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A workflow to be written: ``before`` tells which steps changed; ``patch`` goes into the node's row.

    ``holder``: who takes the node's lock for it: as it starts, or as it goes on after it was parked.
    """

    run: Run
    patch: dict[str, Any]
    before: Run | None = None
    holder: str = ""
    idempotency_id: str | None = None


def start(connection: Connection, starts: Sequence[Written], now: datetime) -> None:
    """Insert workflows with their locks and steps and change their nodes. The node rows are taken and found free.

    An expired lease is taken over. One that another's workflow holds breaks the index of one active workflow a node.
    """
    doc = [
        _run_dict(written.run, written.run.steps) | _lock_dict(written) | {"idempotency_id": written.idempotency_id}
        for written in starts
    ]
    connection.execute(_START, {"doc": orjson.dumps(doc).decode(), "now": now})


def save(connection: Connection, saves: Sequence[Written], now: datetime) -> None:
    """Write what changed of workflows, steps and nodes. The lock of one that ended or was parked goes; one with a
    ``holder`` takes it: the node is found free."""
    doc = [_run_dict(written.run, _changed_steps(written)) | _lock_dict(written) for written in saves]
    connection.execute(_SAVE, {"doc": orjson.dumps(doc).decode(), "now": now})


def patch_nodes(connection: Connection, patches: dict[str, dict[str, Any]], now: datetime) -> None:
    """Change nodes (by UUID) outside any workflow; their rows are taken."""
    doc = [{"node_uuid": node_uuid, "patch": patch} for node_uuid, patch in patches.items()]
    if doc:
        connection.execute(_PATCH, {"doc": orjson.dumps(doc).decode(), "now": now})


def load(connection: Connection, uuids: Collection[str]) -> list[Loaded]:
    """Unfinished workflows by UUID, node rows taken in id order."""
    return _read(connection, connection.execute(_LOCK_BY_WORKFLOW, {"uuids": list(uuids)}).mappings().all())


def load_due(connection: Connection, now: datetime, most: int) -> list[Loaded]:
    """The workflows that are due longest, but for those whose node somebody else is busy with.

    Kinds that this release does not know are left to a newer replica.
    """
    values = {"now": now, "most": most, "kinds": _KNOWN}
    return _read(connection, connection.execute(_LOCK_DUE, values).mappings().all())


def next_due(connection: Connection) -> datetime | None:
    found: datetime | None = connection.execute(_NEXT_DUE, {"kinds": _KNOWN}).scalar()
    return found


def postpone(connection: Connection, uuid: str, due_at: datetime) -> None:
    """Look at a workflow later: the last resort for one that cannot be looked at."""
    connection.execute(_POSTPONE, {"uuid": uuid, "due_at": due_at})


def services(connection: Connection) -> dict[str, str]:
    """Interface → the one service that announced it. Interfaces that several services share are left out."""
    return {row.interface: row.service for row in connection.execute(_SERVICES)}


def active(connection: Connection, node_uuid: str) -> list[str]:
    """The UUIDs of the node's unfinished workflows: the one that holds it, the one that is parked."""
    return list(connection.execute(_ACTIVE, {"node_uuid": node_uuid}).scalars())


def parked(connection: Connection, node_uuids: Collection[str]) -> dict[str, Run]:
    """The workflows that wait while their nodes are free, by node; the node rows are taken."""
    uuids = list(connection.execute(_PARKED, {"uuids": list(node_uuids)}).scalars())
    return {run.node_uuid: run for run in read_runs(connection, uuids)}


def read_runs(connection: Connection, uuids: Collection[str]) -> list[Run]:
    """Workflows with their steps, as they stand."""
    rows: dict[str, list[RowMapping]] = {}
    if uuids:
        for row in connection.execute(_READ, {"uuids": list(uuids)}).mappings():
            rows.setdefault(row["uuid"], []).append(row)
    return [_run(found) for found in rows.values()]


def repeats(connection: Connection, asked: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Of (node UUID, idempotency id): those for which a workflow was started before."""
    if not asked:
        return set()
    doc = orjson.dumps([{"node_uuid": node, "key": key} for node, key in asked]).decode()
    found = connection.execute(_REPEATS, {"doc": doc}).scalars()
    return {(line[:36], line[37:]) for line in found}


def _run_dict(run: Run, steps: Sequence[StepRun]) -> dict[str, Any]:
    return {
        "uuid": run.uuid,
        "node_uuid": run.node_uuid,
        "kind": run.kind,
        "status": run.status,
        "fence": run.fence,
        "params": run.params,
        "cause": run.cause,
        "error": run.error,
        "created_at": run.created_at,
        "current_step": run.current_step,
        "parked": run.parked,
        "due_at": run.due_at,
        "abort_asked_at": run.abort_asked_at,
        "finished_at": run.finished_at,
        "steps": steps,
    }


def _lock_dict(written: Written) -> dict[str, Any]:
    return {
        "patch": written.patch,
        "holder": written.holder or None,
        "purpose": purpose(written.run.kind, written.run.params) if written.holder else None,
    }


def _changed_steps(written: Written) -> list[StepRun]:
    if written.before is None:
        return list(written.run.steps)
    pairs = zip(written.run.steps, written.before.steps, strict=True)
    return [step for step, before in pairs if step is not before]


def _read(connection: Connection, nodes: Sequence[RowMapping]) -> list[Loaded]:
    if not nodes:
        return []
    taken = {row["workflow"]: node_row(row) for row in nodes}
    runs = {run.uuid: run for run in read_runs(connection, taken)}
    # A workflow that went with its node between the two statements is not there any more.
    return [Loaded(run=runs[uuid], node=node) for uuid, node in taken.items() if uuid in runs]


def _run(rows: list[RowMapping]) -> Run:
    head = rows[0]
    return Run(
        uuid=head["uuid"],
        node_uuid=head["node_uuid"],
        kind=Kind(head["kind"]),
        status=Status(head["status"]),
        fence=head["fence"],
        params=head["params"],
        cause=head["cause"],
        error=head["error"],
        created_at=head["created_at"],
        current_step=head["current_step"],
        parked=head["parked"],
        due_at=head["due_at"],
        abort_asked_at=head["abort_asked_at"],
        finished_at=head["finished_at"],
        steps=tuple(_step(row) for row in rows if row["index"] is not None),
    )


def _step(row: RowMapping) -> StepRun:
    return StepRun(
        index=row["index"],
        interface=row["interface"],
        name=row["name"],
        args=row["args"],
        timeout_s=row["timeout_s"],
        retries=row["retries"],
        alone=row["alone"],
        info=row["info"],
        status=StepStatus(row["step_status"]),
        attempt=row["attempt"],
        failures=row["failures"],
        silences=row["silences"],
        memo=row["memo"],
        progress=row["progress"],
        signal=row["signal"],
        deadline_at=row["deadline_at"],
        started_at=row["started_at"],
        finished_at=row["step_finished_at"],
        error=row["step_error"],
    )
