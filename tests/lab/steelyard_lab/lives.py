"""The table of lives: how a machine boots, what is deployed on it, what else is done with it."""

from __future__ import annotations

from steelyard_lab.boot_machine import BIOS, UEFI, Firmware
from steelyard_lab.life import Life
from steelyard_lab.loaders import HTTP_GRUB

PXE_BIOS, PXE_UEFI = Firmware(mode=BIOS), Firmware(mode=UEFI)
HTTP_UEFI = Firmware(mode=UEFI, boots_by_http=True)
FROM_MEMORY = ("--deploy-interface", "ramdisk")

# Long ones first: two are lived at a time.
LIVES = (
    Life(name="bios-ipxe", firmware=PXE_BIOS, boot="ipxe", steps=("provide", "deploy", "undeploy")),
    Life(
        name="uefi-ipxe", firmware=PXE_UEFI, boot="ipxe", options=("--rescue-interface", "agent"),
        steps=("provide", "deploy kill boot", "rescue", "unrescue"),
    ),
    Life(
        name="uefi-raid", firmware=PXE_UEFI, boot="ipxe", disks=2, disk_mib=1024,
        options=("--raid-interface", "agent"), steps=("raid", "provide", "deploy", "pull disk"),
    ),
    Life(name="uefi-kexec", firmware=PXE_UEFI, boot="ipxe", steps=("provide", "deploy", "rebuild by kexec")),
    Life(name="uefi-http", firmware=HTTP_UEFI, boot="http-ipxe", steps=("provide", "deploy kill inventory")),
    Life(
        name="uefi-media", firmware=PXE_UEFI, boot="redfish-virtual-media", is_static=True,
        steps=("erase metadata", "provide", "deploy"),
    ),
    Life(
        name="uefi-reverse", firmware=PXE_UEFI, boot="redfish-virtual-media", is_static=True,
        driver_info={"agent_direction": "reverse"}, steps=("cut off", "provide", "deploy"),
    ),
    Life(
        name="bios-volume", firmware=PXE_BIOS, boot="ipxe", disks=0,
        options=("--storage-interface", "external"), steps=("provide", "volume"),
    ),
    Life(
        name="bios-memory", firmware=PXE_BIOS, boot="ipxe", disks=0, options=FROM_MEMORY,
        steps=("provide", "ramdisk"),
    ),
    Life(
        name="bios-pxe", firmware=PXE_BIOS, boot="pxe", disks=0, options=FROM_MEMORY, steps=("provide", "ramdisk"),
    ),
    Life(
        name="uefi-grub", firmware=PXE_UEFI, boot="pxe", disks=0, options=FROM_MEMORY, steps=("provide", "ramdisk"),
    ),
    Life(
        name="uefi-http-grub", firmware=HTTP_UEFI, boot="http", disks=0, options=FROM_MEMORY,
        driver_info={"boot_loader": HTTP_GRUB}, steps=("provide", "ramdisk"),
    ),
)  # fmt: skip
