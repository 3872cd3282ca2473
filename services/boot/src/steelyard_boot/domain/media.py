"""Virtual media: what goes into which slot of a BMC, and what is on it. Pure.

| the node has | the first slot | the second slot |
| --- | --- | --- |
| an ISO | it, whole | what is this node's own |
| an ISO, and no second slot | it, whole; static addresses are refused, the token is given out at the first lookup | |
| kernel and ramdisk | an ISO of them, the same for all nodes with these arguments | what is this node's own |
| kernel and ramdisk, and no second slot | an ISO made for this node alone, with what is its own | |

What is a node's own: the agent's token, static addresses, where the API is. The agent finds it by the label of the file
system (ironic_python_agent/utils.py): ``ir-vfd-dev`` with parameters.txt; ``config-2`` as tools for static addresses
expect it, with a configuration file of the agent's; on the CD itself ``VMEDIA_BOOT_ISO``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from steelyard_common.bmc import MediaSlot
from steelyard_common.errors import InvalidRequest, Unsupported

from .node_for_boot import Identity

DISCS = frozenset({"CD", "DVD"})
STICKS = ("USBStick", "Floppy")
PARAMETERS, CONFIG, CD = "ir-vfd-dev", "config-2", "VMEDIA_BOOT_ISO"
AGENT_D = "etc/ironic-python-agent.d"  # the agent copies what lies there to the same place in its ramdisk
NETWORK_DATA = "openstack/latest/network_data.json"


@dataclass(frozen=True, kw_only=True)
class Own:
    """What only this node may have. ``token`` in the clear: it is on its way to the medium."""

    node_uuid: str
    api_url: str = ""
    token: str | None = field(default=None, repr=False)
    network_data: Mapping[str, Any] | None = None
    identity: Identity | None = None

    def __bool__(self) -> bool:
        return self.token is not None or self.network_data is not None or self.identity is not None


@dataclass(frozen=True, kw_only=True)
class Slots:
    """``second`` None: the BMC shows one medium at a time."""

    first: str
    second: str | None = None


def choose(slots: Sequence[MediaSlot]) -> Slots:
    """Errors: Unsupported without a CD slot."""
    disc = next((slot for slot in slots if not slot.kinds or DISCS.intersection(slot.kinds)), None)
    if disc is None:
        raise Unsupported(
            "the BMC has no slot for a virtual CD: use a boot interface over the network ('ipxe', 'http'), or see"
            " whether its licence includes virtual media"
        )
    others = [slot for slot in slots if slot.id != disc.id]
    for kind in STICKS:
        stick = next((slot for slot in others if kind in slot.kinds), None)
        if stick is not None:
            return Slots(first=disc.id, second=stick.id)
    return Slots(first=disc.id)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """``is_shared``: the first medium is the same for all. ``own_medium``: the second slot gets the node's own."""

    is_shared: bool
    own_medium: bool
    has_token: bool


def plan(slots: Slots, *, has_iso: bool, own: Own) -> Plan:
    """Errors: Unsupported where static addresses could not reach the machine."""
    if slots.second is not None:
        return Plan(is_shared=True, own_medium=bool(own), has_token=own.token is not None)
    if not has_iso:
        return Plan(is_shared=not own, own_medium=False, has_token=own.token is not None)
    if own.network_data is not None:
        raise Unsupported(
            "static addresses (network_data) cannot be put beside this ISO: the BMC has one slot only. Set"
            " deploy_kernel and deploy_ramdisk instead of deploy_iso; an ISO is then made for this node"
        )
    return Plan(is_shared=True, own_medium=False, has_token=False)


def label_of(own: Own) -> str:
    """Of the second medium."""
    return PARAMETERS if own.network_data is None and own.identity is None else CONFIG


def files_of(own: Own) -> dict[str, bytes]:
    """Path → content. Errors: InvalidRequest for a token or address that would break out of its line."""
    given = {"ipa-api-url": own.api_url, "ipa-agent-token": own.token or ""}
    told = {name: value for name, value in given.items() if value}
    for name, value in told.items():
        if not value.isascii() or not value.isprintable() or " " in value:
            raise InvalidRequest(f"{name} has characters that cannot be told to an agent")
    options = {"ipa-api-url": "api_url", "ipa-agent-token": "agent_token"}
    lines = "".join(f"{options[name]} = {value}\n" for name, value in told.items())
    files: dict[str, bytes] = {}
    if own.identity is not None and own.identity.key:
        lines += f"listen_tls = True\ntls_cert_file = /{AGENT_D}/agent.pem\ntls_key_file = /{AGENT_D}/agent.key\n"
        files |= {
            f"{AGENT_D}/agent.pem": own.identity.certificate.encode(),
            f"{AGENT_D}/agent.key": own.identity.key.encode(),
        }
    files |= {
        "parameters.txt": "".join(f"{name}={value}\n" for name, value in told.items()).encode(),
        f"{AGENT_D}/steelyard.conf": f"[DEFAULT]\n{lines}".encode(),
        "openstack/latest/meta_data.json": orjson.dumps({"uuid": own.node_uuid}),
    }
    if own.network_data is not None:
        files[NETWORK_DATA] = orjson.dumps(own.network_data)
    return files
