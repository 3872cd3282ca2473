"""What lists of chassis, port groups, volumes and parts of a node may be asked for (facts §7.3, §9, §10, §17)."""

from __future__ import annotations

from collections.abc import Iterable

from steelyard_common.contracts.api import Field
from steelyard_common.contracts.records import CHASSIS_FIELDS, CONNECTOR_FIELDS, PORTGROUP_FIELDS, TARGET_FIELDS
from steelyard_common.errors import InvalidRequest

from .filters import Filter, groups, mac_filter, node_filter, word_list
from .listings import Listing

VOLUME_SINCE = 32
_NODE = {"node": Filter(node_filter)}
_BIOS_REGISTRY = (
    "attribute_type", "allowable_values", "lower_bound", "upper_bound", "min_length", "max_length", "read_only",
    "reset_required", "unique",
)  # fmt: skip


def _since(fields: dict[str, Field], *extra: str) -> dict[str, int]:
    return {name: each.since for name, each in fields.items()} | dict.fromkeys((*extra, "links"), 1)


def _sortable(fields: dict[str, Field]) -> frozenset[str]:
    """``node_uuid`` is not among them, as for ports."""
    return frozenset({"id"} | {name for name, each in fields.items() if each.sortable}) - {"node_uuid"}


CHASSIS = Listing(
    resource="chassis", fields=_since(CHASSIS_FIELDS, "nodes"), sortable=_sortable(CHASSIS_FIELDS), filters={}
)  # fmt: skip
PORTGROUPS = Listing(
    resource="portgroup",
    fields=_since(PORTGROUP_FIELDS) | {"ports": 24},
    sortable=_sortable(PORTGROUP_FIELDS),
    filters=_NODE
    | {"address": Filter(mac_filter), "shard": Filter(word_list, 106), "conductor_groups": Filter(groups, 99)},
)
CONNECTORS = Listing(
    resource="volume connector",
    fields=_since(CONNECTOR_FIELDS),
    sortable=_sortable(CONNECTOR_FIELDS),
    filters=_NODE,
    detail_since=VOLUME_SINCE,
)
TARGETS = Listing(
    resource="volume target",
    fields=_since(TARGET_FIELDS),
    sortable=_sortable(TARGET_FIELDS),
    filters=_NODE,
    detail_since=VOLUME_SINCE,
)
BIOS = Listing(
    resource="BIOS setting",
    fields=dict.fromkeys(("name", "value", "created_at", "updated_at", "links", *_BIOS_REGISTRY), 74),
    fields_since=74,
    detail_since=74,
    paged=False,
)
FIRMWARE = Listing(
    resource="firmware component",
    fields=dict.fromkeys(
        ("component", "initial_version", "current_version", "last_version_flashed", "created_at", "updated_at"), 86
    )
    | dict.fromkeys(("vendor", "model", "serial_number"), 114),
    detail_since=86,
    paged=False,
)
HISTORY = Listing(
    resource="history entry",
    fields={},
    sortable=frozenset({
        "id", "uuid", "created_at", "severity", "event_type", "event", "conductor", "user", "project",
    }),
    detail_since=78,
)  # fmt: skip


def without_filters(listing: Listing) -> Listing:
    """The same list below something that chooses its items already."""
    return Listing(
        resource=listing.resource, fields=listing.fields, sortable=listing.sortable, detail_since=listing.detail_since
    )  # fmt: skip


def check_portgroup_filters(given: Iterable[str]) -> None:
    """Errors: InvalidRequest for two that exclude one another."""
    if len(set(given) & {"node", "address", "shard", "conductor_groups"}) > 1:
        raise InvalidRequest("Filtering by node, address, shard and conductor_groups together is not supported.")
