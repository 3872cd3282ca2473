"""Verbs that come together are judged together: one transaction, each started with its lock, workflow and events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from steelyard_common.db import Transaction
from steelyard_common.errors import NotFound, SteelyardError

from ..domain import endings, projection
from ..domain.locks import busy
from ..domain.progress import abort_now, ask_abort, signal
from ..domain.projection import Change
from ..domain.runs import Run
from ..domain.transitions import Event
from ..domain.verbs import Intent, Parked
from ..store import tables, versions
from ..store import workflows as store
from ..store.provider_view import NodeRow, after
from .outgoing import emit_events
from .starting import Starter


@dataclass(frozen=True, kw_only=True)
class Command:
    """One verb for one node; ``decide`` says what it starts, or raises. ``key``: its idempotency id."""

    ident: str
    key: str | None
    cause: dict[str, Any]
    decide: Callable[[Connection, NodeRow], Intent]
    event: Event | None = None
    if_match: tuple[str, ...] | None = None
    project: str | None = None


class VerbBatch:
    """Verbs that are judged together; one that starts locks its node for those behind it."""

    def __init__(self, transaction: Transaction, starter: Starter, now: datetime, nodes: dict[str, NodeRow]) -> None:
        self._transaction = transaction
        self._starter = starter
        self._now = now
        self._by_ident = {ident: row.view.uuid for ident, row in nodes.items()}
        self._nodes = {row.view.uuid: row for row in nodes.values()}
        self.repeats: set[tuple[str, str]] = set()
        self.due_at: datetime | None = None
        self._started: dict[str, store.Written] = {}
        self._counts = False  # something is judged by how much there is already

    def keys(self, commands: Sequence[Command]) -> set[tuple[str, str]]:
        pairs = ((self._by_ident.get(command.ident), command.key) for command in commands)
        return {(uuid, key) for uuid, key in pairs if uuid is not None and key is not None}

    def charged(self, commands: Sequence[Command]) -> set[str]:
        """The projects whose quotas deployments among these may use up."""
        found = ((command, self._by_ident.get(command.ident)) for command in commands if command.event is Event.DEPLOY)
        rows = [(command, self._nodes[uuid]) for command, uuid in found if uuid is not None]
        named = {
            row.view.lessee or row.facts.instance_info.get("project_id") or command.project for command, row in rows
        }
        projects = {str(project) for project in named if project}
        self._counts = bool(projects)
        return projects

    def flush(self) -> None:
        """Write what was started."""
        if self._started:
            store.start(self._transaction.connection, list(self._started.values()), self._now)
            self._started = {}

    def take(self, command: Command) -> SteelyardError | None:
        try:
            self._take(command)
        except SteelyardError as error:
            return error
        return None

    def _take(self, command: Command) -> None:
        uuid = self._by_ident.get(command.ident)
        if uuid is None:
            raise NotFound(f"Node {command.ident} could not be found.")
        if command.key is not None and (uuid, command.key) in self.repeats:
            return
        node = self._nodes[uuid]
        if node.view.lock is not None and node.view.is_locked(self._now):
            raise busy(node.view.lock)
        if uuid in self._started or self._starter.rules.most or self._counts:
            self.flush()  # one statement changes a row once; and who counts must see what is written
        versions.require(self._transaction.connection, tables.nodes, uuid, command.if_match)
        intent = command.decide(self._transaction.connection, node)
        if intent.parked is not Parked.LEAVE or intent.kind is None:
            node = self._change_parked(node, intent, command)
        if intent.kind is not None:
            node = self._begin(node, intent, command)
        self._nodes[uuid] = node
        if command.key is not None:
            self.repeats.add((uuid, command.key))

    def _begin(self, node: NodeRow, intent: Intent, command: Command) -> NodeRow:
        written = self._starter.start(self._transaction, node, intent, command.cause, self._now, command.key)
        self._started[node.view.uuid] = written
        self._due(written.run.due_at)
        return after(node, written.patch, self._starter.lock_of(written))

    def _change_parked(self, node: NodeRow, intent: Intent, command: Command) -> NodeRow:
        """What the verb does to the workflow that waits on the node: end it, wake it, or mark it to end later."""
        now, connection = self._now, self._transaction.connection
        before = store.parked(connection, [node.view.uuid]).get(node.view.uuid)
        change = projection.passed(node.view, intent.events, now) if intent.kind is None else Change()
        if before is not None:
            run = _changed(before, intent.parked, now)
            if run.finished_at is not None:
                change += endings.cut_off(node.view, run, before, now, command.event or Event.ABORT)
            else:
                change += projection.went_on(node.view, run, before, (), now)
            store.save(connection, [store.Written(run=run, before=before, patch=change.patch)], now)
            self._due(run.due_at)
        elif change.patch:
            store.patch_nodes(connection, {node.view.uuid: change.patch}, now)
        emit_events(self._transaction, self._starter.site, node.view.uuid, change, command.cause, now)
        return after(node, change.patch)

    def _due(self, due_at: datetime | None) -> None:
        if due_at is not None:
            self.due_at = min(self.due_at or due_at, due_at)


def _changed(run: Run, parked: Parked, now: datetime) -> Run:
    match parked:
        case Parked.END:
            return abort_now(run, now)
        case Parked.WAKE:
            return signal(run, str(run.current.signal), now)
        case Parked.FLAG:
            return ask_abort(run, now)
        case Parked.LEAVE:
            return run
