"""NICs that an inspection found become ports of their node, unless somebody has them already."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from steelyard_common.contracts.events import cloud_event
from steelyard_common.db import Transaction

from ..domain.runs import Run
from ..store import found_ports as store

MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def ports_found(transaction: Transaction, site: str, run: Run, facts: Mapping[str, Any], now: datetime) -> None:
    """``facts["ports"]``: {address, pxe_enabled} of each. Those that are new are written and told."""
    listed = facts.get("ports")
    wanted: dict[str, dict[str, Any]] = {}
    for each in listed if isinstance(listed, list) else ():
        address = str(each.get("address", "")).lower() if isinstance(each, Mapping) else ""
        if not MAC.fullmatch(address):
            continue
        pxe = bool(each.get("pxe_enabled", True))
        wanted[address] = {"uuid": str(uuid4()), "address": address, "pxe_enabled": pxe}
    for port in store.add(transaction.connection, run.node_uuid, list(wanted.values()), now):
        data = {"uuid": port["uuid"], "address": port["address"]}
        transaction.emit(
            cloud_event(site, "inventory", "port-created", run.node_uuid, data, cause=dict(run.cause), now=now)
        )
