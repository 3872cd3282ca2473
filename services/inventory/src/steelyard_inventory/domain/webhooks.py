"""Who is told what by webhook, and what follows an answer that was no success. Pure.

Rule 1  An event goes to a webhook once, whoever reads it from the stream and however often.
Rule 2  What is pending of one subject (a node, mostly) goes out in the order of the stream: nothing overtakes what is
        being tried again, or is still in the hands of another who reads. A dead letter holds nothing up.
Rule 3  A project's webhook is told of the nodes that the project owns or leases when the event is read, and of what
        names the project as its owner.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

# Seconds to wait after each try; after the last one the delivery is dead: ten tries over some 21 hours.
PAUSES_S = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 21_600.0, 36_000.0)
MOST_AT_ONCE = 4  # deliveries of one webhook: a slow one must not keep the others waiting
TAKEN_S = 60.0  # how long somebody may be at sending one who says nothing about it
MOST_TAKEN = 1000  # deliveries at a time
LONGEST_GAP_S = 120.0  # no longer does one wait for older ones that another reader seems to hold
GONE = 410  # the receiver says that it wants no more
DELIVERED_DAYS, DEAD_DAYS = 7, 30
PENDING, DELIVERED, DEAD = "pending", "delivered", "dead"
STATUSES = (PENDING, DELIVERED, DEAD)
FILTERS = ("node", "owner", "lessee")


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """An event with what is known of its subject. ``owner``, ``lessee``: of the node, or as the event says."""

    service: str
    fact: str
    subject: str
    owner: str | None
    lessee: str | None


def wants(webhook: Mapping[str, Any], told: Told) -> bool:
    """Whether this webhook is told that (rule 3 included)."""
    name = f"{told.service}.{told.fact}"
    if not any(fnmatch.fnmatchcase(name, each) or fnmatch.fnmatchcase(told.fact, each) for each in webhook["events"]):
        return False
    if webhook["visible"] is not None and webhook["visible"] not in (told.owner, told.lessee):
        return False
    filters = webhook["filters"]
    facts = {"node": told.subject, "owner": told.owner, "lessee": told.lessee}
    return all(facts[name] == filters[name] for name in FILTERS if filters.get(name) is not None)


def again_at(tries: int, now: datetime, pauses_s: Sequence[float] = PAUSES_S) -> datetime | None:
    """When to try again after so many tries failed; None: no more."""
    return now + timedelta(seconds=pauses_s[tries - 1]) if tries <= len(pauses_s) else None
