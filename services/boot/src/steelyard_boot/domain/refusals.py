"""Agents that were not believed, in words for whoever waits for the right one: who, when, why, what to do. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

from .sessions import NOT_BELIEVED

TOKEN_GIVEN = "the token of this boot was given out before"  # noqa: S105 - words
MOST_MACS = 8  # in one sentence
_HOST = re.compile(r"[A-Za-z0-9.:_-]{1,100}")
_STRANGER = (
    "It is of an earlier boot of the machine, or another machine's: see which machine has that address, and that no "
    "other one has this node's MAC addresses; switch it off, then boot this node again."
)
# What begins so → what to do; of the others the reason says it.
_REMEDIES = (
    (NOT_BELIEVED, _STRANGER),
    (
        TOKEN_GIVEN,
        "An agent gets one token a boot: somebody else asked first, another machine has this node's MAC addresses, or "
        "the answer to its first question was lost. Begin this work again.",
    ),
    (
        'Detected change in ramdisk provided "callback_url"',
        "Two agents call for this node, or its address changed under it: see which machines have its MAC addresses, "
        "and that its DHCP server gives it one address.",
    ),
    ('Detected change in ramdisk provided "agent_verify_ca"', _STRANGER),
    ("Agent did not transmit a version", "Build the ramdisk with ironic-python-agent 12 or newer."),
    (
        'An issue with the supplied "callback_url"',
        "Look at its log, and at ipa-advertise-host in its kernel arguments if it is given there.",
    ),
)


def remedy_for(reason: str) -> str:
    """Empty where the reason itself says what to do."""
    return next((remedy for beginning, remedy in _REMEDIES if reason.startswith(beginning)), "")


def of_heartbeat(url: str, reason: str, at: datetime) -> str:
    """``url``: as the one that called told it; nobody vouches for it."""
    return _sentences(f"An agent {_place(url)} called at {_clock(at)} and was refused: {reason}", reason)


def of_lookup(at: datetime) -> str:
    return _sentences(f"A ramdisk asked for its token at {_clock(at)}, and {TOKEN_GIVEN}", TOKEN_GIVEN)


def of_several(macs: Sequence[str], at: datetime) -> str:
    """``macs``: as the one that asked told them."""
    shown = ", ".join(macs[:MOST_MACS]) + (" …" if len(macs) > MOST_MACS else "")
    return (
        f"A ramdisk with the MAC addresses {shown} asked for its token at {_clock(at)} and got none: they are ports of "
        "several nodes. See of which each is (baremetal port list --address), delete the ports that are not this "
        "machine's, then begin this work again."
    )


def _sentences(said: str, reason: str) -> str:
    return f"{said.rstrip('.')}. {remedy_for(reason)}".rstrip()


def _clock(at: datetime) -> str:
    return f"{at:%H:%M:%S} UTC"


def _place(url: str) -> str:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    return f"at {host}" if _HOST.fullmatch(host) else "of no known address"
