"""The script: every request in the order in which both sides get them. Each part leaves what the next one needs."""

from __future__ import annotations

from . import (
    allocations,
    chassis,
    leaving,
    node_parts,
    nodes,
    patches,
    portgroups,
    ports,
    ramdisk,
    recipes,
    root,
    states,
    vendor,
    versions,
    volumes,
    workers,
)

# From chassis on, each part makes its own nodes and leaves none.
AROUND_NODES = (chassis, portgroups, volumes, node_parts, versions, recipes, allocations, vendor, ramdisk)
PARTS = (root, workers, nodes, patches, ports, states, leaving, *AROUND_NODES)
REQUESTS = [ask for part in PARTS for ask in part.REQUESTS]
