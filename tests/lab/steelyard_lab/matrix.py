"""The result: machine x operation x seconds x outcome."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

PAGE_NAME = "lab.md"
PAGE = """# What the lab has seen

Written by `tests/lab/run --record`: the machines of the last recorded run, on two cores without hardware
virtualisation, two machines at a time. Times are what the operation took, waiting included; machines share the cores,
so they vary. How to run it, and how it is put together: [run-the-lab](../howto/run-the-lab.md). Every operation is one
or more commands of the `baremetal` CLI; its proof is what the machine itself did. The agent is ironic-python-agent as
it comes from PyPI.

| machine | what it is |
| --- | --- |
| redfish, ipmi | the power verbs, behind a Redfish and an IPMI BMC |
| bios-ipxe | BIOS, iPXE in its NIC; metadata erased, cleaned, `direct` qcow2, rescue and back, undeployed |
| uefi-ipxe | UEFI PXE to iPXE by TFTP; the boot service is killed (SIGKILL) when half of the image has come |
| uefi-http | UEFI HTTP boot; the inventory service is killed when half of the image has come |
| uefi-raid | software RAID-1 made by the agent; one disk pulled afterwards |
| uefi-media | virtual CD, static addresses (`network_data`), no DHCP |
| uefi-reverse | the same, and no path from the machine to the API: Steelyard calls the agent |
| bios-volume | no disk: boots from an iSCSI volume |
| bios-memory | no disk: `ramdisk` deployment |

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
    head = ["| machine | operation | seconds | outcome | seen |", "| --- | --- | ---: | --- | --- |"]
    done = sum(row.outcome is Outcome.DONE for row in rows)
    tail = ["", f"{done} of {len(rows)} operations done in {total_s:.0f} s."]
    return "\n".join(head + [as_line(row) for row in rows] + tail) + "\n"


def page(rows: list[Row], total_s: float) -> str:
    """The page of docs/reference: the last recorded run."""
    return PAGE + as_markdown(rows, total_s)
