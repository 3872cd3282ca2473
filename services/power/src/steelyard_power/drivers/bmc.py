"""Conversations through the common BMC pool."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from steelyard_common.bmc import BmcDriver, NodeAccess
from steelyard_common.bmc.pool import BmcPool
from steelyard_common.errors import InvalidRequest

from . import Node
from .noop import NoopManagement

NOOP = "noop"


class BmcConversations:
    """See ``drivers.Conversations``."""

    def __init__(self, pool: BmcPool) -> None:
        self._pool = pool

    @contextmanager
    def open(self, node: Node, interface: str, *, timeout_s: float, patient: bool = True) -> Iterator[BmcDriver]:
        kind = node["interfaces"].get(interface)
        if kind is None:
            raise InvalidRequest(f"the node has no {interface} interface")
        if kind == NOOP:
            yield NoopManagement()
            return
        with self._pool.driver(kind, access(node), timeout_s=timeout_s, patient=patient) as driver:
            yield driver

    def report(self) -> list[dict[str, Any]]:
        return self._pool.report()


def access(node: Node) -> NodeAccess:
    """What a driver may know of a node."""
    return NodeAccess(
        uuid=node["uuid"],
        driver_info=node["driver_info"],
        sealed=node.get("sealed") or {},
        power_state=node.get("power_state"),
        boot_mode=node.get("boot_mode"),
        secure_boot=node.get("secure_boot"),
        properties=node.get("properties") or {},
    )
