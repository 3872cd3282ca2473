"""``up --detach`` and ``down``: what is done to a supervisor from outside."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
from steelyard_common.embedded.process import tail

from . import state as state_room
from .layout import Layout
from .suite import suite_log
from .supervisor import READY_S

DETACH_S = READY_S + 150.0  # first start: initdb, migrations, the rack
DOWN_S = 90.0


def detach(layout: Layout, arguments: list[str]) -> int:
    """Start a supervisor of its own and return when it is ready, or has said why it is not. → exit status"""
    layout.prepare()
    with state_room.lock(layout):
        before = state_room.read(layout.state)
        if before is not None:
            state_room.clear_leftovers(before)
        layout.state.unlink(missing_ok=True)  # its phase is not that of the one that starts now
    log = suite_log(layout)
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "steelyard_local", *arguments],
            stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    shown = 0
    deadline = time.monotonic() + DETACH_S
    while time.monotonic() < deadline:
        shown = _show_new(log.read_text(errors="replace"), shown)
        state = state_room.read(layout.state)
        if process.poll() is not None:
            _show_new(log.read_text(errors="replace"), shown)
            return process.returncode or 1
        if state is not None and state.phase == "ready":
            return 0
        time.sleep(0.1)
    print(f"Steelyard is not ready after {DETACH_S:.0f} s. Last lines of {log}: {tail(log)}", file=sys.stderr)
    return 1


def _show_new(text: str, shown: int) -> int:
    """Print the whole lines that were not shown yet. → how much is shown now"""
    end = text.rfind("\n") + 1
    if end > shown:
        sys.stdout.write(text[shown:end])
        sys.stdout.flush()
    return max(end, shown)


def down(layout: Layout) -> int:
    """Stop the supervisor and whatever a dead one left. → exit status"""
    supervisor = state_room.holder(layout)
    if supervisor is None and state_room.read(layout.state) is None:
        print(f"Nothing runs on {layout.root}.")
        return 0
    if supervisor is not None:
        print(f"Stopping Steelyard on {layout.root} (process {supervisor.pid}) …", flush=True)
        supervisor.terminate()
        try:
            supervisor.wait(DOWN_S)
        except psutil.TimeoutExpired:
            print("The supervisor does not stop; it is killed.", flush=True)
            supervisor.kill()
            supervisor.wait(10)
    with state_room.lock(layout):
        left = state_room.read(layout.state)
        found = state_room.clear_leftovers(left) if left is not None else []
        if found:
            print(f"Cleared away what was left running: {', '.join(found)}.")
        layout.state.unlink(missing_ok=True)
    print("Nothing is left running. The data is kept.")
    return 0
