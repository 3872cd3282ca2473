"""A QEMU machine with a Redfish BMC, for the power verbs: it starts from a disk within a second."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree  # only XML that our own libvirtd wrote is read

from steelyard_lab.console import Console
from steelyard_lab.hypervisor import Hypervisor
from steelyard_lab.processes import run

DOMAIN = "steelyard-lab-redfish"
DOMAIN_XML = """<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/><bios useserial='yes'/></os>
  <features><acpi/></features>
  <on_reboot>restart</on_reboot>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/><source file='{disk}'/><target dev='hda' bus='ide'/>
    </disk>
    <interface type='user'><model type='virtio'/></interface>
    <serial type='file'><source path='{console}' append='on'/><target port='0'/></serial>
    <video><model type='none'/></video>
    <memballoon model='none'/>
  </devices>
</domain>
"""


class RedfishMachine:
    name = "redfish"
    driver = "redfish"
    api_can_read_boot_device = True

    def __init__(self, folder: Path, hypervisor: Hypervisor, system: uuid.UUID) -> None:
        self.console = Console(folder / "console.log")
        self.driver_info = hypervisor.driver_info(system)
        self._hypervisor = hypervisor

    def qemu_pid(self) -> int | None:
        return self._hypervisor.qemu_pid(DOMAIN)

    def boot_device(self) -> str:
        """What libvirt will try first: the device with boot order 1, or the first word of `<os>`."""
        domain = ElementTree.fromstring(run(["virsh", "-q", "dumpxml", "--inactive", DOMAIN]))  # noqa: S314
        if domain.find("./devices/interface/boot[@order='1']") is not None:
            return "pxe"
        if domain.find("./devices/disk/boot[@order='1']") is not None:
            return "disk"
        first = domain.find("./os/boot")
        word = first.get("dev", "") if first is not None else ""
        return {"network": "pxe", "hd": "disk"}.get(word, word)


@contextmanager
def redfish_machine(folder: Path, disk: Path, hypervisor: Hypervisor) -> Iterator[RedfishMachine]:
    """Defines the machine, which is off until somebody switches it on; off again at the end."""
    machine = RedfishMachine(folder, hypervisor, system := uuid.uuid4())
    hypervisor.define(DOMAIN, DOMAIN_XML.format(name=DOMAIN, uuid=system, disk=disk, console=machine.console.path))
    try:
        yield machine
    finally:
        hypervisor.switch_off(DOMAIN)
