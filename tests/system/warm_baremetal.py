"""The real `baremetal` command, kept warm: its own ``main`` in a process of its own, one command line after another.

A command costs a second to import and 50 ms to run; 150 of them are bearable only so. Run as a program it reads one
JSON list of words per line and answers ``[exit status, standard output, standard error]`` likewise.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from steelyard_local.testing import RunningSuite


class Said(NamedTuple):
    status: int
    out: str
    err: str


class WarmClient:
    """``call`` runs one command line, with what a user's shell has and the suite's clouds.yaml."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def call(self, words: list[str]) -> Said:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"the command ended this process: {words}"
        return Said(*json.loads(answer))


@contextlib.contextmanager
def warm_baremetal(suite: RunningSuite) -> Iterator[WarmClient]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    signed_in = {"OS_CLIENT_CONFIG_FILE": str(suite.data / "clouds.yaml"), "OS_CLOUD": "steelyard"}
    process = subprocess.Popen(
        [sys.executable, "-P", "-W", "ignore", str(Path(__file__))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=clean | signed_in,
    )  # fmt: skip
    try:
        yield WarmClient(process)
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


def _run(words: list[str]) -> Said:
    """As a shell would start it: its words are also where the command itself looks for them."""
    from ironicclient.shell import main

    sys.argv = ["baremetal", *words]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main(words)
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
    for handler in list(logging.getLogger().handlers):  # each run adds one, bound to the streams of its time
        logging.getLogger().removeHandler(handler)
    return Said(status, out.getvalue(), err.getvalue())


if __name__ == "__main__":
    for line in sys.stdin:
        sys.__stdout__.write(json.dumps(_run(json.loads(line))) + "\n")  # type: ignore[union-attr]
        sys.__stdout__.flush()  # type: ignore[union-attr]
