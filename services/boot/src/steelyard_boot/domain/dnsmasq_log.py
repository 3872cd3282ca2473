"""Lines of dnsmasq's log, and of its leases, as far as they tell how machines boot. Pure.

The lines are those of rfc2131.c (``log_packet``), rfc3315.c (``log6_packet``) and tftp.c, with ``log-dhcp`` or without.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from .naming import as_ip, as_mac, as_uuid

_DHCP = re.compile(
    r"dnsmasq-dhcp\[\d+\]: (?:\d+ )?DHCP(?P<what>DISCOVER|OFFER|REQUEST|ACK|NAK|DECLINE)\((?P<nic>[^)]*)\) "
    r"(?:(?P<ip>\d+\.\d+\.\d+\.\d+) )?(?P<mac>(?:[0-9a-f]{2}:){5}[0-9a-f]{2})(?P<rest>(?!:).*)$"
)
# A client's identifier is longer than a MAC address.
_DHCP_V6 = re.compile(
    r"dnsmasq-dhcp\[\d+\]: (?:(?P<number>\d+) )?DHCP(?P<what>SOLICIT|ADVERTISE|REQUEST|REPLY|DECLINE)\([^)]*\) "
    r"(?:(?P<ip>[0-9a-f:.]+) )?(?P<duid>(?:[0-9a-f]{2}:){6,}[0-9a-f]{2})(?: (?P<rest>.*))?$"
)
_NIC_V6 = re.compile(r"dnsmasq-dhcp\[\d+\]: (?P<number>\d+) client MAC address: (?P<mac>\S+)$")
_SENT = re.compile(r"dnsmasq-tftp\[\d+\]: sent (?P<file>.+) to (?P<ip>[0-9a-fA-F.:]+)$")
_FAILED = re.compile(r"dnsmasq-tftp\[\d+\]: failed sending (?P<file>.+) to (?P<ip>[0-9a-fA-F.:]+)$")
_MISSING = re.compile(r"dnsmasq-tftp\[\d+\]: file (?P<file>.+) not found(?: for (?P<ip>[0-9a-fA-F.:]+))?$")
_ERROR = re.compile(r"dnsmasq-tftp\[\d+\]: error \d+ (?P<error>.*) received from (?P<ip>[0-9a-fA-F.:]+)$")
# Of a DHCPDISCOVER that gets nothing.
_REFUSALS = ("no address available", "ignored", "wrong network", "no address range available")
_REFUSALS_V6 = ("no addresses available", "ignored", "lease not found", "address invalid")
_DUID_WITH_MAC = ("00:01:00:01:", "00:03:00:01:")  # RFC 8415 §11.2 and §11.4, of Ethernet: its MAC stands at the end
_DUID_OF_UUID = "00:04:"  # RFC 6355


@dataclass(frozen=True, kw_only=True)
class Dhcp:
    """``got``: the address it has now; else ``error`` says why it has none.

    ``mac`` None: of a DHCPv6 client of which only its machine's ``system_uuid`` is known.
    """

    mac: str | None
    system_uuid: str | None = None
    got: str | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Tftp:
    """``error`` None: sent whole."""

    ip: str
    file: str
    error: str | None = None


class Reader:
    """Lines in their order: with ``log-dhcp``, one tells of a DHCPv6 client's NIC before others of the exchange."""

    def __init__(self) -> None:
        self._nic: tuple[str, str | None] = ("", None)  # the exchange's number, MAC

    def read(self, line: str) -> Dhcp | Tftp | None:
        """None for a line that tells nothing of that."""
        line = line.rstrip()
        if found := _NIC_V6.search(line):
            self._nic = (found["number"], as_mac(found["mac"]))
            return None
        if found := _DHCP_V6.search(line):
            number, mac = self._nic
            return _dhcp_v6(found, mac if found["number"] == number else None)
        return _read(line)


def _read(line: str) -> Dhcp | Tftp | None:
    if found := _DHCP.search(line):
        return _dhcp(found)
    if found := _SENT.search(line):
        return _tftp(found)
    if found := _FAILED.search(line):
        return _tftp(found, "it stopped half-way: no acknowledgement came")
    if (found := _MISSING.search(line)) and found["ip"]:
        return _tftp(found, "there is no such file in the TFTP root")
    return None


def _dhcp(found: re.Match[str]) -> Dhcp | None:
    mac = as_mac(found["mac"])
    if mac is None:
        return None
    if found["what"] == "ACK":
        return Dhcp(mac=mac, got=as_ip(found["ip"] or ""))
    refusal = next((word for word in _REFUSALS if word in found["rest"]), None)
    if found["what"] == "DISCOVER" and refusal:
        return Dhcp(mac=mac, error=f"the DHCP server says: {refusal}")
    if found["what"] in ("NAK", "DECLINE"):
        return Dhcp(mac=mac, error=f"DHCP{found['what']}{found['rest']}")
    return None


def _dhcp_v6(found: re.Match[str], nic: str | None) -> Dhcp | None:
    client = Dhcp(mac=nic or _mac_of(found["duid"]), system_uuid=_uuid_of(found["duid"]))
    if client.mac is None and client.system_uuid is None:
        return None
    refusal = next((word for word in _REFUSALS_V6 if word in (found["rest"] or "")), None)
    if refusal:
        return replace(client, error=f"the DHCP server says: {refusal}")
    if found["what"] == "DECLINE":
        return replace(client, error="DHCPDECLINE")
    got = as_ip(found["ip"] or "") if found["what"] == "REPLY" else None
    return replace(client, got=got) if got else None


def _mac_of(duid: str) -> str | None:
    """Of a DHCPv6 client whose identifier names one of its NICs."""
    return as_mac(duid[-17:]) if duid.startswith(_DUID_WITH_MAC) else None


def _uuid_of(duid: str) -> str | None:
    return as_uuid(duid.removeprefix(_DUID_OF_UUID).replace(":", "")) if duid.startswith(_DUID_OF_UUID) else None


def _tftp(found: re.Match[str], error: str | None = None) -> Tftp | None:
    ip = as_ip(found["ip"])
    return None if ip is None else Tftp(ip=ip, file=found["file"], error=error)


def leases(text: str) -> dict[str, str]:
    """Of a leases file: address → MAC (``<expiry> <mac> <address> <name> <client id>``; of DHCPv6 no MAC, a DUID)."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 3 and (mac := as_mac(words[1]) or _mac_of(words[-1])) and (ip := as_ip(words[2])):
            found[ip] = mac
    return found
