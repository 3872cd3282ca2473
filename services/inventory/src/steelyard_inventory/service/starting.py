"""How a workflow begins, whoever asked for it: run, node change, first dispatch and events, ready to be written."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from steelyard_common.db import Transaction

from ..domain import projection
from ..domain.locks import Lock
from ..domain.progress import begin
from ..domain.projection import SyncRules
from ..domain.runs import Run, StepRun
from ..domain.verbs import Intent
from ..domain.workflows import StepSpec, plan, purpose
from ..store.provider_view import NodeRow
from ..store.workflows import Written
from .outgoing import emit_events, emit_steps

Clock = Callable[[], datetime]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What an operator sets. ``cleans``: nodes are cleaned when provided, unless they say otherwise."""

    sync: SyncRules = field(default_factory=SyncRules)
    cleans: bool = False


class ServiceMap:
    """Which service serves an interface, as the workers announced; unknown ones are a service of their own."""

    def __init__(self) -> None:
        self._services: dict[str, str] = {}

    def __call__(self, interface: str) -> str:
        return self._services.get(interface, f"{interface} interface")

    def replace(self, services: dict[str, str]) -> None:
        self._services = services


@dataclass(frozen=True, kw_only=True)
class Starter:
    """``holder``: this instance, which the API shows as reservation."""

    site: str
    holder: str
    rules: Rules
    services: ServiceMap

    def start(
        self,
        transaction: Transaction,
        node: NodeRow,
        intent: Intent,
        cause: dict[str, Any],
        now: datetime,
        idempotency_id: str | None = None,
    ) -> Written:
        """What ``store.workflows.start`` writes; the messages go out with ``transaction``."""
        run = _run(node, intent, cause, now)
        move = begin(run, now, self.services)
        change = projection.started(node.view, run, intent.events, now, self.rules.sync)
        patch: dict[str, Any] = {"fence": run.fence}
        if move.run.finished_at is not None:
            change += projection.finished(move.run)
        else:
            patch["reservation"] = self.holder
        emit_events(transaction, self.site, run.node_uuid, change, cause, now)
        if move.send:
            emit_steps(transaction, self.site, move.run, move.send, node.provider)
        return Written(run=move.run, patch=change.patch | patch, holder=self.holder, idempotency_id=idempotency_id)

    def lock_of(self, written: Written) -> Lock | None:
        """The lock that ``written`` means for those behind it in the same batch."""
        run = written.run
        if run.finished_at is not None:
            return None
        return Lock(
            node_uuid=run.node_uuid, holder=self.holder, purpose=purpose(run.kind, run.params),
            workflow_uuid=run.uuid, fence=run.fence, since=run.created_at,
        )  # fmt: skip


def _run(node: NodeRow, intent: Intent, cause: dict[str, Any], now: datetime) -> Run:
    specs = plan(intent.kind, intent.params)
    return Run(
        uuid=str(uuid.uuid4()),
        node_uuid=node.view.uuid,
        kind=intent.kind,
        fence=node.view.fence + 1,
        params=intent.params,
        cause=cause,
        created_at=now,
        steps=tuple(_step(index, spec) for index, spec in enumerate(specs)),
    )


def _step(index: int, spec: StepSpec) -> StepRun:
    return StepRun(
        index=index,
        interface=spec.interface,
        name=spec.name,
        args=spec.args,
        timeout_s=spec.timeout_s,
        retries=spec.retries,
        alone=spec.alone,
    )
