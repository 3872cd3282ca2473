"""A workflow as it runs: what stands in its row and in those of its steps."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .workflows import Kind


class Status(enum.StrEnum):
    """A workflow's; all but RUNNING are ends."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    ABORTED = "aborted"


class StepStatus(enum.StrEnum):
    """A step's. PENDING: not begun. DISPATCHED: out. SLEEPING: till due_at. WAITING: for a signal."""

    PENDING = "pending"
    DISPATCHED = "dispatched"
    SLEEPING = "sleeping"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    ABORTED = "aborted"


@dataclass(frozen=True, kw_only=True, slots=True)
class StepRun:
    """One step with what has become of it (store.tables.steps)."""

    index: int
    interface: str
    name: str
    args: dict[str, Any]
    timeout_s: float
    retries: int = 0
    alone: bool = False
    status: StepStatus = StepStatus.PENDING
    attempt: int = 0
    failures: int = 0
    silences: int = 0
    memo: dict[str, Any] = field(default_factory=dict)
    progress: str | None = None
    signal: str | None = None
    deadline_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: dict[str, Any] | None = None

    @property
    def label(self) -> str:
        return f"{self.interface}.{self.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One workflow with its steps."""

    uuid: str
    node_uuid: str
    kind: Kind
    fence: int
    params: dict[str, Any]
    cause: dict[str, Any]
    created_at: datetime
    steps: tuple[StepRun, ...]
    status: Status = Status.RUNNING
    current_step: int = 0
    due_at: datetime | None = None
    abort_asked_at: datetime | None = None
    finished_at: datetime | None = None
    error: dict[str, Any] | None = None

    @property
    def current(self) -> StepRun:
        return self.steps[self.current_step]
