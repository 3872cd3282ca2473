"""qcow2 → raw by qemu-img: an outside program, on its own, with limits to its time, memory and output."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from steelyard_common.errors import InvalidRequest, Unavailable, Unsupported

MEMORY_BYTES = 2 << 30  # address space; qemu-img needs some 300 MB
SLACK_BYTES = 16 << 20  # beyond the virtual size
LOOK_S = 0.2
# Sets the limits in the child itself, after the fork and before the program: safe in a process with threads.
_LIMITED = (
    "import os, resource as r, sys\n"
    "cpu, memory, size = map(int, sys.argv[1:4])\n"
    "for what, most in ((r.RLIMIT_CPU, cpu), (r.RLIMIT_AS, memory), (r.RLIMIT_FSIZE, size), (r.RLIMIT_CORE, 0)):\n"
    "    r.setrlimit(what, (most, most))\n"
    "os.nice(10)\n"
    "try:\n"
    "    os.execvp(sys.argv[4], sys.argv[4:])\n"
    "except FileNotFoundError:\n"
    "    sys.exit(127)\n"
)


class QemuImg:
    """A ``Converter``. ``program``: by name or path; ``whole_s``: for one image."""

    def __init__(self, program: str = "qemu-img", whole_s: float = 1800) -> None:
        self._program = program
        self._whole_s = whole_s

    def to_raw(self, source: Path, target: Path, virtual_size: int, what: str, check: Callable[[], None]) -> None:
        # Which format it is was found out before: qemu-img does not guess, and so follows no other file.
        command = [
            sys.executable, "-I", "-c", _LIMITED,
            str(int(self._whole_s) + 1), str(MEMORY_BYTES), str(virtual_size + SLACK_BYTES),
            self._program, "convert", "-f", "qcow2", "-O", "raw", str(source), str(target),
        ]  # fmt: skip
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}, start_new_session=True,
        ) as process:  # fmt: skip
            try:
                said = self._wait(process, what, check)
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            if process.returncode == 127:
                raise Unsupported(
                    f"{what} is to be converted to raw, and {self._program} is not installed where boot runs: install "
                    "it (Debian: qemu-utils), or do not ask for conversion"
                )
            last = said.strip().rpartition("\n")[2][:300] or f"ended with status {process.returncode}"
            raise InvalidRequest(f"{what} cannot be converted to raw: {last}")
        with target.open("rb") as made:
            os.fsync(made.fileno())

    def _wait(self, process: subprocess.Popen[bytes], what: str, check: Callable[[], None]) -> str:
        """→ what it said last"""
        until = time.monotonic() + self._whole_s
        while True:
            try:
                _, said = process.communicate(timeout=LOOK_S)
            except subprocess.TimeoutExpired:
                if time.monotonic() > until:
                    raise Unavailable(f"{what} was not converted to raw within {self._whole_s:g} s") from None
                check()
            else:
                return said[-2000:].decode("utf-8", "replace")
