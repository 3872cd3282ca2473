"""All that is looked at to explain a node, and what an explanation is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from .actions import Action
from .estimates import UNKNOWN, Estimate
from .transitions import State


@dataclass(frozen=True, kw_only=True)
class StepNow:
    """The step at which a workflow stands. ``status``: pending dispatched sleeping waiting. ``error``: of the last try.
    ``is_served``: a worker is online that serves its interface for this node."""

    label: str
    status: str
    number: int
    started_at: datetime | None = None
    deadline_at: datetime | None = None
    signal: str | None = None
    progress: str | None = None
    attempt: int = 0
    failures: int = 0
    retries: int = 0
    error: str | None = None
    children: tuple[str, ...] = ()
    is_served: bool = True
    is_abortable: bool = True


@dataclass(frozen=True, kw_only=True)
class Work:
    """An unfinished workflow. ``due_at``: when the engine looks again; ``left``: how long it will still take;
    ``asks_agent``: its agent is still to be asked which steps it has."""

    uuid: str
    kind: str
    created_at: datetime
    steps: int
    asked_by: str | None = None
    step: StepNow | None = None
    parked: bool = False
    due_at: datetime | None = None
    abort_asked_at: datetime | None = None
    left: Estimate = UNKNOWN
    asks_agent: bool = False


@dataclass(frozen=True, kw_only=True)
class Held:
    """Who holds the node now. ``expires_at``: of a lease; a workflow's lock has none."""

    holder: str
    purpose: str
    since: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Queue:
    """The node's turn in a group operation is to come. ``ahead``: how many come before it; ``running`` of at most
    ``limit`` nodes are at work; ``due_at``: not before."""

    operation: str
    verb: str
    running: int
    limit: int
    ahead: int
    since: datetime
    due_at: datetime


@dataclass(frozen=True, kw_only=True)
class Situation:
    """All that is looked at. ``unserved``: (interface, implementation) that no worker offers now."""

    uuid: str
    state: State
    now: datetime
    name: str | None = None
    target: State | None = None
    since: datetime | None = None
    power_state: str | None = None
    maintenance: bool = False
    maintenance_reason: str | None = None
    fault: str | None = None
    last_error: str | None = None
    retired: bool = False
    protected: bool = False
    resource_class: str | None = None
    instance_uuid: str | None = None
    work: Work | None = None
    held: Held | None = None
    queue: Queue | None = None
    unserved: tuple[tuple[str, str], ...] = ()

    @property
    def called(self) -> str:
        return self.name or self.uuid

    @property
    def step(self) -> StepNow | None:
        return self.work.step if self.work else None


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """``situation``: a word for programs. ``then``: what happens at ``deadline``, or that nothing does."""

    situation: str
    summary: str
    waiting_for: str
    since: datetime | None
    holder: str
    deadline: datetime | None
    then: str
    actions: tuple[Action, ...] = field(default=())
    estimate: Estimate = UNKNOWN


NOBODY = "nobody"
NOT_SHOWN = "the policy does not show it to you"
NO_DEADLINE = "Nothing: this has no deadline, the node stays as it is until somebody acts."


def told(node: Situation, summary: str, **more: Any) -> Explanation:
    """An explanation whose other parts are what they mostly are."""
    work, held = node.work, node.held
    holder = f"{held.holder} ({held.purpose}, since {held.since:%Y-%m-%d %H:%M:%S} UTC)" if held else NOBODY
    parts: dict[str, Any] = {
        "situation": "", "summary": summary, "since": node.since, "holder": holder, "deadline": None,
        "then": NO_DEADLINE, "estimate": work.left if work else UNKNOWN,
    }  # fmt: skip
    return Explanation(**{**parts, **more})


def veiled(node: Situation, hidden: Collection[str]) -> Situation:
    """As it is told to somebody whom these fields of the node are not shown."""
    work = node.work
    if "last_error" in hidden:
        node = replace(node, last_error=node.last_error and NOT_SHOWN)
        if work is not None and work.step is not None and work.step.error is not None:
            work = replace(work, step=replace(work.step, error=NOT_SHOWN))
    if "reservation" in hidden:
        if node.held is not None:
            node = replace(node, held=replace(node.held, holder="somebody", purpose="what for is not shown to you"))
        if work is not None:
            work = replace(work, asked_by=None)
    return replace(node, work=work)
