"""What a node boots next, as data: one model, rendered for iPXE, GRUB and PXELINUX next door. Pure.

A model has exactly one of four kinds: a kernel with its ramdisk, an ISO, drives of a volume, or the node's own disk.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from steelyard_common.errors import InvalidRequest, Unsupported

from .kernel_arguments import check_arguments


class Purpose(enum.StrEnum):
    """What for."""

    DEPLOY = "deploy"
    CLEAN = "clean"
    SERVICE = "service"
    RESCUE = "rescue"
    INSPECT = "inspect"
    INSTALL = "install"
    RAMDISK = "ramdisk"
    VOLUME = "volume"
    LOCAL = "local"


class Kind(enum.StrEnum):
    """How."""

    KERNEL = "kernel"
    ISO = "iso"
    DRIVES = "drives"
    DISK = "disk"


class Served(Protocol):
    """A file that machines can fetch: an artifact."""

    @property
    def sha256(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def url(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class File:
    """A file by its public URL. ``size`` in bytes, None where nobody has counted."""

    url: str
    sha256: str = ""
    size: int | None = None

    @classmethod
    def of(cls, served: Served | None) -> File | None:
        return None if served is None else cls(url=served.url, sha256=served.sha256, size=served.size)


@dataclass(frozen=True, kw_only=True)
class Drive:
    """One disk over the network: every URL leads to the same volume (``iscsi:…``), tried together."""

    urls: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Chap:
    """Who signs in at an iSCSI target. ``password`` is a sealed secret until a script is rendered."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class BootModel:
    """Errors when made: InvalidRequest for arguments that no loader could carry unchanged."""

    boot_id: str
    purpose: Purpose
    kernel: File | None = None
    ramdisk: File | None = None
    iso: File | None = None
    arguments: tuple[str, ...] = ()
    drives: tuple[Drive, ...] = ()
    initiator: str | None = None
    chap: Chap | None = None
    storage_macs: tuple[str, ...] = ()  # NICs that reach the volumes; empty = whichever the firmware chose
    names_nic: bool = False  # the kernel is told which NIC it was booted from (BOOTIF=…)

    def __post_init__(self) -> None:
        check_arguments(self.arguments)
        for file in (self.kernel, self.ramdisk, self.iso):
            check_url("" if file is None else file.url)
        for drive in self.drives:
            for url in drive.urls:
                check_url(url)
        for word in (self.initiator or "", self.chap.username if self.chap else ""):
            check_word(word)

    @property
    def kind(self) -> Kind:
        if self.kernel is not None:
            return Kind.KERNEL
        if self.iso is not None:
            return Kind.ISO
        return Kind.DRIVES if self.drives else Kind.DISK

    @property
    def tells_secret(self) -> bool:
        """Its script holds one: a volume's password, or where the kickstart is."""
        return self.chap is not None or self.purpose is Purpose.INSTALL

    def to_dict(self) -> dict[str, Any]:
        """As it is kept: the password is sealed."""
        return asdict(self)

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> BootModel:
        return cls(
            boot_id=body["boot_id"],
            purpose=Purpose(body["purpose"]),
            kernel=_file(body.get("kernel")),
            ramdisk=_file(body.get("ramdisk")),
            iso=_file(body.get("iso")),
            arguments=tuple(body.get("arguments") or ()),
            drives=tuple(Drive(urls=tuple(drive["urls"])) for drive in body.get("drives") or ()),
            initiator=body.get("initiator"),
            chap=Chap(**body["chap"]) if body.get("chap") else None,
            storage_macs=tuple(body.get("storage_macs") or ()),
            names_nic=bool(body.get("names_nic")),
        )


# A file → where the loader that is rendered for finds it.
Place = Callable[[File], str]
# Words that end a command of iPXE's.
_ONE_WORD, _OBEYED = re.compile("[!-~]*"), re.compile("[\"'\\\\`${};|<>]")
OPERATORS = ("||", "&&", ";", "#")


def _file(body: Mapping[str, Any] | None) -> File | None:
    return None if body is None else File(**body)


def kernel_for(model: BootModel, loader: str, others: str) -> File:
    """For a loader that boots kernels only; ``others``: boot interfaces that can more. Errors: Unsupported."""
    if model.kernel is not None:
        return model.kernel
    what = "an ISO" if model.kind is Kind.ISO else "a volume"
    raise Unsupported(
        f"{what} cannot be booted by {loader}: set the node's boot interface to {others}"
        " (or, for an ISO, to 'redfish-virtual-media')"
    )


def check_url(url: str) -> None:
    """Errors: InvalidRequest for what a boot loader would not read as one word."""
    if not _ONE_WORD.fullmatch(url) or _OBEYED.search(url):
        raise InvalidRequest(f"{url!r} cannot stand in a boot script: percent-encode what is no plain URL character")


def check_word(word: str) -> None:
    """A user name or an initiator's name. Errors: InvalidRequest."""
    if any(not "!" <= char <= "~" for char in word) or "${" in word or word[:1] == "-" or word in OPERATORS:
        raise InvalidRequest(f"{word!r} cannot stand in a boot script: one word of printable ASCII is expected")
