"""The chassis behind ipmi_sim: it asks `get power`, or `set power 1`, and this program does it to QEMU.

ipmi_sim calls `<program> get|set <parameter> [value] …` (its `chassis_control` hook; words and values as in OpenIPMI's
lanserv); the program puts the state folder in front. Answers go to standard output as `parameter:value`; so do errors.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from steelyard_lab import qmp
from steelyard_lab.failure import LabError
from steelyard_lab.processes import wait_until

BOOT_ORDER = {"pxe": "n", "cdrom": "d", "default": "c", "none": "c", "bios": "c"}  # ipmi_sim's word → QEMU's letter
STOPS_WITHIN_S = 10


class Chassis:
    """One machine; what must outlive a call stands in its folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "qmp.sock"
        self._boot = folder / "boot"

    def get(self, parameter: str) -> str:
        readers: dict[str, Callable[[], str]] = {
            "power": lambda: str(int(qmp.is_listening(self._socket))),
            "boot": self._boot_device,
        }
        if parameter not in readers:
            raise LabError(f"cannot get {parameter}")
        return readers[parameter]()

    def set(self, parameter: str, value: str) -> None:
        setters: dict[str, Callable[[str], None]] = {
            "power": lambda value: self._on() if value == "1" else self._off(),
            "reset": lambda value: self._reset(),
            "shutdown": lambda value: self._if_on("system_powerdown"),
            "boot": self._set_boot_device,
        }
        if parameter not in setters:
            raise LabError(f"cannot set {parameter}")
        setters[parameter](value)

    def _boot_device(self) -> str:
        return self._boot.read_text() if self._boot.exists() else "default"

    def _set_boot_device(self, device: str) -> None:
        if device not in BOOT_ORDER:
            raise LabError(f"cannot boot from {device}")
        self._boot.write_text(device)

    def _on(self) -> None:
        if not qmp.is_listening(self._socket):
            command = json.loads((self._folder / "qemu.json").read_text())
            subprocess.run([*command, "-boot", f"order={BOOT_ORDER[self._boot_device()]}"], check=True)

    def _off(self) -> None:
        self._if_on("quit")
        wait_until(lambda: not qmp.is_listening(self._socket), "QEMU ends", timeout_s=STOPS_WITHIN_S)

    def _reset(self) -> None:
        order = BOOT_ORDER[self._boot_device()]
        self._if_on("human-monitor-command", **{"command-line": f"boot_set {order}"})
        self._if_on("system_reset")

    def _if_on(self, command: str, **arguments: str) -> None:
        if qmp.is_listening(self._socket):
            qmp.execute(self._socket, command, **arguments)


def main(folder: str, verb: str, *words: str) -> int:
    chassis = Chassis(Path(folder))
    try:
        if verb == "get":
            for parameter in words:
                print(f"{parameter}:{chassis.get(parameter)}")
        else:
            for parameter, value in zip(words[::2], words[1::2], strict=True):
                chassis.set(parameter, value)
    except (LabError, OSError, subprocess.SubprocessError) as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
