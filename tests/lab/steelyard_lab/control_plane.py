"""The API under test: `steelyard up` with its data in the run's folder, or another one that an operator named."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from steelyard_lab.failure import LabError
from steelyard_lab.processes import run

LISTEN = "127.0.0.1:6385"
UP_WITHIN_S = 180
DOWN_WITHIN_S = 60


@contextmanager
def control_plane(data: Path, environ: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Brings the suite up and gives the environment in which OpenStack clients find it. Takes it down again."""
    steelyard = Path(sys.executable).with_name("steelyard")
    # Not on a full volume's fate: the suite's own user must be able to enter its folder, which mkdtemp forbids.
    data.mkdir(mode=0o755)
    try:
        run([steelyard, "up", "--listen", LISTEN, "--data", data, "--detach"], timeout_s=UP_WITHIN_S)
        yield {**environ, "OS_CLIENT_CONFIG_FILE": str(data / "clouds.yaml"), "OS_CLOUD": "steelyard"}
    finally:
        with suppress(LabError):  # the namespace ends next, and every process in it; the first error is the news
            run([steelyard, "down", "--data", data], timeout_s=DOWN_WITHIN_S)


def other_api(url: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The clients' environment for an API that somebody else runs without sign-in."""
    return {**environ, "OS_AUTH_TYPE": "none", "OS_ENDPOINT": url}
