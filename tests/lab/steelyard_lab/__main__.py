"""The lab's outer half: says what is missing, opens the namespaces, keeps what is worth keeping, cleans up."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from steelyard_lab.prerequisites import NAMESPACES, NETWORK, packages_line, what_is_missing

WORK = Path(__file__).parent.parent / "work"
CANNOT_RUN = 3
ENDINGS = {0: "passed", 130: "stopped by a signal"}


def main() -> int:
    missing = what_is_missing()
    if missing:
        print("The lab cannot run here. It lacks:", *(f"  - {each}" for each in missing), sep="\n", file=sys.stderr)
        print(f"Its packages are installed, on Debian 12, by:\n  {packages_line()}", file=sys.stderr)
        return CANNOT_RUN
    folder = Path(tempfile.mkdtemp(prefix="steelyard-lab-"))
    folder.chmod(0o755)  # PostgreSQL runs as another user than root, below it
    status = 1
    try:
        status = _run_inside(folder, os.environ.get("STEELYARD_LAB_API", ""))
    finally:
        kept = _keep_results(folder)
        shutil.rmtree(folder)
        print(f"lab: {ENDINGS.get(status, 'FAILED')}; matrix, consoles and logs: {kept}")
    return status


def _run_inside(folder: Path, api_url: str) -> int:
    """An API outside the lab is reached, and reaches the BMCs, over the host's loopback: then the network stays.

    The parent's death kills `unshare`, and that kills process 1 of the namespace: no way to die leaves anything.
    """
    network = [] if api_url else [NETWORK]
    command = [
        *("setpriv", "--pdeathsig", "KILL", "unshare", *network, *NAMESPACES),
        *(sys.executable, "-m", "steelyard_lab.inside", str(folder), api_url),
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
    sys.exit(main())
