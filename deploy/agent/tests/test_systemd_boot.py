"""systemd-boot and unified kernels."""

from __future__ import annotations

from pathlib import Path

import pytest
from steelyard_agent import systemd_boot, unified
from steelyard_agent.entry import CannotStart, Entry
from steelyard_agent.finding import default_entry

from deploy.agent.tests.disks import ESP, unified_kernel, volume, volumes

LOADER = {"EFI/systemd/systemd-bootx64.efi": "MZ"}


def entry(version: str, **more: str) -> str:
    fields = {"title": "Fedora", "version": version, "linux": f"/{version}/linux", "options": f"ro v={version}"} | more
    return "# written by kernel-install\n" + "".join(
        f"{name.replace('_', '-')}\t{value}\n" for name, value in fields.items()
    )


def esp(place: Path, entries: dict[str, str], *, loader_conf: str = "", **programs: bytes) -> Entry:
    files: dict[str, str | bytes] = {f"loader/entries/{name}.conf": text for name, text in entries.items()}
    files |= {f"{version}/linux": "" for version in ("6.9.4", "6.10.1", "6.8.0")}
    files |= {f"EFI/Linux/{name}.efi": content for name, content in programs.items()}
    (place / "scratch").mkdir()
    disk = volumes(volume(place, 1, ESP, {**LOADER, **files, "loader/loader.conf": loader_conf}))
    return default_entry(disk, place / "scratch", is_efi=True)


def test_the_newest_version_starts_where_nothing_is_said(tmp_path: Path) -> None:
    found = esp(tmp_path, {each: entry(each, sort_key="fedora") for each in ("6.9.4", "6.10.1", "6.8.0")})

    assert (found.loader, found.arguments) == (systemd_boot.LOADER, "ro v=6.10.1")


def test_loader_conf_chooses_by_a_pattern(tmp_path: Path) -> None:
    entries = {f"fedora-{each}": entry(each) for each in ("6.9.4", "6.10.1")}

    assert esp(tmp_path, entries, loader_conf="timeout 3\ndefault fedora-6.9*\n").arguments == "ro v=6.9.4"


def test_a_dollar_is_itself(tmp_path: Path) -> None:
    found = esp(tmp_path, {"a": entry("6.8.0", options="ro  inst.rootpw=$6$salt$hash")})

    assert found.arguments == "ro inst.rootpw=$6$salt$hash"


def test_an_entry_whose_attempts_are_used_up_comes_last(tmp_path: Path) -> None:
    found = esp(tmp_path, {"a-6.10.1+0-3": entry("6.10.1"), "a-6.9.4+2-1": entry("6.9.4")})

    assert found.arguments == "ro v=6.9.4"


def test_an_entry_with_a_sort_key_comes_before_one_without(tmp_path: Path) -> None:
    assert esp(tmp_path, {"z": entry("6.10.1"), "a": entry("6.8.0", sort_key="x")}).arguments == "ro v=6.8.0"


def test_an_entry_for_another_architecture_is_none(tmp_path: Path) -> None:
    assert esp(tmp_path, {"b": entry("6.10.1", architecture="sparc"), "a": entry("6.8.0")}).arguments == "ro v=6.8.0"


def test_an_entry_that_starts_an_efi_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"EFI program \(/shellx64.efi\)"):
        esp(tmp_path, {"shell": "title Shell\nefi /shellx64.efi\n"})


def test_a_unified_kernel_is_taken_apart(tmp_path: Path) -> None:
    program = unified_kernel(
        osrel=b'ID=fedora\nVERSION_ID="41"\n', cmdline=b"ro  console=ttyS0\n\0", linux=b"KERNEL" * 500, initrd=b"INITRD"
    )

    found = esp(tmp_path, {}, fedora=program)

    assert found.kernel.path.read_bytes() == b"KERNEL" * 500
    assert [each.path.read_bytes() for each in found.initrds] == [b"INITRD"]
    assert found.arguments == "ro console=ttyS0"
    assert found.kernel.name == "/dev/vda1:/EFI/Linux/fedora.efi#linux"


def test_the_newest_of_unified_kernels_and_entries_starts(tmp_path: Path) -> None:
    new, old = (unified_kernel(osrel=f"ID=fedora\nVERSION_ID={each}".encode(), linux=b"K") for each in ("42", "41"))

    found = esp(tmp_path, {"a": entry("6.8.0")}, aaa=new, zzz=old)

    assert found.kernel.name.endswith("/aaa.efi#linux")


def test_a_unified_kernel_that_the_firmware_starts_comes_first(tmp_path: Path) -> None:
    program = unified_kernel(linux=b"KERNEL")
    disk = volumes(volume(tmp_path, 1, ESP, {"EFI/BOOT/BOOTX64.EFI": program, "EFI/BOOT/BOOTAA64.EFI": program,
                                             "syslinux.cfg": "DEFAULT /other"}))  # fmt: skip

    assert default_entry(disk, tmp_path, is_efi=True).loader == unified.LOADER
    with pytest.raises(CannotStart, match="/other"):
        default_entry(disk, tmp_path, is_efi=False)


@pytest.mark.parametrize("content", [b"", b"MZ", b"MZ" + bytes(200), b"#!/bin/sh\n" * 20])
def test_what_is_no_efi_program_has_no_sections(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "program"
    file.write_bytes(content)

    assert unified.sections(file) == {}


def test_a_unified_kernel_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"ends before its section \.linux does"):
        esp(tmp_path, {}, a=unified_kernel(linux=b"K" * 5000)[:-1024])


def test_a_disk_without_a_boot_loader_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="no configuration of GRUB, systemd-boot or SYSLINUX"):
        default_entry(volumes(volume(tmp_path, 1, ESP, {"data": ""})), tmp_path, is_efi=True)
