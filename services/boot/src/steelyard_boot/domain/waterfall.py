"""The boot waterfall: what was seen of one boot attempt, hop by hop, and why it went no further. Pure (want N6)."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .boot_model import BootModel, Kind, Purpose
from .loaders import MEDIA
from .refusals import remedy_for


class Hop(enum.StrEnum):
    """In the order in which a machine takes them; not every boot interface has all."""

    POWER = "power-on"
    DHCP = "dhcp"
    LOADER = "loader"
    ENTRY = "entry"
    SCRIPT = "script"
    KERNEL = "kernel"
    RAMDISK = "ramdisk"
    ISO = "iso"
    VOLUME = "volume"
    KICKSTART = "kickstart"
    STAGE2 = "stage2"
    LOOKUP = "lookup"
    HEARTBEAT = "heartbeat"


RANK = {hop: number for number, hop in enumerate(Hop)}
# What only a machine does that has just been started.
STARTS = (Hop.DHCP, Hop.LOADER, Hop.ENTRY, Hop.SCRIPT)
OK, FAILED, PARTIAL = "ok", "failed", "partial"
STRANGE_MACS = "macs_of_another_node"  # in a script's detail: what the machine asked by besides its own system UUID


class Outcome(enum.StrEnum):
    RUNNING = "running"
    BOOTED = "booted"
    FAILED = "failed"
    REPLACED = "replaced"


@dataclass(frozen=True, kw_only=True)
class Note:
    """One thing that was seen. ``detail``: ``{what, status, bytes, of_bytes, took_s, address, transport, error}``."""

    node_uuid: str
    hop: Hop
    outcome: str
    at: datetime
    boot_id: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What the boot was prepared as. ``last``: the hop that ends it well."""

    interface: str
    purpose: str
    last: Hop


_CALLS = (Purpose.DEPLOY, Purpose.CLEAN, Purpose.SERVICE, Purpose.RESCUE, Purpose.INSTALL)


def expectation(interface: str, model: BootModel) -> Expectation:
    """An agent that inspects sends what it found before it looks itself up, and need not come back afterwards."""
    with_files = Hop.RAMDISK if model.ramdisk else Hop.KERNEL
    without_agent = {Kind.KERNEL: with_files, Kind.ISO: Hop.ISO, Kind.DRIVES: Hop.SCRIPT, Kind.DISK: Hop.SCRIPT}
    last = Hop.HEARTBEAT if model.purpose in _CALLS else without_agent[model.kind]
    if interface in MEDIA and last is not Hop.HEARTBEAT:
        last = Hop.ISO
    return Expectation(interface=interface, purpose=model.purpose.value, last=last)


def is_new(hop: Hop, seen: Sequence[Hop], quiet_s: float, patience_s: float) -> bool:
    """Whether ``hop`` begins another attempt: the machine is at the start again after it had got further.

    Loaders ask again for what failed, and a machine asks for addresses at every stage: neither is a new attempt. That
    the power is on may be noticed after the machine has asked for something already.
    """
    if hop is Hop.POWER:
        return Hop.POWER in seen and any(other is not Hop.POWER for other in seen)
    if hop not in STARTS:
        return False
    further = max((RANK[other] for other in seen), default=0)
    return further >= RANK[Hop.LOOKUP] or quiet_s > patience_s


def ends_well(hop: Hop, outcome: str, expected: Expectation) -> bool:
    return outcome == OK and RANK[hop] >= RANK[expected.last]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Which hop failed, and the likely reason in words with what to look at."""

    hop: Hop
    reason: str


def judge(notes: Sequence[Note], expected: Expectation, *, reads_dhcp: bool = True) -> Verdict:
    """Why an attempt that has stood still went no further than it did.

    ``reads_dhcp``: a log of DHCP and TFTP is read, so that what is missing there did not happen.
    """
    worst = _failed(notes)
    if worst is not None:
        return Verdict(hop=worst.hop, reason=_why_failed(worst))
    furthest = max((note.hop for note in notes if note.outcome == OK), key=RANK.__getitem__, default=None)
    return _stopped_after(furthest, notes, expected, reads_dhcp=reads_dhcp)


def _failed(notes: Sequence[Note]) -> Note | None:
    """The last failure that nothing later made good."""
    for at in range(len(notes) - 1, -1, -1):
        note = notes[at]
        if note.outcome == OK:
            continue
        later = [other for other in notes[at + 1 :] if other.outcome == OK and RANK[other.hop] >= RANK[note.hop]]
        if not later:
            return _told_best(note, notes)
    return None


def _told_best(note: Note, notes: Sequence[Note]) -> Note:
    """A machine's script says that a hop failed; what boot itself answered there says why."""
    if "errno" not in note.detail:
        return note
    answered = [
        other for other in notes if other.hop is note.hop and other.outcome != OK and other.detail.get("status")
    ]
    return answered[-1] if answered else note


def _why_failed(note: Note) -> str:
    detail = note.detail
    what = detail.get("what") or note.hop.value
    if note.hop is Hop.HEARTBEAT:
        said = str(detail.get("error"))
        return f"an agent called for this node and was refused ({said}). {remedy_for(said)}".rstrip()
    status = detail.get("status")
    if note.hop is Hop.KICKSTART and status == 403:
        return (
            "the kickstart was refused: the machine named no MAC address of the node's ports, or its address was given"
            " to another machine; look at the node's ports, and for a proxy in between that drops headers"
        )
    if note.outcome == PARTIAL:
        return (
            f"{what} was cut off after {detail.get('bytes', 0)} of {detail.get('of_bytes', '?')} bytes: the machine was"
            " switched off, or the network between it and the boot service drops connections"
        )
    if status == 404 and note.hop in (Hop.SCRIPT, Hop.ENTRY):
        return "nothing is prepared for this machine, or it asks by a MAC address and UUID that no node has"
    if status == 404:
        return (
            f"{what}: 404, the file is not there any more; prepare the boot anew (the artifact was collected or lost)"
        )
    if isinstance(status, int) and status >= 500:
        return f"{what}: {status}, the boot service could not answer; its log says why"
    if detail.get("transport") == "tftp":
        return (
            f"TFTP of {what} failed: {detail.get('error') or 'no reason given'}; a firewall that lets UDP 69 through"
            " only one way, or a TFTP root without the file"
        )
    if detail.get("errno"):
        number = "".join(char for char in str(detail["errno"]) if char in "0123456789abcdef")
        return f"the machine's boot loader gave up at {what} (explained at https://ipxe.org/{number})"
    return f"{what}: {detail.get('error') or 'failed'}"


_AFTER: dict[Hop | None, tuple[Hop, str]] = {
    None: (Hop.POWER, "nothing was seen of the machine: it was not switched on, or it is not this node's machine"),
    Hop.POWER: (
        Hop.DHCP,
        "no DHCP request was seen after power-on: the machine boots from something else, its NIC is on another network,"
        " or the switch port was still blocked (spanning tree); check the boot device, cabling and VLAN",
    ),
    Hop.DHCP: (
        Hop.LOADER,
        "it got an address but asked for no boot loader: the DHCP answer names no boot file for its architecture, or"
        " TFTP/HTTP to the named server is blocked",
    ),
    Hop.LOADER: (
        Hop.SCRIPT,
        "the boot loader was fetched but asked for no script: it does not run on this firmware (secure boot, wrong"
        " architecture), or it cannot reach the boot service over HTTP",
    ),
    Hop.ENTRY: (Hop.SCRIPT, "the entry script was fetched, but not the node's: its later requests did not arrive"),
    Hop.SCRIPT: (
        Hop.KERNEL,
        "the node's script was fetched but not its kernel: the machine cannot reach the artifacts' address",
    ),
    Hop.KERNEL: (
        Hop.RAMDISK,
        "the kernel was fetched but the ramdisk was not asked for: too little memory, or it was reset",
    ),
    Hop.RAMDISK: (
        Hop.LOOKUP,
        "kernel and ramdisk were loaded but no agent called: the kernel did not start or panicked (console), it has no"
        " driver for the NIC, got no address, or cannot reach the API at ipa-api-url",
    ),
    Hop.ISO: (
        Hop.LOOKUP,
        "the BMC fetched the medium but no agent called: the machine boots from something else (boot device, boot mode,"
        " secure boot), or the agent has no network (network_data, DHCP) to the API",
    ),
    Hop.VOLUME: (Hop.LOOKUP, "the volume was attached but nothing called from it"),
    Hop.KICKSTART: (
        Hop.STAGE2,
        "the kickstart was fetched but no stage2: the installer met something in it that it does not know (console), or"
        " it takes its second stage from the installation tree and does not reach it",
    ),
    Hop.STAGE2: (
        Hop.HEARTBEAT,
        "the installer was loaded but told of no start: too little memory for its second stage, or it does not reach"
        " the API (STEELYARD_AGENT_API_URL; certificate: STEELYARD_INSTALLER_INSECURE)",
    ),
    Hop.LOOKUP: (
        Hop.HEARTBEAT,
        "the agent looked itself up but sent no heartbeat: it refused the answer (a token was given before), or its"
        " certificate or call-back address was refused",
    ),
    Hop.HEARTBEAT: (Hop.HEARTBEAT, "the agent was heard of and then no more"),
}  # fmt: skip


_NO_KICKSTART = (
    Hop.KICKSTART,
    "kernel and ramdisk were loaded but no kickstart was asked for: the kernel did not start or panicked (console), it"
    " has no driver for the NIC, got no address, or cannot reach boot's address (STEELYARD_BOOT_URL)",
)
_TAKEN_FOR_ANOTHER = (
    "the machine was found by this node's system UUID, but has MAC addresses of another node's ports ({}): its agent is"
    " known by them and called as the other node's, or was refused. See of which node each port is, delete the wrong"
    " ones, then begin this work again"
)
# Interface → the first hop that boot sees by itself, and where the machine may have stopped before it.
_UNSEEN = "and no DHCP log is read (STEELYARD_DHCP_LOG_FILE), so it is not known how far it came. Look at its console"
_FIRST_SEEN = {
    "pxe": (
        Hop.LOOKUP,
        f"no agent has called since power-on, {_UNSEEN}, then at the log of your DHCP and TFTP server: no request at"
        " all means boot device, boot mode, cabling, VLAN or spanning tree; an answer without loader means DHCP"
        " options; a loader without kernel means TFTP",
    ),
}
_ASKED_NOTHING = (
    Hop.SCRIPT,
    f"the machine has asked boot for nothing since power-on, {_UNSEEN}, then at your DHCP server's log: no request at"
    " all means boot device, boot mode, cabling, VLAN or spanning tree; an answer and no loader means DHCP options or"
    " TFTP; a loader means that boot's address (STEELYARD_BOOT_URL) is not reachable from there",
)


def _stopped_after(furthest: Hop | None, notes: Sequence[Note], expected: Expectation, *, reads_dhcp: bool) -> Verdict:
    if expected.interface in MEDIA and furthest in (None, Hop.POWER):
        reason = (
            "the BMC never fetched the medium: it cannot reach the boot service's address, or the medium was not"
            " inserted"
        )
        return Verdict(hop=Hop.ISO, reason=reason)
    hop, reason = _AFTER[furthest]
    if furthest is Hop.POWER and not reads_dhcp:
        hop, reason = _FIRST_SEEN.get(expected.interface, _ASKED_NOTHING)
    if furthest is Hop.KERNEL and any(note.hop is Hop.RAMDISK for note in notes):
        hop, reason = _AFTER[Hop.RAMDISK]
    if expected.purpose == Purpose.INSTALL and hop is Hop.LOOKUP:
        hop, reason = _NO_KICKSTART
    strange = next((note.detail[STRANGE_MACS] for note in notes if note.detail.get(STRANGE_MACS)), None)
    if strange and hop is Hop.LOOKUP:
        reason = _TAKEN_FOR_ANOTHER.format(strange)
    return Verdict(hop=hop, reason=reason)
