"""What GRUB would start, from the configurations that distributions write."""

from __future__ import annotations

from pathlib import Path

import pytest
from steelyard_agent.entry import CannotStart, Entry
from steelyard_agent.grub import default_entry
from steelyard_agent.volumes import Volume

from deploy.agent.tests.configurations import bls_entry, grubenv, written
from deploy.agent.tests.disks import BOOT, ESP, ROOT, volume, volumes

DEBIAN_FILES = {
    f"boot/{name}": name
    for name in (
        "vmlinuz-6.1.0-28-amd64", "initrd.img-6.1.0-28-amd64", "vmlinuz-6.1.0-9-amd64", "initrd.img-6.1.0-9-amd64",
        "microcode.cpio",
    )
}  # fmt: skip


def debian(place: Path, default: str = "0", **environment: str) -> Volume:
    files = {"boot/grub/grub.cfg": written("debian-grub.cfg", DEFAULT=default), **DEBIAN_FILES}
    return volume(place, 2, ROOT, files | ({"boot/grub/grubenv": grubenv(**environment)} if environment else {}))


def rhel(place: Path, versions: tuple[str, ...] = ("5.14.0-427.el9", "5.14.0-70.el9"), **environment: str) -> Volume:
    """A /boot of its own."""
    files = {"grub2/grub.cfg": written("rhel-grub.cfg"), "grub2/grubenv": grubenv(**environment)}
    for each in versions:
        files |= {
            f"loader/entries/0123abcd-{each}.conf": bls_entry(each),
            f"vmlinuz-{each}": "",
            f"initramfs-{each}.img": "",
        }
    return volume(place, 2, BOOT, files)


def started(*disk: Volume, is_efi: bool = False) -> Entry:
    entry = default_entry(volumes(*disk), is_efi=is_efi)
    assert entry is not None
    return entry


def test_debians_first_entry_starts_its_kernel_with_its_ramdisk_and_arguments(tmp_path: Path) -> None:
    entry = started(debian(tmp_path))

    assert entry.kernel.name == "/dev/vda2:/boot/vmlinuz-6.1.0-28-amd64"
    assert entry.kernel.path.read_text() == "vmlinuz-6.1.0-28-amd64"
    assert [each.name for each in entry.initrds] == ["/dev/vda2:/boot/initrd.img-6.1.0-28-amd64"]
    assert entry.arguments == (
        f"BOOT_IMAGE=/boot/vmlinuz-6.1.0-28-amd64 root=UUID={ROOT} ro console=tty0 console=ttyS0,115200 quiet"
    )


@pytest.mark.parametrize("default", [
    "1>1", "1>gnulinux-9", f"gnulinux-advanced-{ROOT}>gnulinux-9",
    "Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux 6.1.0-9-amd64",
])  # fmt: skip
def test_an_entry_in_a_submenu_is_chosen_by_number_id_or_title(tmp_path: Path, default: str) -> None:
    entry = started(debian(tmp_path, default))

    assert entry.arguments.endswith("old=yes")
    assert [each.path.name for each in entry.initrds] == ["microcode.cpio", "initrd.img-6.1.0-9-amd64"]


def test_a_saved_entry_comes_from_the_environment_block(tmp_path: Path) -> None:
    entry = started(debian(tmp_path, "${saved_entry}", saved_entry="1>gnulinux-9"))

    assert entry.arguments.endswith("old=yes")


def test_the_entry_that_is_to_be_next_comes_before_the_default(tmp_path: Path) -> None:
    assert started(debian(tmp_path, "0", next_entry="1>1")).arguments.endswith("old=yes")


def test_a_default_that_is_not_there_is_the_first_entry(tmp_path: Path) -> None:
    assert "28" in started(debian(tmp_path, "no such entry")).kernel.name


def test_the_file_beside_the_efi_loader_leads_to_the_right_one_of_two_systems(tmp_path: Path) -> None:
    other = volume(tmp_path, 3, "other", {"boot/grub/grub.cfg": "menuentry x { linux /vmlinuz }", "vmlinuz": ""})
    esp = volume(tmp_path, 1, ESP, {"EFI/debian/grub.cfg": written("debian-stub.cfg"), "EFI/debian/grubx64.efi": "MZ"})

    assert started(esp, other, debian(tmp_path), is_efi=True).kernel.name.startswith("/dev/vda2:")


def test_entries_of_the_boot_loader_specification_start_the_newest_kernel(tmp_path: Path) -> None:
    entry = started(rhel(tmp_path))

    assert entry.kernel.name == "/dev/vda2:/vmlinuz-5.14.0-427.el9"
    assert [each.path.name for each in entry.initrds] == ["initramfs-5.14.0-427.el9.img"]
    assert entry.arguments == f"root=UUID={ROOT} ro crashkernel=auto"


def test_the_environment_block_names_the_entry_and_holds_the_arguments(tmp_path: Path) -> None:
    esp = volume(tmp_path, 1, ESP, {"EFI/redhat/grub.cfg": written("rhel-stub.cfg")})
    disk = rhel(
        tmp_path, saved_entry="0123abcd-5.14.0-70.el9", kernelopts="root=/dev/mapper/rhel-root ro rd.lvm.lv=rhel/root"
    )

    entry = started(esp, disk, is_efi=True)

    assert entry.kernel.path.name == "vmlinuz-5.14.0-70.el9"
    assert entry.arguments == "root=/dev/mapper/rhel-root ro rd.lvm.lv=rhel/root"


def test_a_failed_boot_counted_down_to_nothing_takes_the_second_entry(tmp_path: Path) -> None:
    entry = started(rhel(tmp_path, boot_counter="0", boot_success="0"))

    assert entry.kernel.path.name == "vmlinuz-5.14.0-70.el9"


def test_a_configuration_without_a_menu_starts_what_it_loads(tmp_path: Path) -> None:
    script = """
        set args="a b"
        for each in 1 2; do args="$args $each"; done
        linux ($root)/vmlinuz $args "c d"; initrd /i
        boot
    """

    entry = started(volume(tmp_path, 1, ROOT, {"grub/grub.cfg": script, "vmlinuz": "", "i": ""}))

    assert entry.arguments == 'BOOT_IMAGE=/vmlinuz a b 1 2 "c d"'


@pytest.mark.parametrize(("script", "why"), [
    ("menuentry Windows { chainloader +1 }", "starts another boot loader"),
    ("menuentry Xen { multiboot2 /xen.gz }", "a multiboot kernel"),
    ("menuentry Linux { linux /gone }", "names /gone, which is not on /dev/vda1"),
    ("menuentry Linux { set root=lvm/vg-root; linux /vmlinuz }", r"on a volume \(lvm/vg-root\) that is not here"),
    ("menuentry Nothing { reboot }", "starts no Linux kernel"),
    ("if true; then menuentry x { linux /v }", "'fi' is missing"),
    ('menuentry "x { linux /v }', "never closed"),
    ("while true; do a=1; done", "runs without end"),
    ('a=xx; while true; do a="$a$a"; done', "grows without end"),
    ("configfile /grub/grub.cfg", "calls itself without end"),
    ("menuentry x { " * 60, "nested too deeply"),
])  # fmt: skip
def test_what_cannot_be_started_is_refused_with_words(tmp_path: Path, script: str, why: str) -> None:
    with pytest.raises(CannotStart, match=why):
        started(volume(tmp_path, 1, ROOT, {"grub/grub.cfg": script}))


def test_a_configuration_that_leads_nowhere_is_passed_over(tmp_path: Path) -> None:
    esp = volume(tmp_path, 1, ESP, {"EFI/debian/grub.cfg": written("debian-stub.cfg", ROOT="gone")})

    assert default_entry(volumes(esp), is_efi=True) is None
    assert started(esp, debian(tmp_path), is_efi=True).kernel.name.startswith("/dev/vda2:")
