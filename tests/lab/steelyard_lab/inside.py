"""The first process of the lab's namespaces: puts the parts together, plays the scenario, outlives its children."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

from steelyard_lab.baremetal import Baremetal
from steelyard_lab.control_plane import control_plane, other_api
from steelyard_lab.failure import LabError
from steelyard_lab.guest import build_disk
from steelyard_lab.ipmi_machine import ipmi_machine
from steelyard_lab.machine import Machine
from steelyard_lab.matrix import Row, as_line, as_markdown, succeeded
from steelyard_lab.prerequisites import PRIVATE_FOLDERS
from steelyard_lab.processes import run
from steelyard_lab.redfish_machine import redfish_machine
from steelyard_lab.scenario import play


def main(folder: Path, api_url: str) -> int:
    """Runs all of it in `folder`; an empty `api_url` brings up Steelyard. Gives the status for the shell."""
    started = time.monotonic()
    rows: list[Row] = []
    try:
        _make_private(folder, with_network=not api_url)
        with ExitStack() as stack:
            machines, clients = _start(stack, folder, api_url)
            for machine in machines:
                for row in play(machine, Baremetal(clients)):
                    rows.append(row)
                    print(as_line(row), flush=True)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    finally:
        (folder / "matrix.md").write_text(as_markdown(rows, time.monotonic() - started))
    return 0 if succeeded(rows) else 1


def _start(stack: ExitStack, folder: Path, api_url: str) -> tuple[list[Machine], dict[str, str]]:
    environ = {**os.environ, "TMPDIR": str(folder)}
    folders = {name: folder / name for name in ("redfish", "ipmi")}
    for each in folders.values():
        each.mkdir()
    disk = build_disk(folder)
    _say("starting libvirtd, sushy-emulator and ipmi_sim")
    redfish = stack.enter_context(redfish_machine(folders["redfish"], disk, environ))
    ipmi = stack.enter_context(ipmi_machine(folders["ipmi"], disk, environ))
    _say(f"using the API at {api_url}" if api_url else "starting the control plane: steelyard up")
    if api_url:
        return [redfish, ipmi], other_api(api_url, environ)
    return [redfish, ipmi], stack.enter_context(control_plane(folder / "steelyard", environ))


def _make_private(folder: Path, *, with_network: bool) -> None:
    """Gives this mount namespace folders of its own where libvirt insists on fixed places, and a loopback."""
    run(["mount", "-t", "tmpfs", "tmpfs", "/run"])
    for place in PRIVATE_FOLDERS:
        own = folder / "root" / place.lstrip("/")
        own.mkdir(parents=True)
        run(["mount", "--bind", own, place])
    _hide_kvm(folder)
    if with_network:
        run(["ip", "link", "set", "lo", "up"])


def _hide_kvm(folder: Path) -> None:
    """A /dev/kvm that is there but of no use fools QEMU and libvirt into trying it.

    What stands in for it must not even be writable, or libvirt thinks KVM has come back and examines QEMU anew,
    for five seconds, at every change of a machine.
    """
    if Path("/dev/kvm").exists():
        stand_in = folder / "no-kvm"
        stand_in.touch()
        run(["mount", "--bind", stand_in, "/dev/kvm"])
        run(["mount", "-o", "remount,bind,ro", "/dev/kvm"])


def _say(words: str) -> None:
    print(f"lab: {words}", flush=True)


def _reap_until(child: int) -> int:
    """Process 1 must bury the orphans of its namespace, or those who wait for a process to go wait for ever."""
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def _stop(*_: object) -> NoReturn:
    raise SystemExit(130)  # unwinds the `with` blocks, which end what they started


if __name__ == "__main__":
    worker = os.fork()
    if worker:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the worker hears it too, and cleans up
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit(abs(_reap_until(worker)))
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
