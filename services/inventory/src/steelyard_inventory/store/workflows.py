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
from sqlalchemy import Connection, RowMapping

from ..domain.runs import Run, Status, StepRun, StepStatus
from ..domain.workflows import Kind, purpose
from . import workflow_sql as sql
from .provider_view import NodeRow, node_row

_KNOWN = [str(kind) for kind in Kind]


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """A workflow as it stands, with its node's row taken."""

    run: Run
    node: NodeRow


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A workflow to be written: ``before`` tells which steps changed; ``patch`` goes into the node's row.

    ``holder``: who takes the node's lock for it: as it starts, or as it goes on after it was parked. ``planned_from``:
    the steps from this one on are others than before.
    """

    run: Run
    patch: dict[str, Any]
    before: Run | None = None
    holder: str = ""
    planned_from: int | None = None
    idempotency_id: str | None = None


def start(connection: Connection, starts: Sequence[Written], now: datetime) -> None:
    """Insert workflows with their locks and steps and change their nodes. The node rows are taken and found free.

    An expired lease is taken over. One that another's workflow holds breaks the index of one active workflow a node.
    """
    doc = [
        _run_dict(written.run, written.run.steps) | _lock_dict(written) | {"idempotency_id": written.idempotency_id}
        for written in starts
    ]
    connection.execute(sql.START, {"doc": orjson.dumps(doc).decode(), "now": now})


def save(connection: Connection, saves: Sequence[Written], now: datetime) -> None:
    """Write what changed of workflows, steps and nodes. The lock of one that ended or was parked goes; one with a
    ``holder`` takes it: the node is found free."""
    doc = [_run_dict(written.run, _changed_steps(written)) | _lock_dict(written) for written in saves]
    connection.execute(sql.SAVE, {"doc": orjson.dumps(doc).decode(), "now": now})
    if anew := [written for written in saves if written.planned_from is not None]:
        _plan_anew(connection, anew)


def _plan_anew(connection: Connection, saves: Sequence[Written]) -> None:
    doc = [
        {"uuid": each.run.uuid, "first": each.planned_from, "steps": each.run.steps[each.planned_from :]}
        for each in saves
    ]
    values = {"doc": orjson.dumps(doc).decode()}
    connection.execute(sql.UNPLAN, values)
    connection.execute(sql.PLAN_ANEW, values)


def patch_nodes(connection: Connection, patches: dict[str, dict[str, Any]], now: datetime) -> None:
    """Change nodes (by UUID) outside any workflow; their rows are taken."""
    doc = [{"node_uuid": node_uuid, "patch": patch} for node_uuid, patch in patches.items()]
    if doc:
        connection.execute(sql.PATCH, {"doc": orjson.dumps(doc).decode(), "now": now})


def load(connection: Connection, uuids: Collection[str]) -> list[Loaded]:
    """Unfinished workflows by UUID, node rows taken in id order."""
    return _read(connection, connection.execute(sql.LOCK_BY_WORKFLOW, {"uuids": list(uuids)}).mappings().all())


def load_due(connection: Connection, now: datetime, most: int) -> list[Loaded]:
    """The workflows that are due longest, but for those whose node somebody else is busy with.

    Kinds that this release does not know are left to a newer replica.
    """
    values = {"now": now, "most": most, "kinds": _KNOWN}
    return _read(connection, connection.execute(sql.LOCK_DUE, values).mappings().all())


def next_due(connection: Connection) -> datetime | None:
    found: datetime | None = connection.execute(sql.NEXT_DUE, {"kinds": _KNOWN}).scalar()
    return found


def postpone(connection: Connection, uuid: str, due_at: datetime) -> None:
    """Look at a workflow later: the last resort for one that cannot be looked at."""
    connection.execute(sql.POSTPONE, {"uuid": uuid, "due_at": due_at})


def services(connection: Connection) -> dict[str, str]:
    """Interface → the one service that announced it. Interfaces that several services share are left out."""
    return {row.interface: row.service for row in connection.execute(sql.SERVICES)}


def active(connection: Connection, node_uuid: str) -> list[str]:
    """The UUIDs of the node's unfinished workflows: the one that holds it, the one that is parked."""
    return list(connection.execute(sql.ACTIVE, {"node_uuid": node_uuid}).scalars())


def parked(connection: Connection, node_uuids: Collection[str]) -> dict[str, Run]:
    """The workflows that wait while their nodes are free, by node; the node rows are taken."""
    uuids = list(connection.execute(sql.PARKED, {"uuids": list(node_uuids)}).scalars())
    return {run.node_uuid: run for run in read_runs(connection, uuids)}


def read_runs(connection: Connection, uuids: Collection[str]) -> list[Run]:
    """Workflows with their steps, as they stand."""
    rows: dict[str, list[RowMapping]] = {}
    if uuids:
        for row in connection.execute(sql.READ, {"uuids": list(uuids)}).mappings():
            rows.setdefault(row["uuid"], []).append(row)
    return [_run(found) for found in rows.values()]


def repeats(connection: Connection, asked: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Of (node UUID, idempotency id): those for which a workflow was started before."""
    if not asked:
        return set()
    doc = orjson.dumps([{"node_uuid": node, "key": key} for node, key in asked]).decode()
    found = connection.execute(sql.REPEATS, {"doc": doc}).scalars()
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
    pairs = zip(written.run.steps[: written.planned_from], written.before.steps, strict=False)
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
