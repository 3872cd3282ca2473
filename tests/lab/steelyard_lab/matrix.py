"""The result: machine x operation x seconds x outcome."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

LAST = "delete"  # the operation that ends every machine's life
HEAD = ("| machine | operation | seconds | outcome | seen |", "| --- | --- | ---: | --- | --- |")
PAGE = """# What the lab has seen

Written by `tests/lab/run --record`: each machine's last recorded run in which all was done, on two cores without
hardware virtualisation, two machines at a time. Times are what the operation took, waiting included; machines share the
cores, with each other and with whatever else ran, so they vary. How to run it, and how it is put together:
[run-the-lab](../howto/run-the-lab.md). Every operation is one or more commands of the `baremetal` CLI; its proof is
what the machine itself did. The agent is ironic-python-agent as it comes from PyPI.

| machine | what it is |
| --- | --- |
| redfish, ipmi | the power verbs, behind a Redfish and an IPMI BMC |
| bios-ipxe | BIOS, iPXE in its NIC; `direct` qcow2, undeployed and erased |
| uefi-ipxe | UEFI PXE to iPXE by TFTP; boot is killed (SIGKILL) when half of the image has come; rescue and back |
| uefi-http | UEFI HTTP boot; inventory is killed when half of the image has come |
| uefi-raid | software RAID-1 made by the agent; one disk pulled afterwards |
| uefi-kexec | deployed, then rebuilt with the instance started by the agent (kexec) instead of the firmware |
| uefi-media | virtual CD, static addresses (`network_data`), no DHCP; disk's metadata erased first |
| uefi-reverse | the same, and no path from the machine to the API: Steelyard calls the agent |
| bios-volume | no disk: boots from an iSCSI volume |
| uefi-partition | a partition image: partitions, root file system and what boots it are put in place by the agent |
| bios-memory | no disk: `ramdisk` deployment |
| bios-pxe | the same by PXELINUX: `pxe` |
| uefi-grub | the same by shim and GRUB over TFTP: `pxe` |
| uefi-http-grub | the same by GRUB over HTTP, from the firmware's own HTTP client on: `http` |
| uefi-ipv6 | the same by IPv6 alone, in the same install: DHCPv6, TFTP, iPXE; what it sends by IPv4 does not get in |
| uefi-url | the same by `redfish-https`: the BMC gets a URL (sushy-tools fetches it and shows it as a CD) |
| uefi-secure | the same by shim and GRUB, with secure boot, which Steelyard switches on at the BMC |
| uefi-kea | the same by UEFI HTTP boot and iPXE, with Kea as the DHCP server instead of dnsmasq |

"""


class Outcome(Enum):
    DONE = "done"
    FAILED = "FAILED"
    NOT_RUN = "not run"


@dataclass(frozen=True, kw_only=True)
class Row:
    machine: str
    operation: str
    seconds: float
    outcome: Outcome
    evidence: str  # what was seen of the machine itself; for a failure, the error


def succeeded(rows: list[Row]) -> bool:
    """Every operation ran and did what it should. No rows is no success."""
    return bool(rows) and all(row.outcome is Outcome.DONE for row in rows)


def as_line(row: Row) -> str:
    seconds = "" if row.outcome is Outcome.NOT_RUN else f"{row.seconds:.1f}"
    evidence = " ".join(row.evidence.split()).replace("|", "\\|")
    return f"| {row.machine} | {row.operation} | {seconds} | {row.outcome.value} | {evidence} |"


def as_markdown(rows: list[Row], total_s: float) -> str:
    done = sum(row.outcome is Outcome.DONE for row in rows)
    tail = ["", f"{done} of {len(rows)} operations done in {total_s:.0f} s."]
    return "\n".join([*HEAD, *map(as_line, rows), *tail]) + "\n"


def page(before: str, matrix: str) -> str:
    """The page of docs/reference. ``before``: as it was; ``matrix``: of a run, as `as_markdown` made it.

    A machine's rows are replaced when all that was to be done with it was done; those of others stay.
    """
    both = (_by_machine(text).items() for text in (before, matrix))
    known, seen = ({name: lines for name, lines in each if _is_whole(lines)} for each in both)
    rows = known | seen
    ordered = [line for name in sorted(rows, key=_place) for line in rows[name]]
    total_s = sum(float(line.split("|")[3]) for line in ordered)
    tail = [
        "",
        f"{len(ordered)} operations on {len(rows)} machines: {total_s:.0f} s in all; two machines share the time.",
    ]
    return PAGE + "\n".join([*HEAD, *ordered, *tail]) + "\n"


def _is_whole(lines: list[str]) -> bool:
    """A run may have been stopped in the middle."""
    return f"| {LAST} |" in lines[-1] and all(f"| {Outcome.DONE.value} |" in line for line in lines)


def _place(machine: str) -> int:
    return PAGE.find(machine)


def _by_machine(text: str) -> dict[str, list[str]]:
    rows: dict[str, list[str]] = {}
    for line in text.partition(HEAD[0])[2].splitlines():
        if line.startswith("| ") and not line.startswith("| ---"):
            rows.setdefault(line.split("|")[1].strip(), []).append(line)
    return rows
