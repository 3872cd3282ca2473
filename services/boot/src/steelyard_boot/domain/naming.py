"""By what names a machine asks for its boot configuration: system UUID, MAC address, IP address. Pure."""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Iterable

_SEPARATORS = re.compile(r"[:\-.]")
_HEX = re.compile(r"[0-9a-f]+")
# Values that boards ship with when nobody has set a UUID: they are on thousands of machines.
NOT_A_UUID = frozenset({
    "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "03000200-0400-0500-0006-000700080009", "00020003-0004-0005-0006-000700080009",
})  # fmt: skip


def as_mac(text: str) -> str | None:
    """``52:54:00:aa:bb:cc`` out of what loaders write (colons, hyphens, GRUB's and PXELINUX's ``01-``); else None."""
    digits = _SEPARATORS.sub("", text.strip().lower())
    if len(digits) == 14 and digits.startswith("01"):
        digits = digits[2:]
    if len(digits) != 12 or not _HEX.fullmatch(digits):
        return None
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def as_uuid(text: str) -> str | None:
    """In its canonical form; None for no UUID, and for those that boards ship with."""
    try:
        known = str(uuid.UUID(text.strip()))
    except ValueError:
        return None
    return None if known in NOT_A_UUID else known


def as_ip(text: str) -> str | None:
    """In its canonical form, an IPv4 address that came mapped into IPv6 as IPv4."""
    try:
        address = ipaddress.ip_address(text.strip().split("%", 1)[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def from_hex_ip(text: str) -> str | None:
    """PXELINUX's and GRUB's name of an IPv4 address: eight hexadecimal digits."""
    if len(text) != 8 or not _HEX.fullmatch(text.lower()):
        return None
    return str(ipaddress.IPv4Address(int(text, 16)))


def both_orders(system_uuids: Iterable[str]) -> tuple[str, ...]:
    """Each UUID as it is and with its first three groups turned round.

    SMBIOS before 2.6 did not say in which order they stand, and BMCs and firmware of one machine may differ.
    """
    found: dict[str, None] = {}
    for text in system_uuids:
        known = as_uuid(text)
        if known:
            found[known] = None
            found[str(uuid.UUID(bytes_le=uuid.UUID(known).bytes))] = None
    return tuple(found)
