"""What boot reads of the DHCP and TFTP servers that it drives."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from steelyard_common.settings import boolean, env, one_of


def ranges(text: str) -> tuple[str, ...]:
    """With semicolons; each becomes a line of dnsmasq's configuration."""
    found = tuple(piece.strip() for piece in text.split(";") if piece.strip())
    if any(not re.fullmatch(r"[A-Za-z0-9.:,/_=!-]+", piece) for piece in found):
        raise ValueError("ranges as dnsmasq's dhcp-range takes them are expected, with semicolons")
    return found


def address(text: str) -> str:
    """It goes into DHCP answers as it stands."""
    return str(ip_address(text))


@dataclass(frozen=True, kw_only=True)
class DhcpSettings:
    """Who answers machines before boot does."""

    dhcp: str = field(
        default="none",
        metadata=env(
            "STEELYARD_DHCP",
            "the DHCP server that is driven: none, dnsmasq or kea",
            parse=one_of("none", "dnsmasq", "kea"),
        ),
    )
    dhcp_dir: Path | None = field(
        default=None,
        metadata=env("STEELYARD_DHCP_DIR", "folder that gets the files which the DHCP server reads", parse=Path),
    )
    dhcp_pid_file: Path | None = field(
        default=None,
        metadata=env("STEELYARD_DHCP_PID_FILE", "dnsmasq's; it gets SIGHUP when a file has changed", parse=Path),
    )
    dhcp_restarts: bool = field(
        default=False,
        metadata=env(
            "STEELYARD_DHCP_RESTARTS",
            "somebody starts dnsmasq again when it ends: it is ended when what it reads at its start has changed",
            parse=boolean,
        ),
    )
    dhcp_log_file: Path | None = field(
        default=None,
        metadata=env(
            "STEELYARD_DHCP_LOG_FILE",
            "dnsmasq's log (log-facility), read for the boot waterfall; set for one replica only",
            parse=Path,
        ),
    )
    dhcp_leases_file: Path | None = field(
        default=None, metadata=env("STEELYARD_DHCP_LEASES_FILE", "dnsmasq's leases (dhcp-leasefile)", parse=Path)
    )
    dhcp_only_known: bool = field(
        default=False,
        metadata=env("STEELYARD_DHCP_ONLY_KNOWN", "machines that are of no node get no answer", parse=boolean),
    )
    dhcp_ranges: tuple[str, ...] = field(
        default=(),
        metadata=env(
            "STEELYARD_DHCP_RANGES",
            "dhcp-range values for dnsmasq, with semicolons; empty = they stand in a file of yours",
            parse=ranges,
        ),
    )
    kea_control: str = field(
        default="",
        metadata=env(
            "STEELYARD_KEA_CONTROL",
            "unix:<path> of kea-dhcp4's control socket, or a control agent's URL; it is told to read its files again",
        ),
    )
    tftp_dir: Path | None = field(
        default=None,
        metadata=env(
            "STEELYARD_TFTP_DIR",
            "root of the TFTP server: gets loaders, and what nodes need that boot by pxe",
            parse=Path,
        ),
    )
    tftp_server: str = field(
        default="",
        metadata=env(
            "STEELYARD_TFTP_SERVER", "address of the TFTP server, if it is not the DHCP server's", parse=address
        ),
    )
