"""SYSLINUX and EXTLINUX, and U-Boot's ``extlinux.conf``: the label that starts when nobody touches the menu."""

from __future__ import annotations

from dataclasses import dataclass, field

from steelyard_agent.entry import CannotStart, Entry
from steelyard_agent.volumes import Volume, Volumes

LOADER = "SYSLINUX"
PLACES = (
    "boot/syslinux/syslinux.cfg", "syslinux/syslinux.cfg", "syslinux.cfg", "boot/syslinux/extlinux.conf",
    "boot/extlinux/extlinux.conf", "extlinux/extlinux.conf", "boot/extlinux.conf", "extlinux.conf",
    "EFI/BOOT/syslinux.cfg", "EFI/syslinux/syslinux.cfg",
)  # fmt: skip
INCLUDES_AT_MOST = 8
OTHER_KINDS = ("com32", "boot", "bss", "pxe", "fdimage", "config", "localboot")


@dataclass
class Label:
    kernel: str = ""
    initrd: str = ""
    append: str | None = None
    other: str = ""  # what it starts, if not a Linux kernel


@dataclass
class Configuration:
    labels: dict[str, Label] = field(default_factory=dict)
    default: str = ""
    menu_default: str = ""
    append: str = ""


def default_entry(volumes: Volumes) -> Entry | None:
    """None: no configuration. Errors: CannotStart."""
    for volume in volumes:
        for place in PLACES:
            if volume.file(place):
                return _start(volume, place)
    return None


def _start(volume: Volume, place: str) -> Entry:
    read = Configuration()
    _read(volume, place, read, 0)
    label, name = _chosen(read)
    what = f"{LOADER}'s default entry {name}".strip()
    if label.other or not label.kernel or label.kernel.lower().endswith((".c32", ".com", ".bin", ".bss")):
        raise CannotStart(f"{what} in {place} starts {label.other or label.kernel or 'nothing'}, not a Linux kernel")
    words = (read.append if label.append is None else "" if label.append == "-" else label.append).split()
    named = [word.removeprefix("initrd=") for word in words if word.startswith("initrd=")]
    initrds = ",".join([*named, label.initrd]).split(",")
    folder = place.rpartition("/")[0]
    return Entry(
        loader=LOADER,
        kernel=volume.needed(_absolute(label.kernel, folder), what),
        initrds=tuple(volume.needed(_absolute(each, folder), what) for each in initrds if each),
        arguments=" ".join(word for word in words if not word.startswith("initrd=")),
    )


def _chosen(read: Configuration) -> tuple[Label, str]:
    """MENU DEFAULT over DEFAULT over the first; DEFAULT may also be a kernel with its arguments."""
    for name in (read.menu_default, read.default):
        if name in read.labels:
            return read.labels[name], name
    if read.default and not read.default.lower().split()[0].endswith(".c32"):
        kernel, _, append = read.default.partition(" ")
        return Label(kernel=kernel, append=append or None), ""
    name, label = next(iter(read.labels.items()), ("", Label()))
    return label, name


def _read(volume: Volume, place: str, into: Configuration, depth: int) -> None:
    if depth > INCLUDES_AT_MOST:
        raise CannotStart(f"{place} includes itself without end")
    name = ""
    for line in (volume.text(place) or "").splitlines():
        key, *rest = line.split(maxsplit=1)[:2] or [""]
        value = "".join(rest).strip()
        match key.lower():
            case "include":
                _read(volume, _absolute(value, place.rpartition("/")[0]), into, depth + 1)
            case "default" | "ontimeout":
                into.default = value
            case "label":
                name = value
                into.labels[name] = Label()
            case "menu" if value.lower().startswith("include "):
                _read(volume, _absolute(value.split()[1], place.rpartition("/")[0]), into, depth + 1)
            case "menu" if value.lower() == "default":
                into.menu_default = name
            case "append" if not name:
                into.append = value
            case other if name:
                _into_label(into.labels[name], other, value)


def _into_label(label: Label, key: str, value: str) -> None:
    if key in ("kernel", "linux"):
        label.kernel = value
    elif key == "initrd":
        label.initrd = value
    elif key == "append":
        label.append = value
    elif key in OTHER_KINDS:
        label.other = f"{key} {value}".strip()


def _absolute(name: str, folder: str) -> str:
    return name if name.startswith("/") else f"{folder}/{name}"
