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
    """A step's. PENDING: not begun. DISPATCHED: out. SLEEPING: till due_at. WAITING: for a signal. SKIPPED: it could
    not be done, or has to be done again behind, and that does not matter."""

    PENDING = "pending"
    DISPATCHED = "dispatched"
    SLEEPING = "sleeping"
    WAITING = "waiting"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    ABORTED = "aborted"


@dataclass(frozen=True, kw_only=True, slots=True)
class StepRun:
    """One step with what has become of it (store.tables.steps).

    ``info``: what the planner knew and is not the default (domain/plan_rows); it is fixed for the row's life.
    ``signal``: what it waits for; of a step that is out: a signal that came meanwhile.
    """

    index: int
    interface: str
    name: str
    args: dict[str, Any]
    timeout_s: float
    retries: int = 0
    alone: bool = False
    info: dict[str, Any] = field(default_factory=dict)
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

    @property
    def asked(self) -> str:
        """Its name as it was asked for."""
        return str(self.info.get("asked") or self.label)

    @property
    def is_core(self) -> bool:
        """Of the machinery: not shown as the node's step."""
        return bool(self.info.get("source", "core") == "core")

    @property
    def is_abortable(self) -> bool:
        return bool(self.info.get("abortable", True))

    @property
    def wait_s(self) -> float | None:
        """How long it may wait for a signal while the node is free for others; None: it keeps the node."""
        return self.info.get("wait_s")

    @property
    def optional(self) -> str:
        """Which of its failures do not matter: "unsupported", "any"."""
        return str(self.info.get("optional", ""))

    @property
    def children(self) -> list[str] | None:
        """The nodes it runs on instead."""
        return self.info.get("children")


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One workflow with its steps. ``parked``: it waits for a signal and holds no lock meanwhile."""

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
    parked: bool = False
    due_at: datetime | None = None
    abort_asked_at: datetime | None = None
    finished_at: datetime | None = None
    error: dict[str, Any] | None = None

    @property
    def current(self) -> StepRun:
        return self.steps[self.current_step]
