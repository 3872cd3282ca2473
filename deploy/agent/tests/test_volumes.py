"""File systems as boot loaders see them, and versions as they compare them."""

from __future__ import annotations

from pathlib import Path

import pytest
from steelyard_agent.entry import CannotStart
from steelyard_agent.versions import compare
from steelyard_agent.volumes import CONFIGURATION_BYTES, Volumes

from deploy.agent.tests.disks import ROOT, volume


@pytest.mark.parametrize(
    "target", ["vmlinuz-6.1", "/boot/vmlinuz-6.1", "../../../../boot/vmlinuz-6.1", "../boot/vmlinuz-6.1"]
)
def test_links_are_followed_as_the_instance_would(tmp_path: Path, target: str) -> None:
    disk = volume(tmp_path, 1, ROOT, {"boot/vmlinuz-6.1": "its own"})
    (disk.root / "boot/vmlinuz").symlink_to(target)

    found = disk.file("/boot/vmlinuz")

    assert found is not None
    assert found.path.read_text() == "its own"


@pytest.mark.parametrize("name", ["/../../secret", "link", "folder/link", "loop", "gone/link", "a\0b"])
def test_no_name_and_no_link_leads_out_of_the_volume(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("the ramdisk's own")
    disk = volume(tmp_path, 1, ROOT, {"folder/file": ""})
    (disk.root / "link").symlink_to(tmp_path / "secret")
    (disk.root / "folder/link").symlink_to("../../secret")
    (disk.root / "loop").symlink_to("loop")

    assert disk.file(name) is None


def test_a_configuration_of_senseless_size_is_refused(tmp_path: Path) -> None:
    disk = volume(tmp_path, 1, ROOT, {"grub.cfg": "#" * (CONFIGURATION_BYTES + 1)})

    with pytest.raises(CannotStart, match="too long"):
        disk.text("grub.cfg")


@pytest.mark.parametrize(("name", "number"), [
    ("hd0,gpt2", 2), ("(hd1,msdos1)", 1), ("hd0,2", 2), ("hd0", None), ("lvm/a", None), ("", None), ("hd0,gpt7", None),
])  # fmt: skip
def test_grubs_names_of_partitions(tmp_path: Path, name: str, number: int | None) -> None:
    disk = Volumes([volume(tmp_path, each, str(each), {}) for each in (1, 2)])

    found = disk.by_grub_name(name)

    assert (found.number if found else None) == number


@pytest.mark.parametrize(("older", "newer"), [
    ("1", "2"), ("9", "10"), ("1.2", "1.10"), ("1.2~rc1", "1.2"), ("1.2", "1.2-1"), ("1.2-1", "1.2.1"),
    ("1.2^git", "1.2.1"), ("1.a", "1.1"), ("1.0a", "1.0b"),
    ("5.14.0-70.el9", "5.14.0-427.el9"), ("", "1"), ("a", "ab"), ("1.2", "1.2a"),
    ("0123-6.9.4", "0123-6.10.1"), ("~", ""),
])  # fmt: skip
def test_versions_are_in_the_specifications_order(older: str, newer: str) -> None:
    assert compare(older, newer) < 0 < compare(newer, older)


@pytest.mark.parametrize(("one", "other"), [("1.0", "1.0"), ("1_0", "10"), ("01", "1"), ("", "")])
def test_versions_that_are_the_same(one: str, other: str) -> None:
    assert compare(one, other) == 0
