"""What a ramdisk may say (facts §20)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from steelyard_common.errors import InvalidRequest

from . import values

AGENT_STATES = ("start", "end", "error")
# Field of a heartbeat → the minor version that has it.
HEARTBEAT = {
    "callback_url": 22, "agent_token": 22, "agent_version": 36, "agent_verify_ca": 68, "agent_status": 72,
    "agent_status_message": 72,
}  # fmt: skip
WORDS = {
    "callback_url": "url", "agent_token": "token", "agent_version": "version", "agent_verify_ca": "verify_ca",
    "agent_status": "status", "agent_status_message": "status_message",
}  # fmt: skip


def heartbeat(body: Any, minor: int) -> dict[str, str]:
    """→ what it says, in boot's words. The URL may be empty: a ramdisk that cannot be called.

    Errors: InvalidRequest.
    """
    given = body if isinstance(body, dict) else {}
    if given.get("callback_url") is None:
        raise InvalidRequest("Missing mandatory parameter: callback_url")
    if unknown := sorted(given.keys() - HEARTBEAT.keys()):
        raise InvalidRequest(f"Unexpected arguments: {', '.join(map(values.plain, unknown[:10]))}")
    said = {name: values.text(name, value) for name, value in given.items() if value is not None}
    for name in said:
        if minor < HEARTBEAT[name] and said[name]:
            raise InvalidRequest(f'Field "{name}" is not known before version 1.{HEARTBEAT[name]}')
    if said["callback_url"] and not _is_web(said["callback_url"]):
        raise InvalidRequest('An issue with the supplied "callback_url" has been detected.')
    if "agent_token" not in said:
        raise InvalidRequest("Agent token is required for heartbeat processing.")
    if said.get("agent_status", "start") not in AGENT_STATES:
        raise InvalidRequest(f"Agent status is invalid. Valid states are {', '.join(AGENT_STATES)}.")
    return {WORDS[name]: value for name, value in said.items()}


def findings(body: Any) -> tuple[list[str], list[str]]:
    """→ (MAC addresses, BMC addresses) of what an inspection found. Errors: InvalidRequest."""
    found = body.get("inventory") if isinstance(body, dict) else None
    if not isinstance(found, dict):
        raise InvalidRequest("Schema error for data: 'inventory' must be an object")
    interfaces = found.get("interfaces")
    if not isinstance(interfaces, list) or not interfaces:
        raise InvalidRequest("Schema error for data: 'interfaces' must be a list of at least one")
    if not all(isinstance(each, dict) and isinstance(each.get("mac_address"), str) for each in interfaces):
        raise InvalidRequest("Schema error for data: every interface must have a mac_address, a text")
    bmc = [found.get(name) for name in ("bmc_address", "bmc_v6address")]
    if not all(each is None or isinstance(each, str) for each in bmc):
        raise InvalidRequest("Schema error for data: BMC addresses must be texts or null")
    return addresses(each["mac_address"] for each in interfaces), [each for each in bmc if each]


def addresses(given: Any) -> list[str]:
    """The MAC addresses among these; a ramdisk also sees devices that have none."""
    found = []
    for each in given:
        try:
            found.append(values.mac_address("address", each))
        except InvalidRequest:
            continue
    return found


def _is_web(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("http", "https")
    except ValueError:
        return False
