"""What a DHCP server must know to bring machines up: which loader for which firmware, and how each node boots. Pure.

| the machine | boot interface ``ipxe`` | ``pxe`` | ``http-ipxe`` | ``http`` |
| --- | --- | --- | --- | --- |
| iPXE already (option 175) | the entry script | as below | the entry script | as below |
| BIOS (option 93 is 0) | undionly.kpxe, TFTP | pxelinux.0, TFTP | – | – |
| UEFI (7, 9, 11 …) | snponly.efi, TFTP | GRUB, TFTP | snponly.efi, TFTP | GRUB, TFTP |
| UEFI HTTP client (16, 19 …) | snponly.efi, HTTP | GRUB, HTTP | snponly.efi, HTTP | GRUB, HTTP |

A machine that no node has a port for is treated as ``ipxe``, or ignored (``only_known``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .loaders import ARCHITECTURES, BIOS, WANTED

TAG = "steelyard"
INTERFACES = ("ipxe", "pxe", "http-ipxe", "http")


@dataclass(frozen=True, kw_only=True)
class SiteRules:
    """``url``: boot's, as machines reach it. ``tftp_server``: address, empty where the DHCP server is it.

    ``ranges``: of addresses, in dnsmasq's notation; others say theirs in their own configuration. ``loaders``: files
    that a node may name as its own (driver_info ``boot_loader``).
    """

    url: str
    tftp_server: str = ""
    only_known: bool = False
    ranges: tuple[str, ...] = ()
    loaders: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Host:
    """One node. ``loader``: a file that it wants instead of what its interface would give it."""

    node_uuid: str
    interface: str
    macs: tuple[str, ...]
    loader: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One row of the table above. ``file``: a name for TFTP, a URL for HTTP clients and iPXE."""

    interface: str
    file: str
    arch: int | None = None  # of option 93; None: any machine that is iPXE already
    is_ipxe: bool = False
    is_http: bool = False


def answers(rules: SiteRules) -> Iterator[Answer]:
    """The whole table; at most one row fits a machine."""
    for interface in INTERFACES:
        by_ipxe = interface.endswith("ipxe")
        if by_ipxe:
            yield Answer(interface=interface, file=f"{rules.url}/boot.ipxe", is_ipxe=True)
        wanted = WANTED[interface] if interface != "http-ipxe" else WANTED["ipxe"]
        for number, machine in ARCHITECTURES.items():
            name = wanted.get((machine.mode, machine.arch))
            if name is None or (machine.mode == BIOS and interface.startswith("http")):
                continue
            file = f"{rules.url}/loaders/{name}" if machine.http else name
            yield Answer(interface=interface, file=file, arch=number, is_http=machine.http)


def file_tag(name: str) -> str:
    """What a node is marked with that wants this loader."""
    return f"{TAG}-file-{''.join(char if char.isalnum() else '-' for char in name)}"


def own_answers(rules: SiteRules) -> Iterator[tuple[str, str, bool]]:
    """→ (loader, file or URL, whether for HTTP clients) of nodes that name one. iPXE is not given it again."""
    for name in rules.loaders:
        yield name, name, False
        yield name, f"{rules.url}/loaders/{name}", True


def http_numbers() -> Sequence[int]:
    """Of option 93."""
    return [number for number, machine in ARCHITECTURES.items() if machine.http]
