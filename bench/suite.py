"""The suite under measure: a fresh `steelyard up` in the foreground, in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .accounting import Tree
from .client import Api

START_TIMEOUT_S = 180


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A running control plane."""

    url: str
    api: Api
    tree: Tree
    data: Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(*options: str, environment: dict[str, str] | None = None) -> Iterator[Suite]:
    """``steelyard up`` with these options; stopped and removed afterwards."""
    data = Path(tempfile.mkdtemp(prefix="steelyard-bench-"))
    port = free_port()
    command = [
        str(Path(sys.executable).parent / "steelyard"),
        "up",
        "--listen",
        f"127.0.0.1:{port}",
        "--data",
        str(data),
    ]
    log = data.with_suffix(".log")
    with log.open("wb") as output:
        child = subprocess.Popen(
            [*command, *options], stdout=output, stderr=output, env={**os.environ, **(environment or {})}
        )
    try:
        url = f"http://127.0.0.1:{port}"
        suite = Suite(url=url, api=Api(url), tree=Tree(root=child.pid), data=data)
        _wait_ready(suite, child, log)
        yield suite
    finally:
        child.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(60)
        child.kill()
        shutil.rmtree(data, ignore_errors=True)
        log.unlink(missing_ok=True)


def _wait_ready(suite: Suite, child: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end:
        if child.poll() is not None:
            break
        with contextlib.suppress(OSError, RuntimeError):
            if suite.api.json("GET", "/v1/drivers")["drivers"]:
                return
        time.sleep(0.3)
    raise RuntimeError(f"the suite did not come up; its log ends with:\n{log.read_text(errors='replace')[-3000:]}")
