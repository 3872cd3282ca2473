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

from ..domain import verbs, workflows
from ..domain.progress import ask_abort, signal
from ..domain.runs import Run
from ..domain.step_moves import is_out
from ..domain.transitions import Event, verb
from ..domain.verbs import Intent
from ..store import locks, quotas
from ..store import workflows as store
from ..store.provider_view import NodeRow
from .provisioning import Provisioning, Request
from .starting import Clock, Starter
from .verb_batch import Command, VerbBatch


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks, and for what. ``request_id`` new for each call: the same one again is the same call again."""

    cause: dict[str, Any] = field(default_factory=dict)
    request_id: str = ""
    project: str | None = None
    if_match: tuple[str, ...] | None = None  # versions of the record that a change is meant for; None: whatever it is


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

    def is_out(self, workflow: str, index: int, attempt: int) -> bool:
        """Whether the answer to this dispatch of a step is waited for still."""
        with self._database.read() as connection:
            return any(is_out(run, index, attempt) for run in store.read_runs(connection, [workflow]))

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
        batch = VerbBatch(transaction, self._starter, now, nodes)
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


def _known(transaction: Transaction, ident: str) -> NodeRow:
    found = locks.lock_nodes(transaction.connection, [ident]).get(ident)
    if found is None:
        raise NotFound(f"Node {ident} could not be found.")
    return found
