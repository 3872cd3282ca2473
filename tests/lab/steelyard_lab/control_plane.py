"""The API under test: `steelyard up` with its data in the run's folder, or another one that an operator named."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from steelyard_lab.failure import LabError
from steelyard_lab.lan import ADDRESS, API_PORT, BOOT_PORT
from steelyard_lab.processes import run, wait_until

UP_WITHIN_S = 300
DOWN_WITHIN_S = 60
BACK_WITHIN_S = 60


class ControlPlane:
    """``clients``: the environment in which OpenStack clients find it."""

    def __init__(self, data: Path, clients: Mapping[str, str]) -> None:
        self.data, self.clients = data, dict(clients)

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    def kill(self, service: str) -> None:
        """As a power cut would; comes back when the suite has started it again."""
        process = self._process(service)
        os.kill(process, signal.SIGKILL)
        wait_until(
            lambda: self._process(service) not in (0, process), f"{service} is started again", timeout_s=BACK_WITHIN_S
        )

    def _process(self, service: str) -> int:
        """0 while it is not running."""
        children = json.loads((self.data / "state.json").read_text())["children"]
        process = next(child["process"] for child in children if child["name"] == service)
        return int(process["pid"]) if process else 0


@contextmanager
def control_plane(data: Path, environ: Mapping[str, str], settings: Mapping[str, str]) -> Iterator[ControlPlane]:
    """Brings the suite up, where machines reach it. Takes it down again. ``data``: a new folder, or what it left."""
    steelyard = Path(sys.executable).with_name("steelyard")
    # Not on a full volume's fate: the suite's own user must be able to enter its folder, which mkdtemp forbids.
    data.mkdir(mode=0o755, exist_ok=True)
    words: list[str | Path] = ["--listen", f"{ADDRESS}:{API_PORT}", "--boot-listen", f"[::]:{BOOT_PORT}"]
    try:
        run(
            [steelyard, "up", *words, "--auth", "http_basic", "--data", data, "--detach"],
            timeout_s=UP_WITHIN_S, environ={**environ, **settings},
        )  # fmt: skip
        yield ControlPlane(
            data, {**environ, "OS_CLIENT_CONFIG_FILE": str(data / "clouds.yaml"), "OS_CLOUD": "steelyard"}
        )
    finally:
        with suppress(LabError):  # the namespace ends next, and every process in it; the first error is the news
            run([steelyard, "down", "--data", data], timeout_s=DOWN_WITHIN_S)


def other_api(url: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The clients' environment for an API that somebody else runs without sign-in."""
    return {**environ, "OS_AUTH_TYPE": "none", "OS_ENDPOINT": url}
