"""A rack for tests: its own process, its own ports, gone at the end of the ``with`` block.

with running_rack(machines=4) as rack:
    nodes = rack.nodes()
    rack.fault("rack-0001", hang=True)
"""

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

from .client import RackClient

_START_S = 60.0
_STOP_S = 10.0


class RackDidNotStart(Exception):
    """The rack's process ended, or said nothing in time."""


class RunningRack(RackClient):
    """A rack in a process of its own: everything that ``RackClient`` can, and in shorter words."""

    def __init__(self, url: str, process: "subprocess.Popen[str]") -> None:
        super().__init__(url)
        self.process = process

    def fault(self, name: str, **faults: object) -> dict[str, Any]:
        """Set faults of one machine; ``None`` clears one. Returns those that are on now."""
        return self.set_faults(name, faults)

    def power_of(self, name: str) -> str:
        """The machine's true power state now, whatever its BMC says."""
        return str(self.machine(name)["power"])


@contextlib.contextmanager
def running_rack(
    machines: int = 2,
    *,
    fast: bool = True,
    address: str = "127.0.0.1",
    **options: object,
) -> Iterator[RunningRack]:
    """A rack on ports that the system chose. ``fast``: power changes take 0.1 to 0.3 s instead of seconds.

    ``options`` are those of ``steelyard rack serve`` with underscores: protocols="redfish", tls="ca", power_on="1-2".
    Raises RackDidNotStart.
    """
    settings: dict[str, object] = {"redfish_port": 0, "ipmi_port": 0, "control": "127.0.0.1:0"}
    if fast:
        settings |= {"power_on": "0.1-0.3", "power_off": "0.1-0.3", "soft_off": "0.3-0.5", "pace": 0.02}
    settings |= {"machines": machines, "base_address": address} | options
    command = [sys.executable, "-m", "steelyard_rack", "serve", "--json", "--stop-with-stdin"]
    for name, value in settings.items():
        command.append(f"--{name.replace('_', '-')}={value}")
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield RunningRack(_first_words(process), process)
    finally:
        _stop(process)


def _first_words(process: "subprocess.Popen[str]") -> str:
    """The control URL that the rack announces."""
    assert process.stdout is not None  # noqa: S101  # a pipe was asked for
    watchdog = threading.Timer(_START_S, process.kill)
    watchdog.start()
    try:
        line = process.stdout.readline()
    finally:
        watchdog.cancel()
    if not line:
        raise RackDidNotStart(f"the rack ended with status {process.wait(_STOP_S)} before it was ready")
    return str(json.loads(line)["control"])


def _stop(process: "subprocess.Popen[str]") -> None:
    """Closing its standard input is the sign to stop."""
    with contextlib.suppress(OSError):
        if process.stdin is not None:
            process.stdin.close()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(_STOP_S)
    if process.stdout is not None:
        process.stdout.close()
