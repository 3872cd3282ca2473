"""The first process of the lab's namespaces: puts the parts together, plays the scenario, outlives its children."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn

from steelyard_lab import kea, loaders
from steelyard_lab.agent.built import Built
from steelyard_lab.baremetal import Baremetal
from steelyard_lab.boot_machine import BootMachine
from steelyard_lab.control_plane import control_plane, other_api
from steelyard_lab.diagnosis import diagnosis
from steelyard_lab.failure import LabError
from steelyard_lab.guest import build_disk
from steelyard_lab.hypervisor import Hypervisor, hypervisor
from steelyard_lab.image_server import image_server
from steelyard_lab.ipmi_machine import ipmi_machine
from steelyard_lab.lan import ADDRESS, IMAGES_PORT, dhcp, lan
from steelyard_lab.life import Life, Stage, live
from steelyard_lab.lives import LIVES
from steelyard_lab.machine import Machine
from steelyard_lab.matrix import Outcome, Row, as_line, as_markdown, succeeded
from steelyard_lab.options import Options
from steelyard_lab.prerequisites import PRIVATE_FOLDERS
from steelyard_lab.processes import run
from steelyard_lab.redfish_machine import redfish_machine
from steelyard_lab.scenario import Part, at_once, perform, play
from steelyard_lab.stay import stay
from steelyard_lab.volume import volume


def main(folder: Path, options: Options) -> int:
    """Runs all of it in `folder`. Gives the status for the shell."""
    started = time.monotonic()
    rows: list[Row] = []
    try:
        _make_private(folder, with_network=not options.api_url)
        with ExitStack() as stack:
            acts = _other_api(stack, folder, options) if options.api_url else _acts(stack, folder, options)
            for parts in acts:
                for row in at_once([each for each in parts if options.wants(each.name)], options.at_once):
                    rows.append(row)
                    print(as_line(row), flush=True)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    finally:
        (folder / "matrix.md").write_text(as_markdown(rows, time.monotonic() - started))
    return 0 if succeeded(rows) else 1


def _acts(stack: ExitStack, folder: Path, options: Options) -> Iterator[list[Part]]:
    """The machines that live at the same time; the stage is set anew between two acts."""
    environ = {**os.environ, "TMPDIR": str(folder)}
    network = stack.enter_context(lan(_new(folder / "lan")))
    _say("starting libvirtd, sushy-emulator and ipmi_sim")
    bmcs = stack.enter_context(hypervisor(_new(folder / "bmcs"), environ))
    machines = _switched_machines(stack, folder, bmcs, environ)
    built = Built.read(options.built)
    images = stack.enter_context(image_server(built.image.raw.parent, ADDRESS, IMAGES_PORT))
    target = stack.enter_context(volume(_new(folder / "volume"), built.image.raw, environ))
    settings = {
        **network.addresses(), **built.settings(), **loaders.settings(_new(folder / "loaders")),
        "STEELYARD_AGENT_LOGS_DIR": str(folder / "agent-logs"),
    }  # fmt: skip

    @contextmanager
    def stage(servers: Mapping[str, str]) -> Iterator[Stage]:
        _say(f"starting the control plane with {servers['STEELYARD_DHCP']}: steelyard up")
        with control_plane(folder / "steelyard", environ, {**settings, **servers}) as plane:
            yield Stage(plane=plane, network=network, images=images, image=built.image, volume=target)

    numbered = list(enumerate(LIVES, 1))
    with stage(network.settings()) as common, dhcp(network, environ):
        if options.stays:
            stay(common, folder, bmcs)
        switched = [Part(each.name, partial(play, each, Baremetal(common.plane.clients))) for each in machines]
        lives = [_living(life, number, common, folder, bmcs) for number, life in numbered if not life.by_kea]
        yield [*switched, *lives]
    by_kea = [(number, life) for number, life in numbered if life.by_kea and options.wants(life.name)]
    if by_kea:
        files = network.folder / "kea"
        with stage(kea.settings(files)) as common, kea.kea(network.folder, files, environ):
            yield [_living(life, number, common, folder, bmcs) for number, life in by_kea]


def _other_api(stack: ExitStack, folder: Path, options: Options) -> Iterator[list[Part]]:
    """Somebody else's API is only tried with the machines that are switched on and off."""
    environ = {**os.environ, "TMPDIR": str(folder)}
    bmcs = stack.enter_context(hypervisor(_new(folder / "bmcs"), environ))
    clients = other_api(options.api_url, environ)
    machines = _switched_machines(stack, folder, bmcs, environ)
    yield [Part(each.name, partial(play, each, Baremetal(clients))) for each in machines]


def _switched_machines(
    stack: ExitStack, folder: Path, bmcs: Hypervisor, environ: Mapping[str, str]
) -> list[Machine]:  # fmt: skip
    # A disk each: QEMU lets nobody else have one that it writes.
    redfish, ipmi = _new(folder / "redfish"), _new(folder / "ipmi")
    return [
        stack.enter_context(redfish_machine(redfish, build_disk(redfish), bmcs)),
        stack.enter_context(ipmi_machine(ipmi, build_disk(ipmi), environ)),
    ]


def _living(life: Life, number: int, stage: Stage, folder: Path, bmcs: Hypervisor) -> Part:
    def operate() -> Iterator[Row]:
        sizes = [life.disk_mib] * life.disks
        machine = BootMachine(life.name, number, life.firmware, sizes, _new(folder / life.name), bmcs)
        told = False
        try:
            for row in perform(life.name, live(life, machine, stage)):
                yield row
                if row.outcome is Outcome.FAILED and not told:
                    told = True
                    for line in diagnosis(life.name, machine.said(), stage.plane.clients, stage.plane.logs):
                        print(line, flush=True)
        finally:
            machine.switch_off()

    return Part(life.name, operate)


def _new(folder: Path) -> Path:
    folder.mkdir(mode=0o755)
    return folder


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
    sys.exit(main(Path(sys.argv[1]), Options.from_text(sys.argv[2])))
