"""Field tables of the records around nodes: chassis, port groups, volumes (facts §9, §10, §17). See ``api``."""

from __future__ import annotations

from .api import Field

_EXTRA = Field("extra", "object", create=True, patch=True, sortable=False)
_UUID = Field("uuid", "string", create=True)
_STAMPS = [Field("created_at", "time"), Field("updated_at", "time")]


def _changeable(name: str, kind: str = "string", since: int = 1, max_length: int | None = None) -> Field:
    return Field(name, kind, since, True, True, max_length, kind != "object")


def _table(*fields: Field) -> dict[str, Field]:
    return {field.name: field for field in (_UUID, *fields, _EXTRA, *_STAMPS)}


CHASSIS_FIELDS = _table(_changeable("description", max_length=255))
CHASSIS_DEFAULT_FIELDS = ("uuid", "description")
CHASSIS_SUBLINKS = {"nodes": 1}

PORTGROUPS_SINCE = 23
PORTGROUP_FIELDS = _table(
    _changeable("name", max_length=255),
    _changeable("address"),
    _changeable("node_uuid"),
    Field("internal_info", "object", sortable=False),
    _changeable("standalone_ports_supported", "bool"),
    _changeable("mode", since=26, max_length=255),
    _changeable("properties", "object", 26),
    _changeable("physical_network", since=102, max_length=64),
    _changeable("category", since=103, max_length=80),
    Field("dynamic_portgroup", "bool", 111),
)
PORTGROUP_DEFAULT_FIELDS = ("uuid", "address", "name")
PORTGROUP_SUBLINKS = {"ports": 23}

VOLUME_SINCE = 32
CONNECTOR_FIELDS = _table(
    _changeable("node_uuid"),
    _changeable("type", max_length=255),
    _changeable("connector_id", max_length=255),
)
CONNECTOR_DEFAULT_FIELDS = ("uuid", "node_uuid", "type", "connector_id")

TARGET_FIELDS = _table(
    _changeable("node_uuid"),
    _changeable("volume_type", max_length=255),
    _changeable("boot_index", "integer"),
    _changeable("volume_id", max_length=255),
    _changeable("properties", "object"),
)
TARGET_DEFAULT_FIELDS = ("uuid", "node_uuid", "volume_type", "boot_index", "volume_id")
# Objects of a volume target that may hold secrets.
TARGET_SEALED = frozenset({"properties"})
