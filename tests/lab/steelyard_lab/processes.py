"""Starting, watching and stopping the lab's own processes; waiting for conditions."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from steelyard_lab.failure import LabError


def wait_until(condition: Callable[[], bool], what: str, *, timeout_s: float, every_s: float = 0.1) -> None:
    """Looks at the world again and again. Raises LabError when it is not so in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"{what}: not within {timeout_s:g} s")
        time.sleep(every_s)


def run(arguments: Sequence[str | Path], *, timeout_s: float = 60, environ: Mapping[str, str] | None = None) -> str:
    """Runs a command to its end and gives what it wrote. Raises LabError with its own words when it fails."""
    words = [str(each) for each in arguments]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=timeout_s, check=False, env=environ)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"{words[0]}: {error}") from error
    if done.returncode:
        raise LabError(f"{' '.join(words)}: status {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of 127.0.0.1 that nobody uses now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Daemon:
    """A child process with a log, stopped at the end of its `with` block."""

    def __init__(self, name: str, arguments: Sequence[str | Path], log: Path, environ: Mapping[str, str]) -> None:
        self.name = name
        self.log = log
        self._arguments = [str(each) for each in arguments]
        self._environ = dict(environ)

    def __enter__(self) -> Daemon:
        with self.log.open("ab") as log:
            # A session of its own: a Ctrl-C is for the lab, which then ends its daemons in order.
            self._process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environ,
                start_new_session=True,
            )
        return self

    def wait_until_ready(self, is_ready: Callable[[], bool], *, timeout_s: float) -> None:
        """Raises LabError with the end of the log when it dies or is not ready in time."""
        try:
            wait_until(lambda: self._is_dead() or is_ready(), f"{self.name} answers", timeout_s=timeout_s)
        except LabError as error:
            raise LabError(f"{error}\n{self._log_end()}") from error
        if self._is_dead():
            raise LabError(f"{self.name} ended with status {self._process.returncode}\n{self._log_end()}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _is_dead(self) -> bool:
        return self._process.poll() is not None

    def _log_end(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
