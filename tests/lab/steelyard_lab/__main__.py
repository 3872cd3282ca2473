"""The lab's outer half: says what is missing, opens the namespaces, keeps what is worth keeping, cleans up."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from steelyard_lab.agent.built import Built
from steelyard_lab.failure import LabError
from steelyard_lab.matrix import page
from steelyard_lab.options import Options
from steelyard_lab.prerequisites import ENCLOSED, NETWORK, packages_line, what_is_missing

CACHE = Path(__file__).parents[3] / ".cache/lab"
RECORD = Path(__file__).parents[3] / "docs/reference/lab.md"
WORK = Path(__file__).parent.parent / "work"
CANNOT_RUN = 3
ENDINGS = {0: "passed", 130: "stopped by a signal"}


def main(words: Sequence[str]) -> int:
    asked = _read(words)
    missing = what_is_missing()
    if missing:
        print("The lab cannot run here. It lacks:", *(f"  - {each}" for each in missing), sep="\n", file=sys.stderr)
        print(f"Its packages are installed, on Debian 12, by:\n  {packages_line()}", file=sys.stderr)
        return CANNOT_RUN
    folder = Path(tempfile.mkdtemp(prefix="steelyard-lab-"))
    folder.chmod(0o755)  # PostgreSQL runs as another user than root, below it
    status = 1
    try:
        status = _run_inside(folder, asked if asked.api_url else replace(asked, built=_build()))
        if asked.records and (matrix := folder / "matrix.md").exists():
            RECORD.write_text(page(RECORD.read_text() if RECORD.exists() else "", matrix.read_text()))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
    finally:
        kept = _keep_results(folder)
        shutil.rmtree(folder)
        print(f"lab: {ENDINGS.get(status, 'FAILED')}; matrix, consoles and logs: {kept}")
    return status


def _read(words: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(prog="tests/lab/run", description="QEMU machines behind real BMC emulators.")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="MACHINE", help="play the lives of these machines alone"
    )
    parser.add_argument("--at-once", type=int, default=2, metavar="N", help="machines that live at a time (default: 2)")
    parser.add_argument("--record", action="store_true", help=f"write docs/reference/{RECORD.name}")
    parser.add_argument("--stay", action="store_true", help="bring the stage up with one machine, and leave it to you")
    told = parser.parse_args(words)
    return Options(
        api_url=os.environ.get("STEELYARD_LAB_API", ""), only=tuple(told.only), at_once=told.at_once,
        records=told.record, stays=told.stay,
    )  # fmt: skip


def _build() -> str:
    """The agent's ramdisk and the image: outside of the namespaces, which have no way to a mirror."""
    started = time.monotonic()
    print("lab: building what the machines boot, unless it is in the cache", flush=True)
    built = Built.build(CACHE)
    print(f"lab: built in {time.monotonic() - started:.0f} s", flush=True)
    return built.as_text()


def _run_inside(folder: Path, options: Options) -> int:
    """An API outside the lab is reached, and reaches the BMCs, over the host's loopback: then the network stays."""
    network = [] if options.api_url else [NETWORK]
    command = [
        *(*ENCLOSED, *network),
        *(sys.executable, "-m", "steelyard_lab.inside", str(folder), options.as_text()),
    ]
    # A session of its own, so that one signal reaches all of the lab once, and only by our hand.
    process = subprocess.Popen(command, start_new_session=True)

    def pass_on(number: int, _: object) -> None:
        os.killpg(process.pid, number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, pass_on)
    try:
        return process.wait()
    finally:
        process.kill()


def _keep_results(folder: Path) -> Path:
    """Puts what a reader wants to see into tests/lab/work, in place of what the last run left there."""
    shutil.rmtree(WORK, ignore_errors=True)
    for file in [folder / "matrix.md", *folder.rglob("*.log")]:
        if file.is_file():
            target = WORK / file.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    return WORK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
