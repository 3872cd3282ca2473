"""SYSLINUX and EXTLINUX."""

from __future__ import annotations

from pathlib import Path

import pytest
from steelyard_agent.entry import CannotStart, Entry
from steelyard_agent.syslinux import default_entry

from deploy.agent.tests.configurations import written
from deploy.agent.tests.disks import ROOT, volume, volumes


def started(place: Path, config: str, name: str = "syslinux.cfg", **more: str) -> Entry | None:
    files = dict.fromkeys(
        ("vmlinuz", "initrd.img", "boot/vmlinuz-linux", "boot/initramfs-linux.img", "boot/intel-ucode.img"), ""
    )
    return default_entry(volumes(volume(place, 1, ROOT, files | {name: config} | more)))


def test_the_default_label_starts_with_its_ramdisks_in_order(tmp_path: Path) -> None:
    entry = started(tmp_path, written("syslinux.cfg"), "boot/syslinux/syslinux.cfg")

    assert entry is not None
    assert entry.kernel.path == tmp_path / "vda1/boot/vmlinuz-linux"
    assert [each.path.name for each in entry.initrds] == ["intel-ucode.img", "initramfs-linux.img"]
    assert entry.arguments == "root=/dev/vda1 rw console=ttyS0"


def test_a_ramdisk_among_the_arguments_is_none_of_them(tmp_path: Path) -> None:
    entry = started(tmp_path, written("extlinux.conf"), "boot/extlinux/extlinux.conf")

    assert entry is not None
    assert ([each.path.name for each in entry.initrds], entry.arguments) == (["initrd.img"], "root=LABEL=root ro")


@pytest.mark.parametrize(("config", "arguments"), [
    ("DEFAULT a\nLABEL a\nLINUX /vmlinuz\nAPPEND 1\nLABEL b\nMENU DEFAULT\nLINUX /vmlinuz\nAPPEND 2", "2"),
    ("DEFAULT vesamenu.c32\nLABEL a\nLINUX /vmlinuz\nAPPEND 1", "1"),
    ("DEFAULT /vmlinuz a=1 b=2", "a=1 b=2"),
    ("APPEND all=1\nDEFAULT a\nLABEL a\nLINUX /vmlinuz", "all=1"),
    ("APPEND all=1\nDEFAULT a\nLABEL a\nLINUX /vmlinuz\nAPPEND -", ""),
    ("INCLUDE more.cfg\nDEFAULT b", "3"),
])  # fmt: skip
def test_which_label_starts_with_what(tmp_path: Path, config: str, arguments: str) -> None:
    entry = started(tmp_path, config, **{"more.cfg": "LABEL b\nLINUX /vmlinuz\nAPPEND 3"})

    assert entry is not None
    assert entry.arguments == arguments


@pytest.mark.parametrize(("config", "why"), [
    ("DEFAULT a\nLABEL a\nCOM32 chain.c32 hd0", "starts com32 chain.c32 hd0"),
    ("DEFAULT a\nLABEL a\nLOCALBOOT 0", "starts localboot 0"),
    ("DEFAULT a\nLABEL a\nKERNEL memdisk.bin", "starts memdisk.bin"),
    ("DEFAULT a\nLABEL a\nLINUX /gone", "names /gone"),
    ("INCLUDE syslinux.cfg", "includes itself without end"),
    ("PROMPT 0", "starts nothing"),
])  # fmt: skip
def test_what_cannot_be_started_is_refused_with_words(tmp_path: Path, config: str, why: str) -> None:
    with pytest.raises(CannotStart, match=why):
        started(tmp_path, config)


def test_a_disk_without_its_configuration_is_none_of_its(tmp_path: Path) -> None:
    assert started(tmp_path, "", "other.cfg") is None
