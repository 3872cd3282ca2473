"""GRUB's commands that matter for what is started. → whether the command went well, as scripts ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from steelyard_agent import bls
from steelyard_agent.entry import CannotStart
from steelyard_agent.grub_conditions import truth
from steelyard_agent.grub_state import Grub, Item, options
from steelyard_agent.versions import by_version
from steelyard_agent.volumes import Volume

Command = Callable[[Grub, Sequence[str]], bool]

# They change nothing that matters here, but scripts ask whether they went well; all others without a row did.
WITHOUT_EFFECT = {
    "loadfont": False,
    "false": False,
    "keystatus": False,
    "background_image": False,
    "cryptomount": False,
}
OTHER_SYSTEMS = {
    "chainloader": "another boot loader", "multiboot": "a multiboot kernel", "multiboot2": "a multiboot kernel",
    "xen_hypervisor": "Xen", "ntldr": "Windows", "appleloader": "macOS", "kfreebsd": "FreeBSD",
}  # fmt: skip
_SEARCH = {
    "--set": "set", "-s": "set", "--hint": "hint", "--hint-bios": "hint", "--hint-efi": "hint",
    "--hint-baremetal": "hint", "--hint-ieee1275": "hint", "--hint-arc": "hint",
}  # fmt: skip


def _set(grub: Grub, words: Sequence[str]) -> bool:
    for word in words:
        name, is_assigned, value = word.partition("=")
        if is_assigned:
            grub.variables[name] = value
    return True


def _unset(grub: Grub, words: Sequence[str]) -> bool:
    for name in words:
        grub.variables.pop(name, None)
    return True


def _test(grub: Grub, words: Sequence[str]) -> bool:
    return truth(grub, words)


def _bracket(grub: Grub, words: Sequence[str]) -> bool:
    return truth(grub, words[:-1] if words and words[-1] == "]" else words)


def _load_env(grub: Grub, words: Sequence[str]) -> bool:
    """The environment block: ``name=value`` lines, the rest of its 1024 bytes is ``#``."""
    given, names = options(words, {"-f": "file", "--file": "file"})
    text = grub.text(given.get("file") or f"{grub.value('prefix')}/grubenv")
    for line in (text or "").splitlines():
        name, is_assigned, value = line.partition("=")
        if is_assigned and not line.startswith("#") and (not names or name in names):
            grub.variables[name] = value.replace("\\\\", "\\")
    return text is not None


def _search(grub: Grub, words: Sequence[str]) -> bool:
    # --set without a name, before the other options or the place itself, means root.
    is_bare = [word in ("--set", "-s") and (index + 2 >= len(words) or words[index + 1].startswith("-"))
               for index, word in enumerate(words)]  # fmt: skip
    given, others = options(
        ["--set=root" if bare else word for word, bare in zip(words, is_bare, strict=True)], _SEARCH
    )
    if not others:
        return False
    look: Callable[[str], Volume | None] = grub.volumes.by_uuid
    if {"--label", "-l", "--fs-label"} & given.keys():
        look = grub.volumes.by_label
    elif not {"--fs-uuid", "-u"} & given.keys():
        look = grub.volumes.with_file
    return _found(grub, look(others[0]), given.get("set", "root"))


def _search_by(kind: str) -> Command:
    """``search.fs_uuid ID variable hint…``, as in the first lines of a loader on an EFI system partition."""

    def search(grub: Grub, words: Sequence[str]) -> bool:
        wanted, variable, *_ = (*words, "", "root")
        look = {"uuid": grub.volumes.by_uuid, "label": grub.volumes.by_label, "file": grub.volumes.with_file}[kind]
        return _found(grub, look(wanted), variable or "root")

    return search


def _found(grub: Grub, volume: Volume | None, variable: str) -> bool:
    if volume:
        grub.variables[variable] = volume.grub_name
    return volume is not None


def _probe(grub: Grub, words: Sequence[str]) -> bool:
    given, others = options(words, {"--set": "set", "-s": "set"})
    volume = grub.volumes.by_grub_name(others[0]) if others else None
    for names, value in (("--fs-uuid -u", "uuid"), ("--label -l", "label"), ("--part-uuid", "partuuid")):
        if volume and set(names.split()) & given.keys():
            grub.variables[given.get("set", "")] = str(getattr(volume, value))
            return True
    return False


def _linux(grub: Grub, words: Sequence[str]) -> bool:
    if not words:
        return False
    volume, name = grub.needed(words[0])
    grub.kernel = (volume, name, " ".join(f'"{word}"' if " " in word else word for word in words[1:]))
    grub.initrds = []
    return True


def _initrd(grub: Grub, words: Sequence[str]) -> bool:
    grub.initrds = [grub.needed(word) for word in words if not word.startswith(("-", "newc:"))]
    return True


def _blscfg(grub: Grub, _: Sequence[str]) -> bool:
    """Every entry of the specification, newest first (Fedora, RHEL and what is made of them)."""
    volume = grub.volumes.by_grub_name(grub.value("boot") or grub.value("root"))
    found: list[bls.BootEntry] = []
    for folder in filter(None, (grub.value("blsdir").lstrip("/"), "loader/entries", "boot/loader/entries")):
        found = found or (bls.entries(volume, folder) if volume else [])
    for each in sorted(found, key=lambda entry: by_version(entry.id), reverse=True):
        grub.menu.append(Item(title=each.first("title"), id=each.id, entry=each))
    return bool(found)


def _refuse(name: str) -> Command:
    def refuse(_: Grub, __: Sequence[str]) -> bool:
        raise CannotStart(f"GRUB's default entry starts {OTHER_SYSTEMS[name]}, not a Linux kernel")

    return refuse


COMMANDS: dict[str, Command] = {
    "set": _set, "export": _set, "unset": _unset, "test": _test, "[": _bracket, "load_env": _load_env,
    "search": _search, "search.fs_uuid": _search_by("uuid"), "search.fs_label": _search_by("label"),
    "search.file": _search_by("file"), "probe": _probe, "blscfg": _blscfg,
    "linux": _linux, "linux16": _linux, "linuxefi": _linux,
    "initrd": _initrd, "initrd16": _initrd, "initrdefi": _initrd,
    **{name: _refuse(name) for name in OTHER_SYSTEMS},
}  # fmt: skip
