"""Smaller views of nodes: shards, children, and what other services will write about a node.

BIOS settings and firmware come with the firmware service. Until it writes, a node has none: that is what is answered,
for nodes that exist.
"""

from __future__ import annotations

from typing import Any

import orjson
from steelyard_common.db import Database
from steelyard_common.errors import NotFound

from ..store import inventories, nodes
from .context import Api

UNSHARDED = "None"  # how the API names the nodes that are in no shard


class NodeParts:
    """Queries; nothing here changes anything."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def shards(self) -> dict[str, Any]:
        """How many nodes each shard has."""
        with self._database.read() as connection:
            found = nodes.shard_sizes(connection)
        return {"shards": [{"name": UNSHARDED if name is None else name, "count": count} for name, count in found]}

    def children(self, ident: str, api: Api) -> dict[str, Any]:
        """Errors: NotFound."""
        with self._database.read() as connection:
            uuid = nodes.get(connection, ident)["uuid"]
            found = nodes.children(connection, uuid, api.sight.visible)
        href = f"{api.base_url}/v1/nodes?parent_node={uuid}"
        return {"children": found, "links": {"href": href, "rel": "children"}}

    def bios(self, ident: str) -> dict[str, Any]:
        """Errors: NotFound."""
        self._node(ident)
        return {"bios": []}

    def bios_setting(self, ident: str, name: str) -> dict[str, Any]:
        """Errors: NotFound."""
        uuid = self._node(ident)["uuid"]
        raise NotFound(f"Node {uuid} doesn't have a BIOS setting '{name}'")

    def firmware(self, ident: str) -> dict[str, Any]:
        """Errors: NotFound."""
        self._node(ident)
        return {"firmware": []}

    def inventory(self, ident: str) -> bytes:
        """What the last inspection found. Errors: NotFound."""
        with self._database.read() as connection:
            uuid = nodes.get(connection, ident)["uuid"]
            found = inventories.get(connection, uuid)
        if found is None:
            raise NotFound(f"Node inventory record for node {uuid} could not be found.")
        inventory, plugin_data = map(orjson.Fragment, found)
        return orjson.dumps({"inventory": inventory, "plugin_data": plugin_data})

    def _node(self, ident: str) -> dict[str, Any]:
        with self._database.read() as connection:
            return nodes.get(connection, ident)
