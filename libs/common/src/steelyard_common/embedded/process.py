"""Child processes that do not outlive us, and the small things around starting a server."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..errors import Unavailable

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, kw_only=True)
class User:
    """The ordinary user that a server runs as when we are root."""

    uid: int
    gid: int
    name: str


def spawn(
    command: Sequence[str], *, log: IO[bytes] | int, env: Mapping[str, str] | None = None, cwd: Path | None = None,
    user: User | None = None, death_signal: int = signal.SIGTERM, sockets: Sequence[int] = (),
) -> subprocess.Popen[bytes]:  # fmt: skip
    """A child in a session of its own (a Ctrl-C reaches only us) that gets ``death_signal`` if we die (Linux).

    The signal is tied to the *thread* that spawns: call this from one that lives as long as the child should.
    ``sockets`` are handed on under their numbers.
    """
    parent = os.getpid()

    def before_exec() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, death_signal)
            if os.getppid() != parent:  # we died between fork and prctl
                os._exit(1)

    return subprocess.Popen(
        list(command), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=cwd,
        env=dict(env) if env is not None else None, start_new_session=True, preexec_fn=before_exec,
        user=user.uid if user else None, group=user.gid if user else None, extra_groups=[] if user else None,
        pass_fds=sockets,
    )  # fmt: skip


def free_port(host: str = "127.0.0.1") -> int:
    """A port that is free, and stays so until somebody binds it, which may take seconds (Linux): the kernel gives it to
    nobody who asks for any, and this function to nobody else while this process lives."""
    first = _first_given()
    for port in (*secrets.SystemRandom().sample(range(first // 2, first), 100), 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind((host, port))
            found = int(probe.getsockname()[1])
            _mark(found)
            return found
    raise Unavailable("no port is free")


def _mark(port: int) -> None:
    """Until we end. Errors: OSError when somebody else has it marked."""
    if sys.platform == "linux":
        with socket.socket(socket.AF_UNIX) as mark:
            mark.bind(f"\0steelyard-port-{port}")
            mark.detach()  # and so stays open


def _first_given() -> int:
    """The first of the ports that the kernel gives to who asks for any."""
    try:
        return max(2048, int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]))
    except OSError:
        return 32768


def wait_until(
    is_ready: Callable[[], bool], process: subprocess.Popen[bytes], what: str, log: Path, timeout_s: float
) -> None:
    """Errors: Unavailable with the log's last lines when the process ends or is not ready in time."""
    deadline = time.monotonic() + timeout_s
    while not is_ready():
        if process.poll() is not None:
            raise Unavailable(f"{what} ended with status {process.returncode}: {tail(log)}")
        if time.monotonic() > deadline:
            raise Unavailable(f"{what} was not ready within {timeout_s:.0f} s: {tail(log)}")
        time.sleep(0.02)


def stop(process: subprocess.Popen[bytes], first: int, timeout_s: float) -> None:
    """Ask with ``first``; kill the whole process group if that does not help in time."""
    if process.poll() is None:
        process.send_signal(first)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout_s)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # and what it may have left behind in its group
    process.wait()


def tail(log: Path, lines: int = 5) -> str:
    """The last things a log says, for people: our JSON lines in words, repetitions once, without gunicorn's own."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return "(no log)"
    said = dict.fromkeys(filter(None, (_in_words(line) for line in text.splitlines()[-40:])))
    return " | ".join(list(said)[-lines:])


def _in_words(line: str) -> str:
    try:
        entry = json.loads(line)
    except ValueError:
        return line.strip()
    if not isinstance(entry, dict) or entry.get("logger") == "gunicorn.error":
        return "" if isinstance(entry, dict) else line.strip()
    parts = (entry.get(key) for key in ("event", "reason", "error", "message", "detail"))
    return ": ".join(str(part).strip() for part in parts if part)


def port_is_open(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0
