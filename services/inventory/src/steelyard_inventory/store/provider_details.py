"""What only those need to know of a node who boot it: its ports, its instance and network, whose it is."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, text

# Aggregated in a query of its own for each node: a join would repeat the documents of the node for each port.
_READ = text(
    "SELECT n.uuid::text AS uuid, n.extra, n.network_data, n.instance_name, n.owner, n.lessee, "
    "coalesce((SELECT jsonb_agg("
    "jsonb_build_object('uuid', p.uuid, 'address', p.address, 'pxe_enabled', p.pxe_enabled, 'physical_network', "
    "p.physical_network, 'local_link_connection', p.local_link_connection, 'extra', p.extra) ORDER BY p.id) "
    "FROM ports p WHERE p.node_uuid = n.uuid), '[]'::jsonb) AS ports "
    "FROM nodes n WHERE n.uuid = ANY(CAST(:uuids AS uuid[]))"
)


def read(connection: Connection, uuids: Collection[str]) -> dict[str, dict[str, Any]]:
    """Node → {ports, extra, network_data, instance_name, owner, lessee}, as the transaction leaves them."""
    rows = connection.execute(_READ, {"uuids": sorted(uuids)}).mappings()
    return {row["uuid"]: {name: row[name] for name in row if name != "uuid"} for row in rows}
