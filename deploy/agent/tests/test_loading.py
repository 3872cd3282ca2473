"""Loading and starting, with programs that stand for the ramdisk's: no test may start another kernel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from steelyard_agent import loading, starting
from steelyard_agent.entry import CannotStart
from steelyard_agent.starting import Start

from deploy.agent.tests.configurations import written
from deploy.agent.tests.disks import ESP, ROOT

DEADLINE_S = 20.0
# Each program writes what it was asked into one file; `mount` shows a folder of the same name as the device.
LSBLK = (
    'echo "/dev/vda disk"; echo "/dev/vda1 part"; echo "/dev/vda2 part"; echo "/dev/vda3 part"; echo "/dev/vg-a lvm"'
)
BLKID = f"""for device; do :; done
case $device in
*1) printf 'UUID={ESP}\\nLABEL=EFI\\\\ x\\nTYPE=vfat\\nPART_ENTRY_SCHEME=gpt\\nPART_ENTRY_NUMBER=1\\n' ;;
*2) printf 'UUID={ROOT}\\nTYPE=ext4\\nPART_ENTRY_SCHEME=gpt\\nPART_ENTRY_NUMBER=2\\n' ;;
*3) printf 'TYPE=LVM2_member\\n' ;;
*) exit 2 ;;
esac"""
MOUNT = 'for place; do from=$device; device=$place; done; cp -r "$HOME/disk/${from##*/}/." "$place"'
UMOUNT = 'for place; do :; done; rm -r "$place" && mkdir "$place"'
KEXEC = """case $1 in --load) for word; do case $word in --initrd=*) cp "${word#*=}" "$HOME/initrd" ;; esac; done
cp "$word" "$HOME/kernel" && echo 1 >"$HOME/loaded" ;; esac"""

Machine = Callable[..., Path]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    def make(**programs: str) -> Path:
        home, bin_folder = tmp_path, tmp_path / "bin"
        bin_folder.mkdir()
        usual = {"lsblk": LSBLK, "blkid": BLKID, "mount": MOUNT, "umount": UMOUNT, "kexec": KEXEC, "reboot": "true"}
        for name, script in (usual | programs).items():
            file = bin_folder / name
            file.write_text(f'#!/bin/sh\necho "{name} $*" >>"$HOME/calls"\n{script}\n')
            file.chmod(0o755)
        for part in ("vda1", "vda2"):
            (home / "disk" / part).mkdir(parents=True)
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setenv("PATH", f"{bin_folder}:/usr/bin:/bin")
        monkeypatch.setattr(loading, "LOADED", home / "loaded")
        monkeypatch.setattr(loading, "LOCKDOWN", home / "lockdown")
        return home

    return make


def write(home: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        file = home / "disk" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)


def with_debian(home: Path) -> Path:
    write(home, {
        "vda1/EFI/debian/grub.cfg": written("debian-stub.cfg"),
        "vda2/boot/grub/grub.cfg": written("debian-grub.cfg", DEFAULT="1>gnulinux-9"),
        "vda2/boot/vmlinuz-6.1.0-9-amd64": "kernel",
        "vda2/boot/initrd.img-6.1.0-9-amd64": "initrd",
        "vda2/boot/microcode.cpio": "micro",
    })  # fmt: skip
    return home


def calls(home: Path) -> list[str]:
    return (home / "calls").read_text().splitlines()


def test_the_default_entry_is_loaded_and_nothing_stays_mounted(machine: Machine) -> None:
    home = with_debian(machine())

    told = loading.load("/dev/vda")

    assert told == {
        "loader": "GRUB",
        "kernel": "/dev/vda2:/boot/vmlinuz-6.1.0-9-amd64",
        "initrd": "/dev/vda2:/boot/microcode.cpio, /dev/vda2:/boot/initrd.img-6.1.0-9-amd64",
        "arguments": f"BOOT_IMAGE=/boot/vmlinuz-6.1.0-9-amd64 root=UUID={ROOT} ro old=yes",
    }
    assert (home / "kernel").read_text() == "kernel"
    assert (home / "initrd").read_bytes() == b"micro\0\0\0initrd\0\0"
    mounts, unmounts = ([each for each in calls(home) if each.startswith(name)] for name in ("mount", "umount"))
    assert [each.rpartition("/")[2] for each in unmounts] == ["vda2", "vda1"]
    assert "-t vfat -o ro,nosuid,nodev,noexec /dev/vda1" in mounts[0]
    assert "-t ext4 -o ro,noload,nosuid,nodev,noexec /dev/vda2" in mounts[1]


def test_what_else_is_on_the_disk_is_told_when_nothing_was_found(machine: Machine) -> None:
    home = machine()

    with pytest.raises(CannotStart, match=r"no configuration of GRUB.*; /dev/vda3 is a physical volume of LVM"):
        loading.load("/dev/vda")

    assert sum(each.startswith("umount") for each in calls(home)) == 2
    assert not any(each.startswith("kexec") for each in calls(home))


def test_a_file_system_that_the_ramdisk_does_not_know_hides_only_itself(machine: Machine) -> None:
    script = f'case "$*" in *vfat*) echo "unknown filesystem type" >&2; exit 32 ;; esac; {MOUNT}'
    home = with_debian(machine(mount=script))

    assert loading.load("/dev/vda")["loader"] == "GRUB"

    (home / "disk/vda2/boot/grub/grub.cfg").unlink()
    with pytest.raises(CannotStart, match=r"/dev/vda1 \(vfat\) cannot be mounted here: mount: unknown filesystem type"):
        loading.load("/dev/vda")


@pytest.mark.parametrize(("lockdown", "why"), [
    ("none [integrity] confidentiality", "Operation not permitted; this ramdisk's kernel is locked down"),
    ("[none] integrity confidentiality", "Operation not permitted$"),
])  # fmt: skip
def test_a_kernel_that_may_not_be_loaded_is_an_error_with_words(machine: Machine, lockdown: str, why: str) -> None:
    home = with_debian(machine(kexec='echo "kexec_load failed: Operation not permitted" >&2; exit 255'))
    (home / "lockdown").write_text(lockdown)

    with pytest.raises(CannotStart, match=why):
        loading.load("/dev/vda")

    assert sum(each.startswith("umount") for each in calls(home)) == 2


def test_what_cannot_be_unmounted_hides_no_other_reason(machine: Machine) -> None:
    home = machine(umount="echo target is busy >&2; exit 32")

    with pytest.raises(CannotStart, match="no configuration of GRUB"):
        loading.load("/dev/vda")

    assert sum(each.startswith("umount --lazy") for each in calls(home)) == 2


def test_a_program_that_hangs_is_given_up(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    with_debian(machine(kexec="exec sleep 600"))
    monkeypatch.setattr(loading, "LOAD_S", 0.2)

    with pytest.raises(CannotStart, match=r"cannot be loaded: kexec was not done after 0\.2 s"):
        loading.load("/dev/vda")


def test_a_ramdisk_without_the_program_or_with_loading_forbidden_cannot(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    home = machine()
    monkeypatch.setattr(loading, "LOADING_DISABLED", home / "disabled")
    assert not loading.can_kexec()  # this kernel knows no kexec

    (home / "loaded").write_text("0\n")
    assert loading.can_kexec()

    (home / "disabled").write_text("1\n")
    assert not loading.can_kexec()

    (home / "disabled").write_text("0\n")
    (home / "bin/kexec").unlink()
    monkeypatch.setenv("PATH", str(home / "bin"))
    assert not loading.can_kexec()


def test_what_is_loaded_is_started_once_however_often_it_is_asked_for(machine: Machine) -> None:
    home = with_debian(machine())
    loading.load("/dev/vda")
    start = Start(delay_s=0.1)

    start.ask()
    start.ask()
    start.wait(DEADLINE_S)

    assert calls(home)[-2:] == ["kexec --exec", "reboot -f"]  # this one came back


def test_nothing_is_started_where_nothing_is_loaded(machine: Machine) -> None:
    home = machine()
    (home / "loaded").write_text("0\n")

    with pytest.raises(CannotStart, match="run the deploy step kexec_instance first"):
        Start().ask()


def test_the_answer_goes_out_before_the_machine_does() -> None:
    assert starting.DELAY_S >= 1
