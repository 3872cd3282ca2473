"""What a run of GRUB's configuration has come to: variables, the menu, the kernel that is to be started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from steelyard_agent import bls
from steelyard_agent.entry import CannotStart, Entry
from steelyard_agent.grub_script import Block
from steelyard_agent.volumes import Volume, Volumes

LOADER = "GRUB"


@dataclass(frozen=True, kw_only=True)
class Item:
    """Of a menu. ``entry``: ready, from a Boot Loader Specification file; else ``block`` says how it starts."""

    title: str
    id: str = ""
    block: Block = ()
    arguments: tuple[str, ...] = ()
    entry: bls.BootEntry | None = None


@dataclass
class Grub:
    """``kernel``: where, its name there, its arguments."""

    volumes: Volumes
    variables: dict[str, str]
    functions: dict[str, Block] = field(default_factory=dict)
    menu: list[Item] = field(default_factory=list)
    kernel: tuple[Volume, str, str] | None = None
    initrds: list[tuple[Volume, str]] = field(default_factory=list)

    def value(self, name: str) -> str:
        return self.variables.get(name, "")

    def where(self, name: str) -> tuple[Volume, str] | None:
        """``(hd0,gpt2)/file``, or ``/file`` on ``$root``. None, if there is no such volume."""
        device = self.value("root")
        if name.startswith("(") and ")" in name:
            device, name = name[1:].split(")", 1)
        volume = self.volumes.by_grub_name(device)
        return (volume, name) if volume else None

    def text(self, name: str) -> str | None:
        """None, if there is no such file."""
        found = self.where(name)
        return found[0].text(found[1]) if found else None

    def needed(self, name: str) -> tuple[Volume, str]:
        """Errors: CannotStart."""
        found = self.where(name)
        if found is None:
            raise CannotStart(f"GRUB's default entry names {name}, on a volume ({self.value('root')}) that is not here")
        return found

    def entry(self) -> Entry:
        """Errors: CannotStart."""
        what = "GRUB's default entry"
        if self.kernel is None:
            raise CannotStart(f"{what} starts no Linux kernel")
        volume, name, arguments = self.kernel
        return Entry(
            loader=LOADER,
            kernel=volume.needed(name, what),
            initrds=tuple(on.needed(each, what) for on, each in self.initrds),
            arguments=f"BOOT_IMAGE={name} {arguments}".strip(),  # as GRUB does; some initrds look for it
        )


def options(arguments: Sequence[str], valued: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """→ values by the long names that ``valued`` gives to options, and what is no option.

    An option that is not in ``valued`` takes no word after it.
    """
    found: dict[str, str] = {}
    others: list[str] = []
    left = list(arguments)
    while left:
        word = left.pop(0)
        name, is_given, value = word.partition("=")
        if not word.startswith("-") or word == "-":
            others.append(word)
        elif name in valued:
            found[valued[name]] = value if is_given else left.pop(0) if left else ""
        else:
            found[name] = value
    return found, others
