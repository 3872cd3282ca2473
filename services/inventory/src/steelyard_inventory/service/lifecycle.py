"""The verbs: power, provision, boot mode, secure boot. Each is judged and started in one transaction, then accepted.

Lock, workflow, steps, node change, first dispatch and events are written together, or nothing is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from steelyard_common.bmc import driver_info
from steelyard_common.db import Database, Transaction
from steelyard_common.errors import InvalidRequest, NotFound, SteelyardError

from ..domain import verbs, workflows
from ..domain.locks import busy
from ..domain.progress import ask_abort, signal
from ..domain.projection import NodeView
from ..domain.runs import Run
from ..domain.transitions import Event, next_state, verb
from ..domain.verbs import Intent
from ..store import locks
from ..store import workflows as store
from ..store.provider_view import NodeRow
from .combining import Combiner
from .starting import Clock, Starter


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks. ``request_id`` new for each call: the same one again is the same call again."""

    cause: dict[str, Any] = field(default_factory=dict)
    request_id: str = ""


@dataclass(frozen=True, kw_only=True)
class _Command:
    """One verb for one node; ``decide`` says what it starts, or raises."""

    ident: str
    key: str | None
    cause: dict[str, Any]
    decide: Callable[[NodeRow], Intent]


class Lifecycle:
    """``wake``: tells the engine when it must look next."""

    def __init__(self, database: Database, starter: Starter, clock: Clock, wake: Callable[[datetime], None]) -> None:
        self._database = database
        self._starter = starter
        self._clock = clock
        self._wake = wake
        self._verbs = Combiner(self._start)

    def set_power(self, ident: str, target: str, timeout_s: int | None, caller: Caller) -> None:
        """Errors: InvalidRequest, NotFound, Conflict, Busy."""
        wanted = workflows.power_target(target)

        def decide(node: NodeRow) -> Intent:
            intent = verbs.power(node.view, wanted, timeout_s)
            interfaces = node.provider["interfaces"]
            driver_info.validate(interfaces.get("power", ""), node.provider["driver_info"])
            return intent

        self._ask(ident, "power", f"{target} {timeout_s}", caller, decide)

    def set_provision(self, ident: str, target: str, caller: Caller) -> None:
        """Errors: InvalidRequest, NotFound, Busy."""
        event = verb(target)
        if event is Event.ABORT:
            self._abort(ident, event)
            return
        cleans = self._starter.rules.cleans
        self._ask(ident, "provision", event, caller, lambda node: verbs.provision(node.view, event, cleans=cleans))

    def set_boot_mode(self, ident: str, target: str, caller: Caller) -> None:
        """Errors: InvalidRequest, NotFound, Conflict, Busy."""
        mode = workflows.boot_mode(target)
        self._ask(ident, "boot-mode", mode, caller, lambda node: verbs.boot_mode(node.view, mode))

    def set_secure_boot(self, ident: str, target: bool, caller: Caller) -> None:
        """Errors: InvalidRequest, NotFound, Conflict, Busy."""
        wanted = workflows.secure_boot(target)
        self._ask(ident, "secure-boot", wanted, caller, lambda node: verbs.secure_boot(node.view, wanted))

    def abort_workflow(self, ident: str) -> bool:
        """Ask the node's workflow to stop at the next chance. → whether there is one that was not asked yet"""
        now = self._clock()
        return self._change_active(ident, lambda run: ask_abort(run, now), now)

    def send_signal(self, ident: str, name: str) -> bool:
        """Wake the node's step that waits for ``name``. → whether one did"""
        now = self._clock()
        return self._change_active(ident, lambda run: signal(run, name, now), now)

    def _abort(self, ident: str, event: Event) -> None:
        """The verb: legal in waiting and holding states only; what works there is asked to stop."""
        with self._database.begin() as transaction:
            node = _known(transaction, ident).view
            try:
                next_state(node.provision_state, event)
            except InvalidRequest:
                if node.lock is not None and node.is_locked(self._clock()):
                    raise busy(node.lock) from None
                raise
        if not self.abort_workflow(ident):
            verbs.provision(node, event, cleans=False)

    def _change_active(self, ident: str, change: Callable[[Run], Run], now: datetime) -> bool:
        """Change the node's unfinished workflow; the engine does the rest when it looks."""
        with self._database.begin() as transaction:
            uuid = store.active(transaction.connection, _known(transaction, ident).view.uuid)
            loaded = store.load(transaction.connection, [uuid] if uuid else [])
            changed = [
                store.Written(run=run, before=each.run, patch={})
                for each in loaded
                if (run := change(each.run)) is not each.run
            ]
            if changed:
                store.save(transaction.connection, changed, now)
        if changed:
            self._wake(now)
        return bool(changed)

    def _ask(self, ident: str, name: str, target: object, caller: Caller, decide: Callable[[NodeRow], Intent]) -> None:
        key = workflows.idempotency_key(name, target, caller.request_id)
        self._verbs.submit(_Command(ident=ident, key=key, cause=caller.cause, decide=decide))

    def _start(self, commands: list[_Command]) -> list[SteelyardError | None]:
        """A batch of verbs in one transaction; what each of them met."""
        now = self._clock()
        with self._database.begin() as transaction:
            nodes = locks.lock_nodes(transaction.connection, {command.ident for command in commands})
            batch = _Batch(transaction, self._starter, now, nodes)
            batch.repeats = store.repeats(transaction.connection, batch.keys(commands))
            errors = [batch.take(command) for command in commands]
            batch.flush()
        if batch.due_at is not None:
            self._wake(batch.due_at)
        return errors


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

    def keys(self, commands: Sequence[_Command]) -> set[tuple[str, str]]:
        pairs = ((self._by_ident.get(command.ident), command.key) for command in commands)
        return {(uuid, key) for uuid, key in pairs if uuid is not None and key is not None}

    def flush(self) -> None:
        """Write what was started."""
        if self._started:
            store.start(self._transaction.connection, list(self._started.values()), self._now)
            self._started = {}

    def take(self, command: _Command) -> SteelyardError | None:
        try:
            self._take(command)
        except SteelyardError as error:
            return error
        return None

    def _take(self, command: _Command) -> None:
        uuid = self._by_ident.get(command.ident)
        if uuid is None:
            raise NotFound(f"Node {command.ident} could not be found.")
        if command.key is not None and (uuid, command.key) in self.repeats:
            return
        node = self._nodes[uuid]
        if node.view.lock is not None and node.view.is_locked(self._now):
            raise busy(node.view.lock)
        intent = command.decide(node)
        if uuid in self._started:
            self.flush()  # one statement changes a row once
        written = self._starter.start(self._transaction, node, intent, command.cause, self._now, command.key)
        self._started[uuid] = written
        if written.run.due_at is not None:
            self.due_at = min(self.due_at or written.run.due_at, written.run.due_at)
        self._nodes[uuid] = replace(node, view=_after(node.view, written, self._starter))
        if command.key is not None:
            self.repeats.add((uuid, command.key))


def _after(view: NodeView, written: store.Written, starter: Starter) -> NodeView:
    known = {name: value for name, value in written.patch.items() if name in NodeView.__dataclass_fields__}
    return replace(view, lock=starter.lock_of(written), **known)


def _known(transaction: Transaction, ident: str) -> NodeRow:
    found = locks.lock_nodes(transaction.connection, [ident]).get(ident)
    if found is None:
        raise NotFound(f"Node {ident} could not be found.")
    return found
