"""Makes the file systems of a disk readable, for a moment: nothing is written, nothing stays mounted."""

from __future__ import annotations

import logging
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from steelyard_agent.entry import CannotStart
from steelyard_agent.volumes import Volume, Volumes

LOG = logging.getLogger(__name__)
PROGRAM_S = 20.0
# Not even a journal is replayed: the instance finds its disk as it was written.
OPTIONS = {
    "ext2": "ro", "ext3": "ro,noload", "ext4": "ro,noload", "xfs": "ro,norecovery,nouuid", "btrfs": "ro,norecovery",
    "f2fs": "ro,norecovery", "vfat": "ro", "erofs": "ro", "squashfs": "ro",
}  # fmt: skip
ALWAYS = "nosuid,nodev,noexec"
UNREADABLE = {
    "LVM2_member": "a physical volume of LVM", "crypto_LUKS": "encrypted (LUKS)", "zfs_member": "ZFS",
    "linux_raid_member": "a member of a software RAID", "bcache": "bcache", "BitLocker": "encrypted (BitLocker)",
}  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """``unread``: what else is on the disk and may be why nothing was found, in words."""

    volumes: Volumes
    unread: list[str] = field(default_factory=list)


def run(*words: str | Path, timeout_s: float = PROGRAM_S, expected: Sequence[int] = (0,)) -> str:
    """→ what the program wrote. Errors: CannotStart, in the program's words."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise CannotStart(f"{words[0]} was not done after {timeout_s:g} s") from error
    except OSError as error:
        raise CannotStart(f"{words[0]} could not be started: {error}") from error
    if done.returncode not in expected:
        said = " ".join((done.stderr or done.stdout).split()) or f"exit status {done.returncode}"
        raise CannotStart(f"{words[0]}: {said}")
    return done.stdout


@contextmanager
def mounted(device: str, below: Path) -> Iterator[Seen]:
    """All of the disk's file systems that hold what boot loaders read. Errors: CannotStart."""
    seen: list[Volume] = []
    unread: list[str] = []
    with ExitStack() as stack:
        for name in _block_devices(device):
            facts = _facts(name)
            kind = facts.get("TYPE", "")
            if kind in UNREADABLE:
                unread.append(f"{name} is {UNREADABLE[kind]}")
            if kind not in OPTIONS:
                continue
            try:
                seen.append(_mount(stack, name, facts, below))
            except CannotStart as error:
                unread.append(f"{name} ({kind}) cannot be mounted here: {error}")
        yield Seen(Volumes(seen), unread)


def _block_devices(device: str) -> list[str]:
    """The disk, or array, and its partitions."""
    rows = (
        line.split()
        for line in run("lsblk", "--noheadings", "--raw", "--paths", "-o", "NAME,TYPE", device).splitlines()
    )
    wanted = [name for name, kind in rows if kind in ("disk", "part", "md", "loop") or kind.startswith("raid")]
    return list(dict.fromkeys(wanted))


def _facts(name: str) -> dict[str, str]:
    """What stands on the device itself: udev may not have looked since the image was written."""
    said = run("blkid", "--probe", "--output", "export", name, expected=(0, 2))  # 2: nothing that it knows
    pairs = (line.partition("=") for line in said.splitlines())
    return {key: re.sub(r"\\(.)", r"\1", value) for key, _, value in pairs}


def _mount(stack: ExitStack, name: str, facts: dict[str, str], below: Path) -> Volume:
    place = below / Path(name).name
    place.mkdir(parents=True)
    run("mount", "-t", facts["TYPE"], "-o", f"{OPTIONS[facts['TYPE']]},{ALWAYS}", name, place)
    stack.callback(_unmount, place)
    return Volume(
        device=name,
        root=place,
        number=int(facts.get("PART_ENTRY_NUMBER", "0")),
        scheme="msdos" if facts.get("PART_ENTRY_SCHEME") == "dos" else "gpt",
        uuid=facts.get("UUID", ""),
        label=facts.get("LABEL", ""),
        partuuid=facts.get("PART_ENTRY_UUID", ""),
    )


def _unmount(place: Path) -> None:
    for words in (["umount"], ["umount", "--lazy"]):
        try:
            run(*words, place)
            return
        except CannotStart as error:
            LOG.warning("%s", error)
