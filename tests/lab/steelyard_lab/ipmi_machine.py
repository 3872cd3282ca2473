"""A QEMU machine with an IPMI BMC: ipmi_sim on the LAN side, `ipmi-bmc-extern` on the machine's side."""

from __future__ import annotations

import json
import os
import shlex
import socket
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from steelyard_lab.console import Console
from steelyard_lab.failure import LabError
from steelyard_lab.machine import running_qemu
from steelyard_lab.processes import Daemon, free_port, run

USER, PASSWORD = "lab", "ipmi-lab-secret"
BOOT_PARAMETERS = {"Force PXE": "pxe", "Force Boot from default Hard-Drive": "disk"}  # ipmitool's words → the API's

LAN_CONFIG = """name "steelyard-lab"
set_working_mc 0x20
startlan 1
  addr 127.0.0.1 {port}
  priv_limit admin
  allowed_auths_callback none md2 md5 straight
  allowed_auths_user none md2 md5 straight
  allowed_auths_operator none md2 md5 straight
  allowed_auths_admin none md2 md5 straight
  guid {guid}
endlan
chassis_control "{chassis}"
serial 15 127.0.0.1 {machine_port} codec VM
user 1 false "" "test" user 10
user 2 true "{user}" "{password}" admin 10
"""
EMULATOR_COMMANDS = """mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
mc_enable 0x20
"""


class IpmiMachine:
    name = "ipmi"
    driver = "ipmi"
    # ipmi_sim never sets "valid" in the boot flags it gives back, so a reader that heeds the flag sees no override.
    api_can_read_boot_device = False

    def __init__(self, folder: Path, port: int) -> None:
        self.console = Console(folder / "console.log")
        self.driver_info = {
            "ipmi_address": "127.0.0.1",
            "ipmi_port": str(port),
            "ipmi_username": USER,
            "ipmi_password": PASSWORD,
        }
        self._folder = folder
        self._port = port

    def qemu_pid(self) -> int | None:
        return running_qemu(self._folder / "qemu.pid")

    def boot_device(self) -> str:
        said = self.ask("chassis", "bootparam", "get", "5")
        for words, device in BOOT_PARAMETERS.items():
            if words in said:
                return device
        raise LabError(f"the BMC says no boot device: {said}")

    def ask(self, *words: str) -> str:
        """Asks the BMC by ipmitool. Cipher suite 3 is what ipmi_sim knows."""
        login = ["-I", "lanplus", "-C", "3", "-H", "127.0.0.1", "-p", str(self._port), "-U", USER, "-P", PASSWORD]
        return run(["ipmitool", *login, *words])

    def answers(self) -> bool:
        try:
            return "Chassis Power is" in self.ask("-N", "1", "-R", "1", "chassis", "power", "status")
        except LabError:
            return False


@contextmanager
def ipmi_machine(folder: Path, disk: Path, environ: Mapping[str, str]) -> Iterator[IpmiMachine]:
    """Starts the BMC; the machine is off until somebody switches it on. Ends both."""
    port, machine_port = free_port(socket.SOCK_DGRAM), free_port()
    machine = IpmiMachine(folder, port)
    command = _qemu_command(folder, disk, machine.console.path, machine_port)
    (folder / "qemu.json").write_text(json.dumps(command))
    lan, commands = folder / "lan.conf", folder / "bmc.emu"
    chassis = _write_chassis_program(folder)
    lan.write_text(
        LAN_CONFIG.format(
            port=port, machine_port=machine_port, chassis=chassis, user=USER, password=PASSWORD, guid=uuid.uuid4().hex
        )
    )
    commands.write_text(EMULATOR_COMMANDS)
    (folder / "state").mkdir()
    arguments: list[str | Path] = ["ipmi_sim", "-c", lan, "-f", commands, "-s", folder / "state", "-n"]
    with Daemon("ipmi_sim", arguments, folder / "ipmi_sim.log", environ) as bmc:
        try:
            bmc.wait_until_ready(machine.answers, timeout_s=20)
            yield machine
        finally:
            run([chassis, "set", "power", "0"])


def _write_chassis_program(folder: Path) -> Path:
    program = folder / "chassis"
    package_home = Path(__file__).parent.parent
    words = [sys.executable, "-m", "steelyard_lab.chassis", str(folder)]
    program.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(package_home))} exec {shlex.join(words)} "$@"\n')
    os.chmod(program, 0o700)
    return program


def _qemu_command(folder: Path, disk: Path, console: Path, machine_port: int) -> list[str]:
    """QEMU's command line but for the boot order, which the chassis adds at each start. Never KVM."""
    return [
        *("qemu-system-x86_64", "-name", "steelyard-lab-ipmi", "-accel", "tcg"),
        *("-machine", "pc,graphics=off", "-vga", "none", "-display", "none", "-m", "64"),
        *("-drive", f"file={disk},format=raw,if=ide,snapshot=on"),
        *("-nic", "user,restrict=on,model=virtio-net-pci"),
        *("-chardev", f"file,id=console,path={console},append=on", "-serial", "chardev:console"),
        *("-chardev", f"socket,id=bmc,host=127.0.0.1,port={machine_port},reconnect=5"),
        *("-device", "ipmi-bmc-extern,chardev=bmc,id=bmc0", "-device", "isa-ipmi-kcs,bmc=bmc0"),
        *("-qmp", f"unix:{folder / 'qmp.sock'},server=on,wait=off"),
        *("-daemonize", "-pidfile", str(folder / "qemu.pid")),
    ]
