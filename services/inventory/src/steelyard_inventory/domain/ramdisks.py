"""Which node a ramdisk may speak for, and what is believed of it (API facts §20, lifecycle facts §12). Pure.

Rule 1  Refusals do not say why: those who ask are not signed in.
Rule 2  A node waits for an agent in few states; in others its heartbeat is only recorded, or ignored.
Rule 3  What is known of an agent ends when the machine is switched off or rebooted: ``FORGOTTEN`` goes, and a new
        ``agent_boot`` tells boot that the agent's token went with it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from steelyard_common.errors import NotFound

from .runs import StepRun
from .transitions import State
from .workflows import SWITCHES_OFF, PowerTarget, power_target

FAST_TRACK = frozenset({State.ENROLL, State.MANAGEABLE, State.AVAILABLE, State.SERVICING, State.SERVICE_HOLD})
# Somebody may have started a ramdisk on a node in these states.
LOOKUP = frozenset({
    State.DEPLOYING, State.DEPLOY_WAIT, State.CLEANING, State.CLEAN_WAIT, State.INSPECTING, State.INSPECT_WAIT,
    State.RESCUING, State.RESCUE_WAIT, State.SERVICE_WAIT,
})  # fmt: skip
# In these a heartbeat counts; in all others it is dropped without a word.
HEARTBEAT = frozenset({
    State.DEPLOY_WAIT, State.CLEAN_WAIT, State.RESCUE_WAIT, State.SERVICE_WAIT, State.DEPLOYING, State.CLEANING,
    State.RESCUING, State.SERVICING, State.DEPLOY_HOLD, State.CLEAN_HOLD, State.SERVICE_HOLD, State.ENROLL,
    State.MANAGEABLE, State.AVAILABLE,
})  # fmt: skip
INSPECTION = frozenset({State.INSPECT_WAIT})
SIGNAL = "heartbeat"
BOOT, URL = "agent_boot", "agent_url"
# Of driver_internal_info: what does not outlive the agent that said it.
FORGOTTEN = (
    URL, "agent_secret_token", "agent_secret_token_pregenerated", "agent_verify_ca", "agent_last_heartbeat",
    "agent_version", "agent_status", "agent_status_message",
)  # fmt: skip
BMC_ADDRESSES = ("ipmi_address", "redfish_address")


class Taken(enum.StrEnum):
    """What became of a heartbeat. BUSY: the first one, while somebody else holds the node: the agent must repeat it.
    STALE: of an agent that was switched off since."""

    TAKEN = "taken"
    IGNORED = "ignored"
    BUSY = "busy"
    STALE = "stale"
    UNKNOWN = "unknown"


def admit(found: Iterable[Mapping[str, Any]], states: frozenset[State]) -> Mapping[str, Any]:
    """The one node that was found, in one of these states. Errors: NotFound."""
    nodes = list(found)
    if len(nodes) != 1 or nodes[0]["provision_state"] not in states:
        raise NotFound("No node was found for this ramdisk, or it expects none")
    return nodes[0]


def lookup_states(*, is_fast: bool) -> frozenset[State]:
    return LOOKUP | FAST_TRACK if is_fast else LOOKUP


def is_fast(driver_info: Mapping[str, Any], *, default: bool) -> bool:
    """Whether the node's agent is kept running between its works: its own word, else everybody's."""
    said = driver_info.get("fast_track")
    if isinstance(said, str):
        return said.strip().lower() in ("true", "yes", "on", "1", "t", "y")
    return default if said is None else bool(said)


def judge(state: State, said_boot: str | None, boot: str | None, *, is_first: bool, is_held: bool) -> Taken:
    """``said_boot``: the boot that the session belongs to, None if to none yet; ``boot``: the node's present one.

    ``is_held``: somebody is at work with the node who does not wait for this very heartbeat.
    """
    if said_boot is not None and said_boot != (boot or ""):
        return Taken.STALE
    if state not in HEARTBEAT:
        return Taken.IGNORED
    return Taken.BUSY if is_first and is_held else Taken.TAKEN


def forgotten(sent: Iterable[StepRun], boot: str, *, started: bool = False) -> dict[str, Any]:
    """The patch of driver_internal_info as these steps are dispatched: an agent does not survive a power-off, nor an
    instance that it ``started``.

    Of a reboot only what is sent before the BMC took it counts: the first slice, and one that is tried again. When a
    later slice goes out, the new agent may be there already.
    """
    if started or any(step.label == "power.set_power" and _ends_agent(step) for step in sent):
        return dict.fromkeys(FORGOTTEN) | {BOOT: boot}
    return {}


def _ends_agent(step: StepRun) -> bool:
    target = power_target(step.args["target"])
    if target in SWITCHES_OFF:
        return True
    is_taken = step.memo.get("answered_at") is not None or bool(step.memo.get("phase"))
    return target is not PowerTarget.ON and (step.attempt == 1 or (step.failures > 0 and not is_taken))


def has_bmc_at(node: Mapping[str, Any], addresses: Iterable[str]) -> bool:
    """Is one of the node's BMC addresses among these? Addresses are compared as written: no names are looked up."""
    info = node["driver_info"]
    written = (str(info[name]) for name in BMC_ADDRESSES if info.get(name))
    return not {_host(address) for address in written}.isdisjoint(addresses)


def _host(address: str) -> str:
    """``https://[2001:db8::1]:443/redfish`` → ``2001:db8::1``; an address by itself stays."""
    try:
        return urlsplit(address).hostname or address if "//" in address else address
    except ValueError:
        return address
