"""Lines of dnsmasq's log, and of its leases, as far as they tell how machines boot. Pure.

The lines are those of rfc2131.c (``log_packet``) and tftp.c, with ``log-dhcp`` or without.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .naming import as_ip, as_mac

_DHCP = re.compile(
    r"dnsmasq-dhcp\[\d+\]: (?:\d+ )?DHCP(?P<what>DISCOVER|OFFER|REQUEST|ACK|NAK|DECLINE)\((?P<nic>[^)]*)\) "
    r"(?:(?P<ip>\d+\.\d+\.\d+\.\d+) )?(?P<mac>(?:[0-9a-f]{2}:){5}[0-9a-f]{2})(?P<rest>.*)$"
)
_SENT = re.compile(r"dnsmasq-tftp\[\d+\]: sent (?P<file>.+) to (?P<ip>[0-9a-fA-F.:]+)$")
_FAILED = re.compile(r"dnsmasq-tftp\[\d+\]: failed sending (?P<file>.+) to (?P<ip>[0-9a-fA-F.:]+)$")
_MISSING = re.compile(r"dnsmasq-tftp\[\d+\]: file (?P<file>.+) not found(?: for (?P<ip>[0-9a-fA-F.:]+))?$")
_ERROR = re.compile(r"dnsmasq-tftp\[\d+\]: error \d+ (?P<error>.*) received from (?P<ip>[0-9a-fA-F.:]+)$")
# Of a DHCPDISCOVER that gets nothing.
_REFUSALS = ("no address available", "ignored", "wrong network", "no address range available")


@dataclass(frozen=True, kw_only=True)
class Dhcp:
    """``got``: the address it has now; else ``error`` says why it has none."""

    mac: str
    got: str | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Tftp:
    """``error`` None: sent whole."""

    ip: str
    file: str
    error: str | None = None


def read(line: str) -> Dhcp | Tftp | None:
    """None for a line that tells nothing of that."""
    line = line.rstrip()
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


def _tftp(found: re.Match[str], error: str | None = None) -> Tftp | None:
    ip = as_ip(found["ip"])
    return None if ip is None else Tftp(ip=ip, file=found["file"], error=error)


def leases(text: str) -> dict[str, str]:
    """Of a leases file: address → MAC (``<expiry> <mac> <address> <name> <client id>``)."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 3 and (mac := as_mac(words[1])) and (ip := as_ip(words[2])):
            found[ip] = mac
    return found
