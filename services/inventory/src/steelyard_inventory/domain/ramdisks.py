"""Which node a ramdisk may speak for (API facts §20). Refusals do not say why: those who ask are not signed in."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from steelyard_common.errors import InvalidRequest, NotFound

from .transitions import State

# Somebody may have started a ramdisk on a node in these states.
LOOKUP = frozenset({
    State.DEPLOYING, State.DEPLOY_WAIT, State.CLEANING, State.CLEAN_WAIT, State.INSPECTING, State.INSPECT_WAIT,
    State.RESCUING, State.RESCUE_WAIT, State.SERVICE_WAIT,
})  # fmt: skip
INSPECTION = frozenset({State.INSPECT_WAIT})
TOKEN, URL = "agent_secret_token", "agent_url"
BMC_ADDRESSES = ("ipmi_address", "redfish_address")


def admit(found: Iterable[Mapping[str, Any]], states: frozenset[State]) -> Mapping[str, Any]:
    """The one node that was found, in one of these states. Errors: NotFound."""
    nodes = list(found)
    if len(nodes) != 1 or nodes[0]["provision_state"] not in states:
        raise NotFound("No node was found for this ramdisk, or it expects none")
    return nodes[0]


def has_bmc_at(node: Mapping[str, Any], addresses: Iterable[str]) -> bool:
    """Is one of the node's BMC addresses among these? Addresses are compared as written: no names are looked up."""
    info = node["driver_info"]
    written = (str(info[name]) for name in BMC_ADDRESSES if info.get(name))
    return not {_host(address) for address in written}.isdisjoint(addresses)


def check_heartbeat(node: Mapping[str, Any], callback_url: str, token: str) -> None:
    """Errors: InvalidRequest: another ramdisk than the one that was given the node's token."""
    notes = node["driver_internal_info"]
    if notes.get(URL) not in (None, callback_url):
        raise InvalidRequest('Detected change in ramdisk provided "callback_url"')
    kept = notes.get(TOKEN)
    if not isinstance(kept, str) or not hmac.compare_digest(kept.encode(), token.encode()):
        raise InvalidRequest("Invalid or missing agent token received.")


def _host(address: str) -> str:
    """``https://[2001:db8::1]:443/redfish`` → ``2001:db8::1``; an address by itself stays."""
    try:
        return urlsplit(address).hostname or address if "//" in address else address
    except ValueError:
        return address
