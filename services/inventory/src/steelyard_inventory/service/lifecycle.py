"""The verbs: power, provision, boot mode, secure boot. Each is judged and started in one transaction, then accepted.

Lock, workflow, steps, node change, first dispatch and events are written together, or nothing is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from steelyard_common.bmc import driver_info
from steelyard_common.combining import Combiner
from steelyard_common.db import Database, Transaction
from steelyard_common.errors import NotFound, SteelyardError

from ..domain import endings, projection, verbs, workflows
from ..domain.locks import busy
from ..domain.progress import abort_now, ask_abort, signal
from ..domain.projection import Change
from ..domain.runs import Run
from ..domain.transitions import Event, verb
from ..domain.verbs import Intent, Parked
from ..store import locks, quotas, tables, versions
from ..store import workflows as store
from ..store.provider_view import NodeRow, after
from .outgoing import emit_events
from .provisioning import Provisioning, Request
from .starting import Clock, Starter


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks, and for what. ``request_id`` new for each call: the same one again is the same call again."""

    cause: dict[str, Any] = field(default_factory=dict)
    request_id: str = ""
    project: str | None = None
    if_match: tuple[str, ...] | None = None  # versions of the record that a change is meant for; None: whatever it is


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


class Lifecycle:
    """``wake``: tells the engine when it must look next."""

    def __init__(self, database: Database, starter: Starter, clock: Clock, wake: Callable[[datetime], None]) -> None:
        self._database = database
        self._starter = starter
        self._clock = clock
        self._wake = wake
        self._verbs = Combiner(self._start)
        self.provisioning = Provisioning(starter)

    def set_power(self, ident: str, target: str, timeout_s: int | None, caller: Caller) -> None:
        """Errors: InvalidRequest, NotFound, Conflict, Busy."""
        self._verbs.submit(self.power_command(ident, target, timeout_s, caller))

    def power_command(self, ident: str, target: str, timeout_s: int | None, caller: Caller) -> Command:
        """Errors: InvalidRequest."""
        wanted = workflows.power_target(target)

        def decide(connection: Connection, node: NodeRow) -> Intent:
            intent = verbs.power(self._starter.subject(connection, node), wanted, timeout_s)
            interfaces = node.provider["interfaces"]
            driver_info.validate(interfaces.get("power", ""), node.provider["driver_info"])
            return intent

        return _command(ident, "power", f"{target} {timeout_s}", caller, decide)

    def set_provision(
        self, ident: str, target: str, caller: Caller, params: Mapping[str, Any] | None = None, minor: int = 115
    ) -> None:
        """Errors: InvalidRequest, NotFound, Conflict, Forbidden, Busy, Unavailable."""
        self._verbs.submit(self.provision_command(ident, target, caller, params, minor))

    def provision_command(
        self, ident: str, target: str, caller: Caller, params: Mapping[str, Any] | None = None, minor: int = 115
    ) -> Command:
        """Errors: InvalidRequest."""
        event = verb(target)
        request = Request(event=event, params=params or {}, minor=minor, project=caller.project)

        def decide(connection: Connection, node: NodeRow) -> Intent:
            return self.provisioning.decide(connection, node, request)

        return _command(ident, "provision", event, caller, decide, event)

    def begin(self, ident: str, event: Event, caller: Caller, decide: Callable[[Connection, NodeRow], Intent]) -> None:
        """A verb of states/provision that somebody else judges, with the node's row taken. Errors: as ``decide``."""
        self._ask(ident, "provision", event, caller, decide, event)

    def set_boot_mode(self, ident: str, target: str, caller: Caller) -> None:
        """Errors: InvalidRequest, NotFound, Conflict, Busy."""
        mode = workflows.boot_mode(target)
        subject = self._starter.subject
        self._ask(ident, "boot-mode", mode, caller, lambda on, node: verbs.boot_mode(subject(on, node), mode))

    def set_secure_boot(self, ident: str, target: bool, caller: Caller) -> None:
        """Errors: InvalidRequest, NotFound, Conflict, Busy."""
        wanted = workflows.secure_boot(target)
        subject = self._starter.subject
        self._ask(ident, "secure-boot", wanted, caller, lambda on, node: verbs.secure_boot(subject(on, node), wanted))

    def set_console(self, ident: str, enabled: bool, caller: Caller) -> None:
        """Errors: InvalidRequest, NotFound, Busy, Unavailable."""
        subject = self._starter.subject
        self._ask(ident, "console", enabled, caller, lambda on, node: verbs.console(subject(on, node), enabled))

    def abort_workflow(self, ident: str) -> bool:
        """Ask the node's workflows to stop at the next chance. → whether there is one that was not asked yet"""
        now = self._clock()
        return self._change_active(ident, lambda run: ask_abort(run, now), now)

    def send_signal(self, ident: str, name: str, data: dict[str, Any] | None = None) -> bool:
        """Wake the node's step that waits for ``name``. → whether one did"""
        now = self._clock()
        return self._change_active(ident, lambda run: signal(run, name, now, data), now)

    def _change_active(self, ident: str, change: Callable[[Run], Run], now: datetime) -> bool:
        """Change the node's unfinished workflows; the engine does the rest when it looks."""
        with self._database.begin() as transaction:
            uuids = store.active(transaction.connection, _known(transaction, ident).view.uuid)
            changed = [
                store.Written(run=run, before=each.run, patch={})
                for each in store.load(transaction.connection, uuids)
                if (run := change(each.run)) is not each.run
            ]
            if changed:
                store.save(transaction.connection, changed, now)
        if changed:
            self._wake(now)
        return bool(changed)

    def _ask(
        self,
        ident: str,
        name: str,
        target: object,
        caller: Caller,
        decide: Callable[[Connection, NodeRow], Intent],
        event: Event | None = None,
    ) -> None:
        self._verbs.submit(_command(ident, name, target, caller, decide, event))

    def judge(
        self, transaction: Transaction, commands: Sequence[Command], now: datetime
    ) -> tuple[list[SteelyardError | None], datetime | None]:
        """A batch of verbs in somebody's transaction. → what each of them met; when the engine must look (``wake``)"""
        nodes = locks.lock_nodes(transaction.connection, {command.ident for command in commands})
        batch = _Batch(transaction, self._starter, now, nodes)
        batch.repeats = store.repeats(transaction.connection, batch.keys(commands))
        quotas.lock(transaction.connection, batch.charged(commands))
        errors = [batch.take(command) for command in commands]
        batch.flush()
        return errors, batch.due_at

    def wake(self, due_at: datetime | None) -> None:
        """Tell the engine, once what was judged is committed."""
        if due_at is not None:
            self._wake(due_at)

    def _start(self, commands: list[Command]) -> list[SteelyardError | None]:
        with self._database.begin() as transaction:
            errors, due_at = self.judge(transaction, commands, self._clock())
        self.wake(due_at)
        return errors


def _command(
    ident: str,
    name: str,
    target: object,
    caller: Caller,
    decide: Callable[[Connection, NodeRow], Intent],
    event: Event | None = None,
) -> Command:
    key = workflows.idempotency_key(name, target, caller.request_id)
    return Command(
        ident=ident, key=key, cause=caller.cause, decide=decide, event=event, if_match=caller.if_match,
        project=caller.project,
    )  # fmt: skip


class _Batch:
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


def _known(transaction: Transaction, ident: str) -> NodeRow:
    found = locks.lock_nodes(transaction.connection, [ident]).get(ident)
    if found is None:
        raise NotFound(f"Node {ident} could not be found.")
    return found
