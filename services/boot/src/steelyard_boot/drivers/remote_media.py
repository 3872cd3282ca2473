"""The BMC's side of virtual media, through the common pool of conversations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from steelyard_common.bmc import NodeAccess, RemoteMedia
from steelyard_common.bmc.pool import BmcPool
from steelyard_common.errors import Unsupported

KIND = "redfish"


class BmcMedia:
    """``with open(node, timeout_s) as media``. All calls of one conversation end within ``timeout_s``."""

    def __init__(self, pool: BmcPool) -> None:
        self._pool = pool

    @contextmanager
    def open(self, node: Mapping[str, Any], timeout_s: float) -> Iterator[RemoteMedia]:
        """``node``: as a provider sees it. Errors: those of ``steelyard_common.bmc``."""
        management = node["interfaces"].get("management")
        if management != KIND:
            raise Unsupported(f"virtual media need a BMC with Redfish; the management interface is '{management}'")
        access = NodeAccess(
            uuid=node["uuid"], driver_info=node["driver_info"], sealed=node.get("sealed") or {},
            power_state=node.get("power_state"), properties=node.get("properties") or {},
        )  # fmt: skip
        with self._pool.driver(KIND, access, timeout_s=timeout_s) as driver:
            if not isinstance(driver, RemoteMedia):
                raise Unsupported("this BMC has no virtual media")
            yield driver
