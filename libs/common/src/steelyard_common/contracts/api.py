"""Vocabulary of the `/v1` API that gateway and inventory share: microversions and field tables (facts §3, §4, §6, §8).

``Field.since`` is the minor version from which a field exists; ``kind`` its JSON type. A field newer than the request's
version is left out of answers; written with a non-null value it is NotAcceptable.
"""

from __future__ import annotations

from dataclasses import dataclass

MIN_MINOR = 1
MAX_MINOR = 115
RESERVED_NODE_NAMES = frozenset({"detail", "validate", "states", "management", "maintenance", "vendor_passthru"})


@dataclass(frozen=True)
class Field:
    """One field of a resource. ``kind``: string bool object time list integer. ``sortable``: a plain column."""

    name: str
    kind: str
    since: int = 1
    create: bool = False
    patch: bool = False
    max_length: int | None = None
    sortable: bool = True


def _c(name: str, kind: str, since: int = 1, max_length: int | None = None) -> Field:
    return Field(name, kind, since, True, True, max_length, kind not in ("object", "list"))


def _r(name: str, kind: str, since: int = 1) -> Field:
    return Field(name, kind, since, sortable=kind not in ("object", "list"))


INTERFACES = {
    "bios": 40, "boot": 31, "console": 31, "deploy": 31, "firmware": 86, "inspect": 31, "management": 31,
    "network": 20, "power": 31, "raid": 31, "rescue": 38, "storage": 33, "vendor": 31,
}  # fmt: skip

_NODE_FIELDS = [
    Field("uuid", "string", create=True),
    _c("name", "string", 5, max_length=255),
    _c("driver", "string"),
    _c("driver_info", "object"),
    _r("driver_internal_info", "object", 3),
    _c("properties", "object"),
    _c("extra", "object"),
    _c("instance_info", "object"),
    _c("instance_uuid", "string"),
    _c("instance_name", "string", 104, max_length=255),
    _c("chassis_uuid", "string"),
    _c("resource_class", "string", 21, max_length=80),
    _c("conductor_group", "string", 46, max_length=255),
    _c("owner", "string", 50, max_length=255),
    _c("lessee", "string", 65, max_length=255),
    _c("description", "string", 51, max_length=4096),
    _c("shard", "string", 82, max_length=255),
    _c("parent_node", "string", 83, max_length=255),
    _c("network_data", "object", 66),
    _c("automated_clean", "bool", 47),
    Field("protected", "bool", 48, patch=True),
    Field("protected_reason", "string", 48, patch=True),
    _c("retired", "bool", 61),
    _c("retired_reason", "string", 61),
    _c("maintenance", "bool"),
    _r("maintenance_reason", "string"),
    _r("fault", "string", 42),
    _c("disable_power_off", "bool", 95),
    *(_c(f"{interface}_interface", "string", since, max_length=255) for interface, since in INTERFACES.items()),
    Field("console_enabled", "bool", create=True),
    _r("power_state", "string"),
    _r("target_power_state", "string"),
    _r("provision_state", "string"),
    _r("target_provision_state", "string"),
    _r("provision_updated_at", "time"),
    _r("last_error", "string"),
    _r("reservation", "string"),
    _r("clean_step", "object", 7),
    _r("deploy_step", "object", 44),
    _r("service_step", "object", 87),
    _r("raid_config", "object", 12),
    _r("target_raid_config", "object", 12),
    Field("boot_mode", "string", 75, create=True),
    Field("secure_boot", "bool", 75, create=True),
    _r("inspection_started_at", "time", 6),
    _r("inspection_finished_at", "time", 6),
    _r("traits", "list", 37),
    _r("health", "string", 109),
    _r("allocation_uuid", "string", 52),
    _r("conductor", "string", 49),
    _r("created_at", "time"),
    _r("updated_at", "time"),
]
NODE_FIELDS: dict[str, Field] = {field.name: field for field in _NODE_FIELDS}
# Shown only to who asks for them by name: Ironic does not know them.
NODE_ASKED_FIELDS: dict[str, Field] = {"tags": _r("tags", "list")}
NODE_DEFAULT_FIELDS = ("uuid", "name", "instance_uuid", "power_state", "provision_state", "maintenance")
# `links` may be asked for in fields= and is always there; these four appear only in whole documents (since).
NODE_SUBLINKS = {"ports": 1, "states": 14, "portgroups": 24, "volume": 32}

_PORT_FIELDS = [
    Field("uuid", "string", create=True),
    _c("address", "string"),
    _c("node_uuid", "string"),
    _c("extra", "object"),
    _c("pxe_enabled", "bool", 19),
    _c("local_link_connection", "object", 19),
    _r("internal_info", "object", 18),
    _c("portgroup_uuid", "string", 24),
    _c("physical_network", "string", 34, max_length=64),
    _c("is_smartnic", "bool", 53),
    _c("name", "string", 88, max_length=255),
    _c("description", "string", 97, max_length=255),
    _c("vendor", "string", 100, max_length=32),
    _c("category", "string", 101, max_length=80),
    _c("available_for_dynamic_portgroup", "bool", 111),
    _r("created_at", "time"),
    _r("updated_at", "time"),
]
PORT_FIELDS: dict[str, Field] = {field.name: field for field in _PORT_FIELDS}
PORT_DEFAULT_FIELDS = ("uuid", "address")
