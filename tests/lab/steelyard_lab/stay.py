"""The stage for a person: one machine with nothing on it, named in an environment file; up till somebody ends it."""

from __future__ import annotations

import json
import shlex
import signal
from pathlib import Path

from steelyard_lab.boot_machine import UEFI, BootMachine, Firmware
from steelyard_lab.hypervisor import Hypervisor
from steelyard_lab.life import Stage

NAME, NUMBER, DISK_MIB = "machine-1", 99, 256
WORDS = """The lab is up, with one machine that nobody has told Steelyard of. In another terminal:

    tests/lab/enter

gives a shell in which `baremetal` finds Steelyard, and these name the API and the machine: {names}.
docs/tutorial/deploy-a-machine.md goes on from here. Ctrl-C takes everything down.
"""


def stay(stage: Stage, folder: Path, bmcs: Hypervisor) -> None:
    """Returns never: a signal ends it."""
    place = folder / NAME
    place.mkdir(mode=0o755)
    machine = BootMachine(NAME, NUMBER, Firmware(mode=UEFI), [DISK_MIB], place, bmcs)
    told = environment(stage, machine)
    lines = (f"export {name}={shlex.quote(value)}\n" for name, value in told.items())
    (folder / "stage.env").write_text("".join(lines))
    print(WORDS.format(names=", ".join(f"${name}" for name in told if name.startswith("LAB_"))), flush=True)
    while True:
        signal.pause()


def environment(stage: Stage, machine: BootMachine) -> dict[str, str]:
    info = machine.driver_info
    clients = stage.plane.clients
    return {
        "OS_CLOUD": clients["OS_CLOUD"],
        "OS_CLIENT_CONFIG_FILE": clients["OS_CLIENT_CONFIG_FILE"],
        "LAB_API": _signed_in(Path(clients["OS_CLIENT_CONFIG_FILE"]), clients["OS_CLOUD"]),
        "LAB_BMC": info["redfish_address"],
        "LAB_SYSTEM": info["redfish_system_id"],
        "LAB_USER": info["redfish_username"],
        "LAB_PASSWORD": info["redfish_password"],
        "LAB_CA": info["redfish_verify_ca"],
        "LAB_MAC": machine.mac,
        "LAB_IMAGE": stage.images.url(NAME, stage.image.qcow2),
        "LAB_CHECKSUM": stage.image.sha256(stage.image.qcow2),
        "LAB_CONSOLE": str(machine.console_file),
    }


def _signed_in(clouds: Path, cloud: str) -> str:
    """The API's URL with name and password in it: for curl, which reads no clouds.yaml."""
    told = json.loads(clouds.read_text())["clouds"][cloud]["auth"]
    scheme, _, place = told["endpoint"].partition("://")
    return f"{scheme}://{told['username']}:{told['password']}@{place}"
