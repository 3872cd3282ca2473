"""What power asks of inventory: nodes to poll, and a node for a while (a lease)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson
from steelyard_common.bus import Bus
from steelyard_common.contracts import subjects
from steelyard_common.errors import OutcomeUnknown, SteelyardError, Unavailable
from steelyard_common.telemetry import get_logger

log = get_logger(__name__)
SERVICE = "inventory"
TIMEOUT_S = 5.0
PAGE = 500
LEASE_MARGIN_S = 5.0


class Inventory:
    """``instance``: shown as the holder of leases."""

    def __init__(self, bus: Bus, site: str, instance: str) -> None:
        self._bus, self._site, self._instance = bus, site, instance

    def node(self, ident: str, headers: Mapping[str, str]) -> dict[str, Any]:
        """NodeForProvider by UUID or name. Errors: NotFound, Unavailable."""
        found: dict[str, Any] = self._query("node-for-provider", {"ident": ident}, headers)["node"]
        return found

    @contextmanager
    def lease(self, ident: str, purpose: str, hold_s: float, headers: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """NodeForProvider, and nobody else writes to its BMC meanwhile. Errors: NotFound, Busy, Unavailable."""
        body = {"ident": ident, "purpose": purpose, "ttl_s": hold_s + LEASE_MARGIN_S, "holder": self._instance}
        try:
            taken = orjson.loads(self._command("take-lease", body, headers))
        except OutcomeUnknown as error:
            raise Unavailable("inventory did not answer in time; nothing was sent to the BMC") from error
        try:
            yield taken["node"]
        finally:
            self._release(taken["node"]["uuid"], taken["fence"], headers)

    def power_targets(self, shard: int) -> list[dict[str, Any]]:
        """All nodes of a shard, as qry.power-targets tells them. Errors: Unavailable."""
        targets: list[dict[str, Any]] = []
        after_id = 0
        while True:
            page = self._query("power-targets", {"shard": shard, "after_id": after_id, "limit": PAGE}, {})
            targets += page["targets"]
            if page["next"] is None:
                return targets
            after_id = page["next"]

    def _release(self, node_uuid: str, fence: int, headers: Mapping[str, str]) -> None:
        try:
            self._command("release-lease", {"node": node_uuid, "fence": fence}, headers)
        except SteelyardError as error:
            log.warning("lease is left to expire", node=node_uuid, reason=error.message)

    def _query(self, verb: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
        subject = subjects.query(self._site, SERVICE, verb)
        answer: dict[str, Any] = orjson.loads(
            self._bus.request(subject, body, timeout_s=TIMEOUT_S, headers=dict(headers))
        )
        return answer

    def _command(self, verb: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> bytes:
        subject = subjects.command(self._site, SERVICE, verb)
        return self._bus.request(subject, body, timeout_s=TIMEOUT_S, headers=dict(headers))
