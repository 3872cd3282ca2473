"""What runs on a data folder: written by the supervisor, read by ``status``, ``down`` and the next ``up``.

The lock says whether a supervisor lives; the state file names its processes, so that what a dead one left can be found.
A process is known by its id *and* its start time: ids are used again.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil
from steelyard_common.errors import Conflict
from steelyard_common.secrets import write_secret

from .layout import Layout

LEAVE_S = 40.0
LOCK_S = 2.0


@dataclass(frozen=True, kw_only=True)
class ProcessId:
    """A process that is told from a later one with the same id."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        try:
            return cls(pid=pid, started=psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return None

    @classmethod
    def own(cls) -> ProcessId:
        return cls(pid=os.getpid(), started=psutil.Process().create_time())

    def find(self) -> psutil.Process | None:
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < 0.05 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if same else None


@dataclass(kw_only=True)
class ChildState:
    """One process of the suite as others see it."""

    name: str
    process: ProcessId | None = None
    url: str = ""
    restarts: int = 0
    note: str = ""


@dataclass(kw_only=True)
class State:
    """``phase``: starting, ready, stopping, failed. ``reason`` says why it failed."""

    phase: str = "starting"
    reason: str = ""
    url: str = ""
    auth: str = "none"
    supervisor: ProcessId | None = None
    children: list[ChildState] = field(default_factory=list)

    def write(self, file: Path) -> None:
        write_secret(file, json.dumps(asdict(self), indent=2))  # the URLs hold passwords


def read(file: Path) -> State | None:
    """The last written state; None when there is none, or none that can be read."""
    try:
        body: dict[str, Any] = json.loads(file.read_text())
        children = [ChildState(**{**child, "process": _process(child["process"])}) for child in body.pop("children")]
        return State(**{**body, "supervisor": _process(body["supervisor"])}, children=children)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _process(body: dict[str, Any] | None) -> ProcessId | None:
    return ProcessId(**body) if body else None


def lock(layout: Layout, *, as_holder: bool = True) -> IO[str]:
    """Own the data folder until the file is closed or we die. Errors: Conflict, which says who has it.

    Whoever only asks (`is_locked`) has it for a moment, too, and so has who is just ending: that is waited for.
    ``as_holder``: others may stop us to get it.
    """
    file = layout.lock.open("a+")
    deadline = time.monotonic() + LOCK_S
    while not _try(file, fcntl.LOCK_EX):
        if time.monotonic() > deadline or holder(layout) is not None:
            file.close()
            raise in_use(layout)
        time.sleep(0.02)
    file.truncate(0)
    if as_holder:
        file.write(json.dumps(asdict(ProcessId.own())))
        file.flush()
    return file


def in_use(layout: Layout) -> Conflict:
    state, process = read(layout.state), holder(layout)
    if process is None or (state is not None and state.phase == "stopping"):
        return Conflict(f"Steelyard is just being stopped on {layout.root}; try again in a few seconds.")
    url = f", {state.url}" if state else ""
    return Conflict(
        f"Steelyard already runs on {layout.root} (process {process.pid}{url}). "
        f"Stop it with `steelyard down --data {layout.root}`, or choose another folder with --data."
    )


def holder(layout: Layout) -> psutil.Process | None:
    """Who holds the lock; it is known also when the state file is damaged."""
    try:
        known = _process(json.loads(layout.lock.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return known.find() if known and is_locked(layout) else None


def is_locked(layout: Layout) -> bool:
    """Whether somebody owns the folder. Shared, so that two who ask do not take each other for an owner."""
    if not layout.lock.exists():
        return False
    with layout.lock.open() as file:
        return not _try(file, fcntl.LOCK_SH)


def _try(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def clear_leftovers(state: State) -> list[str]:
    """End what a supervisor that died left running: politely, then not. → names of what was found"""
    found = [(child, child.process.find()) for child in state.children if child.process]
    living = [(child, process) for child, process in found if process is not None]
    groups = {process.pid for _, process in living}
    for child, process in living:
        # PostgreSQL waits for its clients on SIGTERM; SIGINT is its fast shutdown.
        process.send_signal(signal.SIGINT if child.name == "postgres" else signal.SIGTERM)
    _, stubborn = psutil.wait_procs([process for _, process in living], timeout=LEAVE_S)
    for process in stubborn:
        process.kill()
    psutil.wait_procs(stubborn, timeout=5)
    for group in groups:
        end_group(group)
    return [child.name for child, _ in living]


def end_group(group: int) -> None:
    """Kill what is left of a child's own process group."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
