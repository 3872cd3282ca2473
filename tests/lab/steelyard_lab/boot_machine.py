"""Machines that boot over the network or from virtual media: memory for the agent, real firmware, small disks."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from steelyard_lab.hypervisor import SECURED_CODE, VARIABLES, Hypervisor
from steelyard_lab.lan import BRIDGE
from steelyard_lab.processes import run, wait_until

UEFI, BIOS = "uefi", "bios"
MEMORY_MIB = 1536
CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
FIRMWARE = {
    BIOS: "<os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/><bios useserial='yes'/></os>",
    UEFI: """<os><type arch='x86_64' machine='q35'>hvm</type>
    <loader readonly='yes' type='pflash'>{code}</loader>
    <nvram template='{variables}'>{folder}/nvram.fd</nvram><boot dev='hd'/></os>""",
}
# What the firmware would try first, for a minute each: where HTTP boot is wanted, or IPv6.
PXE = "<entry name='opt/org.tianocore/IPv{}PXESupport'>no</entry>"
WITHOUT = "<sysinfo type='fwcfg'>{}</sysinfo>"
DISK = """<disk type='file' device='disk'><driver name='qemu' type='raw' cache='unsafe'/>
      <source file='{file}'/><target dev='{target}' bus='virtio'/><serial>{serial}</serial></disk>"""
DOMAIN = """<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>{memory}</memory>
  <vcpu>1</vcpu>
  {extra}
  {firmware}
  <features><acpi/>{features}</features>
  <cpu mode='maximum'/>
  <on_reboot>restart</on_reboot>
  <devices>
    {disks}
    <interface type='bridge'>
      <source bridge='{bridge}'/><mac address='{mac}'/><model type='virtio'/>{rom}
    </interface>
    <serial type='file'><source path='{console}' append='on'/><target port='0'/></serial>
    <video><model type='none'/></video>
    <memballoon model='none'/>
  </devices>
</domain>
"""


@dataclass(frozen=True, kw_only=True)
class Firmware:
    """``boots_by_http``: UEFI's own HTTP client, not PXE; ``boots_by_ipv6``: not by IPv4. A BIOS machine has iPXE in
    its NIC, a UEFI one does not. ``is_secured``: has secure boot, which is off when the machine is new."""

    mode: str = BIOS
    boots_by_http: bool = False
    boots_by_ipv6: bool = False
    is_secured: bool = False

    def settings(self) -> str:
        """What the firmware is told."""
        without = (4, 6) if self.boots_by_http else (4,) if self.boots_by_ipv6 else ()
        return WITHOUT.format("".join(PXE.format(version) for version in without)) if without else ""


class BootMachine:
    """Defined and switched off. ``disks``: raw files, by the serial numbers that the machine sees."""

    def __init__(
        self, name: str, number: int, firmware: Firmware, disks_mib: Sequence[int], folder: Path, hypervisor: Hypervisor
    ) -> None:  # fmt: skip
        self.name, self.mac = name, f"52:54:00:00:02:{number:02x}"
        self.address = f"192.0.2.{10 + number}"  # where it is given a static one
        self.console_file = folder / "console.log"
        self._firmware, self._folder, self._hypervisor = firmware, folder, hypervisor
        self._system = uuid.uuid4()
        self.driver_info = hypervisor.driver_info(self._system)
        self.disks = {f"{name}-{each}": folder / f"disk{each}.img" for each in range(len(disks_mib))}
        for file, size in zip(self.disks.values(), disks_mib, strict=True):
            with file.open("wb") as disk:
                disk.truncate(size << 20)
        self._define()

    def switch_off(self) -> None:
        self._hypervisor.switch_off(self.name)

    def said(self, since: int = 0) -> str:
        """What came over the serial port, from this byte on."""
        if not self.console_file.exists():
            return ""
        with self.console_file.open("rb") as file:
            file.seek(since)
            return file.read().decode(errors="replace")

    def mark(self) -> int:
        """The byte of the console from which on all is new."""
        return self.console_file.stat().st_size if self.console_file.exists() else 0

    def last_said_at(self) -> float:
        """When it last wrote something, in seconds since 1970. Errors: OSError, if it never did."""
        return self.console_file.stat().st_mtime

    def qemu_pid(self) -> int | None:
        """The process that it is since it was last switched on."""
        return self._hypervisor.qemu_pid(self.name)

    def wait_said(self, words: str, since: int, timeout_s: float) -> None:
        what = f"{self.name} says {words!r} on its serial console"
        wait_until(lambda: words in self.said(since), what, timeout_s=timeout_s, every_s=0.5)

    def pull_disk(self) -> str:
        """Takes the first disk out, for good; the machine is off. → its serial number"""
        serial = next(iter(self.disks))
        run(["virsh", "-q", "detach-disk", self.name, self.disks[serial], "--config"])
        return serial

    def _define(self) -> None:
        is_uefi = self._firmware.mode == UEFI
        disks = [
            DISK.format(file=file, target=f"vd{'abcd'[each]}", serial=serial)
            for each, (serial, file) in enumerate(self.disks.items())
        ]
        self._hypervisor.define(
            self.name,
            DOMAIN.format(
                name=self.name, uuid=self._system, memory=MEMORY_MIB, mac=self.mac, bridge=BRIDGE,
                console=self.console_file, disks="\n    ".join(disks), rom="<rom enabled='no'/>" if is_uefi else "",
                features="<smm state='on'/>" if self._firmware.is_secured else "",
                firmware=FIRMWARE[self._firmware.mode].format(
                    folder=self._folder, code=SECURED_CODE if self._firmware.is_secured else CODE, variables=VARIABLES
                ),
                extra=self._firmware.settings(),
            ),
        )  # fmt: skip
