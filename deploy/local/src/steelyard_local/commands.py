"""``up --detach`` and ``down``: what is done to a supervisor from outside."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
from steelyard_common.embedded.process import tail
from steelyard_common.errors import Conflict

from . import state as state_room
from .children import rotate
from .layout import Layout
from .state import ProcessId, State
from .suite import suite_log
from .supervisor import READY_S

DETACH_S = READY_S + 150.0  # first start: initdb, migrations, the rack
DOWN_S = 90.0


def detach(layout: Layout, arguments: list[str]) -> int:
    """Start a supervisor of its own and return when it is ready, or has said why it is not. → exit status"""
    layout.prepare()
    log = suite_log(layout)
    rotate(log)
    with log.open("ab") as stream:  # never cut: it may be that of a supervisor that was quicker
        before = stream.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "steelyard_local", *arguments],
            stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        return _wait_ready(layout, process, _Lines(log, before))
    except KeyboardInterrupt:
        print("Stopping what has begun …", flush=True)
        process.terminate()
        process.wait(DOWN_S)
        return 128 + signal.SIGINT


def _wait_ready(layout: Layout, process: subprocess.Popen[bytes], lines: _Lines) -> int:
    deadline = time.monotonic() + DETACH_S
    while time.monotonic() < deadline:
        ended = process.poll()
        state = state_room.read(layout.state)
        lines.show()
        if ended is not None:
            if ended <= 0:
                print("Stopped before Steelyard was ready.", file=sys.stderr)
            return ended if ended > 0 else 1
        if state is not None and state.phase == "ready" and _is_of(state, process.pid):
            return 0
        time.sleep(0.1)
    last = f"Last lines of {lines.file}: {tail(lines.file)}"
    print(f"Steelyard is not ready after {DETACH_S:.0f} s. {last}", file=sys.stderr)
    return 1


def _is_of(state: State, pid: int) -> bool:
    """The file may still be that of an earlier supervisor."""
    return state.supervisor is not None and state.supervisor.pid == pid and state.supervisor.find() is not None


class _Lines:
    """The whole lines that a file grew by since ``shown`` bytes."""

    def __init__(self, file: Path, shown: int) -> None:
        self.file, self._shown = file, shown

    def show(self) -> None:
        with self.file.open("rb") as stream:
            stream.seek(self._shown)
            text = stream.read()
        new = text[: text.rfind(b"\n") + 1]
        self._shown += len(new)
        if new:
            print(new.decode(errors="replace"), end="", flush=True)


def down(layout: Layout) -> int:
    """Stop the supervisor and whatever a dead one left. → exit status"""
    if not state_room.is_locked(layout) and state_room.read(layout.state) is None:
        print(f"Nothing runs on {layout.root}.")
        return 0
    deadline = time.monotonic() + DOWN_S + 30
    while True:
        if (supervisor := state_room.holder(layout)) is not None:
            _stop(layout, supervisor)
        try:
            owned = state_room.lock(layout, as_holder=False)
            break
        except Conflict:  # somebody else came first: another `down`, or an `up`, which is stopped, too
            if time.monotonic() > deadline:
                raise
    with owned:
        left = state_room.read(layout.state)
        found = state_room.clear_leftovers(left) if left is not None else []
        if found:
            print(f"Cleared away what was left running: {', '.join(found)}.")
        layout.state.unlink(missing_ok=True)
    print("Nothing is left running. The data is kept.")
    return 0


def _stop(layout: Layout, supervisor: psutil.Process) -> None:
    print(f"Stopping Steelyard on {layout.root} (process {supervisor.pid}) …", flush=True)
    with contextlib.suppress(psutil.NoSuchProcess):
        supervisor.terminate()
    if not _has_ended(supervisor, DOWN_S):
        print("The supervisor does not stop; it is killed.", flush=True)
        with contextlib.suppress(psutil.NoSuchProcess):
            supervisor.kill()
        _has_ended(supervisor, 10)


def _has_ended(process: psutil.Process, within_s: float) -> bool:
    """A zombie has ended: in a container there may be nobody who fetches its status."""
    known = ProcessId(pid=process.pid, started=process.create_time())
    deadline = time.monotonic() + within_s
    while known.find() is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
