"""The table of ``dhcp`` as dnsmasq reads it. Pure.

``site`` stands in its configuration and is read at its start. A node that boots as ``ipxe`` is a file below ``hosts/``,
read again at SIGHUP (dnsmasq(8), dhcp-hostsfile with a folder); any other needs tags, and is a file of configuration
below ``tagged/``, read at the start only: dnsmasq 2.90 (Debian 12) ends by a segmentation fault at SIGHUP when a host
of a hosts file that sets a tag was met before.
"""

from __future__ import annotations

from .dhcp import INTERFACES, TAG, Answer, Host, SiteRules, answers, file_tag, http_numbers, loader_v6, own_answers
from .loaders import ARCHITECTURES, BIOS

PLAIN = "ipxe"  # what needs no tag
CLIENT_ARCH_V6 = 61  # RFC 5970 §3.3
BOOT_FILE_V6 = 59  # RFC 5970 §3.1
VENDOR_CLASS = 60
VENDOR_CLASS_V6 = 16  # RFC 8415 §21.16
HTTP_CLIENT_V6 = ":".join(
    f"{byte:02x}" for byte in b"\0\0\x01\x57\0\x0aHTTPClient"
)  # as UEFI firmware asks: of Intel's
OWN = f"{TAG}-own"


def site(rules: SiteRules, hosts: str, tagged: str) -> str:
    """``hosts``, ``tagged``: folders. Whoever has more to say adds a file of his own beside this."""
    lines = [
        "# Written by Steelyard; changes are lost. Say more in another file of dnsmasq's conf-dir.",
        f"dhcp-hostsfile={hosts}",
        f"conf-dir={tagged},*.conf",
        f"dhcp-match=set:{TAG}-is-ipxe,175",
        f"dhcp-userclass=set:{TAG}-is-ipxe,iPXE",
        *(f"dhcp-match=set:{TAG}-arch{number},option:client-arch,{number}" for number in ARCHITECTURES),
        # In hexadecimal: as a number it would be one byte, and 0 is the first byte of all.
        *(
            f"dhcp-match=set:{TAG}-arch{number},option6:{CLIENT_ARCH_V6},00:{number:02x}"
            for number, machine in ARCHITECTURES.items()
            if machine.mode != BIOS
        ),
        # Whoever is of no node boots as ``ipxe``.
        f"tag-if=set:{TAG}-as-ipxe,{','.join(f'tag:!{TAG}-{other}' for other in INTERFACES if other != PLAIN)}",
        *(f"tag-if=set:{TAG}-as-{interface},tag:{TAG}-{interface}" for interface in INTERFACES if interface != PLAIN),
    ]
    if rules.only_known:
        lines.append("dhcp-ignore=tag:!known")
    lines += [f"dhcp-range={value}" for value in rules.ranges]
    if any(":" in value for value in rules.ranges):
        lines.append("enable-ra")  # without it iPXE waits 13 s for an answer
    # Tags in a condition all hold together: with this one, a machine is an HTTP client of any architecture.
    lines += [f"tag-if=set:{TAG}-is-http,tag:{TAG}-arch{number}" for number in http_numbers()]
    for answer in answers(rules):
        lines += _answer(answer, rules)
    for name, file, is_http in own_answers(rules):
        lines += _own(name, file, rules, is_http=is_http)
    return "\n".join(lines) + "\n"


def _answer(answer: Answer, rules: SiteRules) -> list[str]:
    tags = [f"tag:{TAG}-as-{answer.interface}"]
    if answer.is_ipxe:
        tags.append(f"tag:{TAG}-is-ipxe")
    else:
        tags += [f"tag:!{OWN}", f"tag:{TAG}-arch{answer.arch}"]
        tags += [f"tag:!{TAG}-is-ipxe"] if answer.interface.endswith("ipxe") else []
    which = ",".join(tags)
    server = f",,{rules.tftp_server}" if rules.tftp_server and not (answer.is_ipxe or answer.is_http) else ""
    lines = [f"dhcp-boot={which},{answer.file}{server}"]
    if answer.is_http:
        lines += _http_client(which)
    if answer.file_v6:
        lines.append(f"dhcp-option={which},option6:{BOOT_FILE_V6},{answer.file_v6}")
    return lines


def _http_client(which: str) -> list[str]:
    """Firmware that boots by HTTP takes no answer without it."""
    return [
        f"dhcp-option-force={which},{VENDOR_CLASS},HTTPClient",
        f"dhcp-option-force={which},option6:{VENDOR_CLASS_V6},{HTTP_CLIENT_V6}",
    ]


def is_plain(entry: Host) -> bool:
    return entry.interface == PLAIN and entry.loader is None


def host(entry: Host) -> str:
    """A plain node's NICs, one a line. They get addresses from the ranges."""
    return "".join(f"{mac}\n" for mac in entry.macs)


def tagged(entry: Host) -> str:
    """Another node's NICs, known by what they are tagged with."""
    tags = [f"set:{TAG}-{entry.interface}"]
    if entry.loader is not None:
        tags += [f"set:{OWN}", f"set:{file_tag(entry.loader)}"]
    return "".join(f"dhcp-host={mac},{','.join(tags)}\n" for mac in entry.macs)


def _own(name: str, file: str, rules: SiteRules, *, is_http: bool) -> list[str]:
    which = f"tag:{file_tag(name)},tag:!{TAG}-is-ipxe,tag:{'' if is_http else '!'}{TAG}-is-http"
    server = f",,{rules.tftp_server}" if rules.tftp_server and not is_http else ""
    lines = [f"dhcp-boot={which},{file}{server}", *(_http_client(which) if is_http else ())]
    return [*lines, f"dhcp-option={which},option6:{BOOT_FILE_V6},{loader_v6(rules, name, is_http=is_http)}"]
