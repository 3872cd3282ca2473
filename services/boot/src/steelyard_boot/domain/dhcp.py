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
from urllib.parse import urlsplit

from .loaders import ARCHITECTURES, BIOS, WANTED

TAG = "steelyard"
INTERFACES = ("ipxe", "pxe", "http-ipxe", "http")


@dataclass(frozen=True, kw_only=True)
class SiteRules:
    """``url``: boot's, as machines reach it; ``url_v6``: those that ask by DHCPv6, empty = the same.
    ``tftp_server``: address, empty where the DHCP server is it; over IPv6 it is the host of ``url_v6``.

    ``ranges``: of addresses, in dnsmasq's notation; others say theirs in their own configuration. ``loaders``: files
    that a node may name as its own (driver_info ``boot_loader``).
    """

    url: str
    url_v6: str = ""
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
    """One row of the table above. ``file``: a name for TFTP, a URL for HTTP clients and iPXE.

    ``file_v6``: a URL always (RFC 5970 §3.1); empty where nobody asks by DHCPv6.
    """

    interface: str
    file: str
    file_v6: str = ""
    arch: int | None = None  # of option 93; None: any machine that is iPXE already
    is_ipxe: bool = False
    is_http: bool = False


def answers(rules: SiteRules) -> Iterator[Answer]:
    """The whole table; at most one row fits a machine."""
    url_v6 = rules.url_v6 or rules.url
    for interface in INTERFACES:
        by_ipxe = interface.endswith("ipxe")
        if by_ipxe:
            entry = "boot.ipxe"
            yield Answer(
                interface=interface, file=f"{rules.url}/{entry}", file_v6=f"{url_v6}/{entry}", is_ipxe=True
            )  # fmt: skip
        wanted = WANTED[interface] if interface != "http-ipxe" else WANTED["ipxe"]
        for number, machine in ARCHITECTURES.items():
            name = wanted.get((machine.mode, machine.arch))
            if name is None or (machine.mode == BIOS and interface.startswith("http")):
                continue
            file = f"{rules.url}/loaders/{name}" if machine.http else name
            file_v6 = loader_v6(rules, name, is_http=machine.http) if machine.mode != BIOS else ""
            yield Answer(interface=interface, file=file, file_v6=file_v6, arch=number, is_http=machine.http)


def loader_v6(rules: SiteRules, name: str, *, is_http: bool) -> str:
    """Where a machine that asks by DHCPv6 finds a loader."""
    url = rules.url_v6 or rules.url
    return f"{url}/loaders/{name}" if is_http else f"tftp://{_host(url)}/{name}"


def _host(url: str) -> str:
    host = urlsplit(url).hostname or ""
    return f"[{host}]" if ":" in host else host


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
