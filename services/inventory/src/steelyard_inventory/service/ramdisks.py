"""What ramdisks ask: which node am I, I am alive, this is what I found (API facts §20).

The refusals are complete. Nothing in this release starts a ramdisk, so that whoever is admitted is told to come again:
agents do until the service that talks to them is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from steelyard_common.db import Database
from steelyard_common.errors import Unavailable
from steelyard_common.telemetry import get_logger

from ..domain import ramdisks
from ..store import nodes, ports

log = get_logger(__name__)


class Ramdisks:
    """Questions and commands of a ramdisk that is not signed in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def lookup(self, addresses: Sequence[str], node_uuid: str | None) -> NoReturn:
        """By UUID, else by the addresses of ports. Errors: NotFound, Unavailable."""
        with self._database.read() as connection:
            idents = [node_uuid] if node_uuid else ports.owners(connection, addresses)
            found = [node for ident in idents if (node := nodes.find(connection, ident)) is not None]
        _not_yet(ramdisks.admit(found, ramdisks.LOOKUP)["uuid"])

    def heartbeat(self, ident: str, callback_url: str, token: str) -> NoReturn:
        """Errors: NotFound, InvalidRequest, Unavailable."""
        with self._database.read() as connection:
            node = nodes.get(connection, ident)
        ramdisks.check_heartbeat(node, callback_url, token)
        _not_yet(node["uuid"])

    def continue_inspection(
        self, addresses: Sequence[str], bmc_addresses: Sequence[str], node_uuid: str | None
    ) -> NoReturn:
        """By UUID and addresses of ports, which must name one node; else by its BMC. Errors: NotFound, Unavailable."""
        with self._database.read() as connection:
            idents = {*ports.owners(connection, addresses), *([node_uuid] if node_uuid else [])}
            by_bmc = not idents
            if by_bmc:
                idents = set(nodes.in_states(connection, ramdisks.INSPECTION))
            found = [node for ident in sorted(idents) if (node := nodes.find(connection, ident)) is not None]
        if by_bmc:
            found = [node for node in found if ramdisks.has_bmc_at(node, bmc_addresses)]
        _not_yet(ramdisks.admit(found, ramdisks.INSPECTION)["uuid"])


def _not_yet(node_uuid: str) -> NoReturn:
    log.info("a ramdisk was admitted that nothing waits for", node=node_uuid)
    raise Unavailable("no service that talks to ramdisks is running; try again later")
