"""A fresh suite for tests and benchmarks: ``with running_suite("--rack", "4") as suite: suite.url``."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from steelyard_common.embedded.process import free_port

from .api import VERSION
from .prepared import Prepared
from .supervisor import unheard_of

START_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 60.0
_prepared: list[Prepared] = []


@dataclass(frozen=True, kw_only=True)
class RunningSuite:
    """``pid``: the supervisor's; all other processes are below it."""

    url: str
    data: Path
    pid: int


@contextlib.contextmanager
def begin_with(prepared: Prepared) -> Iterator[None]:
    """All suites that start in this process meanwhile begin with a copy of that folder, and so in half of the time."""
    _prepared.append(prepared)
    yield
    _prepared.remove(prepared)


@contextlib.contextmanager
def running_suite(*options: str, environment: dict[str, str] | None = None) -> Iterator[RunningSuite]:
    """``steelyard up`` in the foreground with these options, in a folder of its own; stopped and removed afterwards."""
    data = Path(tempfile.mkdtemp(prefix="steelyard-"))
    if _prepared:
        _prepared[-1].copy_to(data)
    port = free_port()
    program = [str(Path(sys.executable).parent / "steelyard"), "up", "--listen", f"127.0.0.1:{port}"]
    log = data.with_suffix(".log")
    with log.open("wb") as output:
        child = subprocess.Popen(
            [*program, "--data", str(data), *options],
            stdout=output,
            stderr=output,
            env={**os.environ, **(environment or {})},
        )
    suite = RunningSuite(url=f"http://127.0.0.1:{port}", data=data, pid=child.pid)
    try:
        _wait_ready(suite, child, log)
        yield suite
    finally:
        child.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(STOP_TIMEOUT_S)
        child.kill()
        child.wait()
        shutil.rmtree(data, ignore_errors=True)
        log.unlink(missing_ok=True)


def _sign_in(suite: RunningSuite) -> dict[str, str]:
    """The header that clouds.yaml's user name and password make; none where nobody signs in."""
    auth = json.loads((suite.data / "clouds.yaml").read_text())["clouds"]["steelyard"]["auth"]
    if "password" not in auth:
        return {}
    word = f"{auth['username']}:{auth['password']}".encode()
    return {"Authorization": f"Basic {base64.b64encode(word).decode()}"}


def _wait_ready(suite: RunningSuite, child: subprocess.Popen[bytes], log: Path) -> None:
    """Until every kind of worker has announced what it can: what a test asks for next can be planned."""
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end and child.poll() is None:
        with contextlib.suppress(OSError, ValueError):
            headers = _sign_in(suite) | {"X-OpenStack-Ironic-API-Version": VERSION}
            request = urllib.request.Request(f"{suite.url}/v1/conductors", headers=headers)  # noqa: S310
            try:
                answer = urllib.request.urlopen(request, timeout=5).read()  # noqa: S310
                if not unheard_of(json.loads(answer)["conductors"]):
                    return
            except urllib.error.HTTPError as error:  # tokens are for users, who ask for the conductors then
                if error.code == 401 and json.loads((suite.data / "state.json").read_text())["phase"] == "ready":
                    return
        time.sleep(0.3)
    raise RuntimeError(f"the suite did not come up; its log ends with:\n{log.read_text(errors='replace')[-3000:]}")
