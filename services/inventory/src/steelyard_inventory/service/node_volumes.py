"""A node's volume connectors and targets, for whoever attaches them: what is secret stays sealed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from steelyard_common.db import Database

from ..domain.values import as_uuid
from ..store import nodes, ports
from ..store.records import CONNECTORS, TARGETS


class NodeVolumes:
    """Answers boot."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def knows(self, macs: Sequence[str], system_uuids: Sequence[str]) -> bool:
        """Whether a node has a port with one of these addresses, or one of these UUIDs as its own."""
        uuids = [known for text in system_uuids if (known := as_uuid(text))]
        with self._database.read() as connection:
            if macs and ports.owners(connection, macs):
                return True
            return any(nodes.find(connection, uuid) for uuid in uuids)

    def of_node(self, ident: str) -> dict[str, Any]:
        """→ {connectors: [{type, connector_id}], targets: [{volume_type, boot_index, volume_id, properties, sealed}]}.

        Errors: NotFound.
        """
        with self._database.read() as connection:
            node = str(nodes.get(connection, ident)["uuid"])
            connectors, targets = CONNECTORS.of_node(connection, node), TARGETS.of_node(connection, node)
        asked = ("volume_type", "boot_index", "volume_id", "properties", "sealed")
        return {
            "connectors": [{name: each[name] for name in ("type", "connector_id")} for each in connectors],
            "targets": [{name: each[name] for name in asked} for each in targets],
        }
