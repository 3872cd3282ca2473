"""The table of lives: how a machine boots, what is deployed on it, what else is done with it."""

from __future__ import annotations

from functools import partial

from steelyard_lab.boot_machine import BIOS, UEFI, Firmware
from steelyard_lab.life import Life
from steelyard_lab.loaders import HTTP_GRUB

PXE_BIOS, PXE_UEFI = Firmware(mode=BIOS), Firmware(mode=UEFI)
HTTP_UEFI, IPV6_UEFI = Firmware(mode=UEFI, boots_by_http=True), Firmware(mode=UEFI, boots_by_ipv6=True)
SECURE_UEFI = Firmware(mode=UEFI, is_secured=True)
from_memory = partial(Life, disks=0, options=("--deploy-interface", "ramdisk"), steps=("provide", "ramdisk"))

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
        name="uefi-partition", firmware=PXE_UEFI, boot="ipxe", disk_mib=1664, steps=("provide", "deploy partition"),
    ),
    Life(
        name="bios-volume", firmware=PXE_BIOS, boot="ipxe", disks=0,
        options=("--storage-interface", "external"), steps=("provide", "volume"),
    ),
    from_memory(name="bios-memory", firmware=PXE_BIOS, boot="ipxe"),
    from_memory(name="bios-pxe", firmware=PXE_BIOS, boot="pxe", shows="Filename: pxelinux.0"),
    from_memory(name="uefi-grub", firmware=PXE_UEFI, boot="pxe", shows="Fetching Netboot Image grubx64.efi"),
    from_memory(
        name="uefi-http-grub", firmware=HTTP_UEFI, boot="http", driver_info={"boot_loader": HTTP_GRUB},
        shows="Welcome to GRUB",
    ),
    from_memory(
        name="uefi-ipv6", firmware=IPV6_UEFI, boot="ipxe", shows="Filename: http://[2001:db8:1::1]",
        steps=("leave ipv6 alone", "provide", "ramdisk"),
    ),
    from_memory(name="uefi-url", firmware=PXE_UEFI, boot="redfish-https"),
    from_memory(name="uefi-secure", firmware=SECURE_UEFI, boot="pxe", shows="lab-instance: secure boot 1"),
    from_memory(name="uefi-kea", firmware=HTTP_UEFI, boot="http-ipxe", by_kea=True),
)  # fmt: skip
