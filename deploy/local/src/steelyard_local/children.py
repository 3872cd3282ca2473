"""The processes of a suite: started, watched, started again with back-off, stopped in order.

All of it runs in the supervisor's main thread: the signal that ends a child when we die is tied to that thread.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from steelyard_common.embedded import EmbeddedNats, EmbeddedPostgres, NatsFolder
from steelyard_common.embedded.process import spawn, tail
from steelyard_common.errors import Unavailable

from .layout import Layout
from .state import ChildState, ProcessId, end_group

BACK_OFF_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
STEADY_S = 60.0  # a child that ran so long begins its back-off anew
STOP_S = 40.0
LOG_LIMIT = 10 * 1024 * 1024
Report = Callable[[str], None]


class Child:
    """One process. ``begin`` starts it and gives the process; ``stop_signal`` ends it in order."""

    def __init__(
        self, name: str, log: Path, begin: Callable[[], subprocess.Popen[bytes]], *,
        stop_signal: int = signal.SIGTERM, url: Callable[[], str] = str,
    ) -> None:  # fmt: skip
        self.name, self.log, self._begin, self._stop_signal, self._url = name, log, begin, stop_signal, url
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._due_at: float | None = None
        self._crashes = 0
        self.restarts = 0
        self.note = ""

    def start(self) -> None:
        """Errors: Unavailable when it does not come up."""
        rotate(self.log)
        self._process = self._begin()
        self._started_at = time.monotonic()
        self._due_at = None

    def watch(self, report: Report) -> bool:
        """Notice its end, start it again when that is due. → True when something changed."""
        if self._due_at is not None:
            return time.monotonic() >= self._due_at and self._start_again(report)
        if self._process is None or self._process.poll() is None:
            rotate(self.log)
            return False
        end_group(self._process.pid)  # what it left behind would be in the way of the next one
        self._plan(describe_end(self._process.returncode), report)
        return True

    def ask_to_stop(self) -> None:
        self._due_at = None
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(self._stop_signal)

    def wait_stopped(self, timeout_s: float) -> bool:
        """False when it had to be killed."""
        process = self._process
        if process is None:
            return True
        in_order = True
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            in_order = False
        end_group(process.pid)
        process.wait()
        self._process = None
        return in_order

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def state(self) -> ChildState:
        process = ProcessId.of(self._process.pid) if self._process is not None and self.is_running else None
        return ChildState(name=self.name, process=process, url=self._url(), restarts=self.restarts, note=self.note)

    def _plan(self, reason: str, report: Report) -> None:
        if time.monotonic() - self._started_at > STEADY_S:
            self._crashes = 0
        pause = BACK_OFF_S[min(self._crashes, len(BACK_OFF_S) - 1)]
        self._crashes += 1
        self._due_at = time.monotonic() + pause
        self.note = f"{reason}; last log lines: {tail(self.log, 2)}"
        report(f"{self.name} {reason}; it starts again in {pause:g} s. Its log: {self.log}")

    def _start_again(self, report: Report) -> bool:
        self.restarts += 1
        try:
            self.start()
        except Unavailable as error:
            self._plan(f"did not come up: {error.message}", report)
        else:
            report(f"{self.name} is started again (process {self._process.pid if self._process else '?'}).")
            self.note = ""
        return True


def postgres(layout: Layout, password: str) -> tuple[Child, EmbeddedPostgres]:
    server = EmbeddedPostgres(layout.postgres, password=password)
    server.log = layout.log("postgres")
    return Child("postgres", server.log, _begin(server), stop_signal=signal.SIGINT, url=lambda: server.url), server


def nats(layout: Layout, users: NatsFolder) -> tuple[Child, EmbeddedNats]:
    server = EmbeddedNats(layout.nats, users=users)
    server.log = layout.log("nats")
    return Child("nats", server.log, _begin(server), url=lambda: server.url), server


def _begin(server: EmbeddedPostgres | EmbeddedNats) -> Callable[[], subprocess.Popen[bytes]]:
    def begin() -> subprocess.Popen[bytes]:
        try:
            server.start()
        except Unavailable:
            server.stop()
            raise
        if server.process is None:
            raise Unavailable("the server ended at once")
        return server.process

    return begin


def program(
    layout: Layout, name: str, arguments: Sequence[str], environment: Mapping[str, str], url: Callable[[], str] = str,
    sockets: Sequence[int] = (),
) -> Child:  # fmt: skip
    """``python -m …`` as a child, its output in the suite's logs; ``sockets`` are handed on."""
    log = layout.log(name)

    def begin() -> subprocess.Popen[bytes]:
        layout.port_file(name).unlink(missing_ok=True)
        with log.open("ab") as stream:
            command = [sys.executable, "-m", *arguments]
            env = {**os.environ, **environment}
            return spawn(command, log=stream, env=env, cwd=layout.root, sockets=sockets)

    return Child(name, log, begin, url=url)


def rotate(log: Path) -> None:
    """Bound a log: its writers append, so it can be copied and cut under them."""
    try:
        if log.stat().st_size < LOG_LIMIT:
            return
        shutil.copyfile(log, log.with_suffix(".log.1"))
        os.truncate(log, 0)
    except FileNotFoundError:
        return


def describe_end(status: int) -> str:
    if status < 0:
        return f"was ended by signal {-status} ({signal.Signals(-status).name})"
    return f"ended with status {status}"
