"""What boot asks about a node's volumes."""

from __future__ import annotations

from collections.abc import Sequence

from steelyard_common.bus import Endpoint

from ..service.node_volumes import NodeVolumes
from .ramdisks import IdentSchema
from .requests import Table


def endpoints(site: str, volumes: NodeVolumes) -> Sequence[Endpoint]:
    table = Table(site)
    table.query("node-volumes", IdentSchema, lambda r: volumes.of_node(r.body["ident"]))
    return table.rows
