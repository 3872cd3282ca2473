"""``steelyard demo``: the whole job on a small rack, and every command that it names then."""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

DEMO = [
    sys.executable,
    "-m",
    "steelyard_local",
    "demo",
    "--listen",
    "127.0.0.1:0",
    "--rack",
    "2",
    "--rack-pace",
    "0.02",
]
LONGEST_S = 300


def _read(process: subprocess.Popen[str]) -> queue.Queue[str]:
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line.rstrip("\n"))
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    return lines


def _commands(lines: queue.Queue[str], seen: list[str]) -> list[str]:
    """Those behind 'Next, in another terminal'."""
    while not seen or "in another terminal" not in seen[-1]:
        seen.append(lines.get(timeout=LONGEST_S))
        assert seen[-1] or len(seen) < 3, "\n".join(seen)
    found: list[str] = []
    while not found or "rack show" not in found[-1]:
        found.append(lines.get(timeout=60).strip())
    return found


@pytest.mark.slow
def test_the_demo_brings_machines_to_their_image_and_every_command_it_names_works(tmp_path: Path) -> None:
    command = [*DEMO, "--data", str(tmp_path / "data")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    seen: list[str] = []
    try:
        export, *commands = _commands(_read(process), seen)
        script = "\n".join(["set -ex", f"{export}", *(f"{each} --version >&2" for each in ["curl"]), *commands])
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=LONGEST_S, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        process.send_signal(signal.SIGINT)
        status = process.wait(60)
        if process.stdout is not None:
            process.stdout.close()

    told = "\n".join(seen)
    assert "On the disks: image" in told
    assert "on 2 of 2 machines" in told
    assert "Done: 2 machines run the image" in told
    for answer in ('"summary"', '"timeline"', '"hops"', '"steps"', '"active"', '"holds": "image"'):
        assert answer in done.stdout.replace('": "', '": "'), answer
    assert status == 0
