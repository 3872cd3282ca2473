"""Fields of deploy templates, runbooks, inspection rules and allocations (api facts §13 to §16).

As in ``api``: ``since`` is the minor version from which a field exists. The resources themselves came with the versions
below; only what is newer than its resource has a ``since`` of its own.
"""

from __future__ import annotations

from .api import Field

ALLOCATIONS_SINCE = 52
ALLOCATION_PATCH_SINCE = 57
DEPLOY_TEMPLATES_SINCE = 55
RUNBOOKS_SINCE = 92
RUNBOOK_TRAITS_SINCE = 112
INSPECTION_RULES_SINCE = 96
LISTS = ("list", "object")


def _written(name: str, kind: str, since: int = 1, max_length: int | None = None) -> Field:
    return Field(name, kind, since, True, True, max_length, kind not in LISTS)


def _once(name: str, kind: str, since: int = 1, max_length: int | None = None) -> Field:
    """Given when it is made, and never changed."""
    return Field(name, kind, since, True, False, max_length, kind not in LISTS)


def _read(name: str, kind: str, since: int = 1) -> Field:
    return Field(name, kind, since, sortable=kind not in LISTS)


def _table(*fields: Field) -> dict[str, Field]:
    stamps = (_read("created_at", "time"), _read("updated_at", "time"))
    return {field.name: field for field in (_once("uuid", "string"), *fields, *stamps)}


DEPLOY_TEMPLATE_FIELDS = _table(
    _written("name", "string", max_length=255),
    _written("description", "string", max_length=255),
    _written("steps", "list"),
    _written("extra", "object"),
)
RUNBOOK_FIELDS = _table(
    _written("name", "string", max_length=255),
    _written("description", "string", RUNBOOK_TRAITS_SINCE, max_length=255),
    _written("disable_ramdisk", "bool"),
    _written("public", "bool"),
    _written("owner", "string", max_length=255),
    _written("steps", "list"),
    _written("extra", "object"),
    _read("traits", "list", RUNBOOK_TRAITS_SINCE),
)
INSPECTION_RULE_FIELDS = _table(
    _written("description", "string", max_length=255),
    _written("priority", "integer"),
    _written("phase", "string", max_length=16),
    _written("sensitive", "bool"),
    _written("conditions", "list"),
    _written("actions", "list"),
)
ALLOCATION_FIELDS = _table(
    _written("name", "string", max_length=255),
    _once("resource_class", "string", max_length=80),
    _once("candidate_nodes", "list"),
    _once("traits", "list"),
    _once("owner", "string", 60, max_length=255),
    _written("extra", "object"),
    Field("node_uuid", "string", sortable=False),
    _read("state", "string"),
    _read("last_error", "string"),
)
# Where the node must stand. Shown only to who asks for them by name: Ironic does not know them.
ALLOCATION_ASKED_FIELDS = {
    each.name: each
    for each in (
        _once("affinity", "object"),
        _once("anti_affinity", "object"),
        Field("availability_zone", "string", 1, create=True, max_length=255, sortable=False),
    )
}
# Only in the body that makes an allocation: the node that it is to be recorded for (backfill).
ALLOCATION_NODE = Field("node", "string", 58, create=True, max_length=255, sortable=False)
DEPLOY_TEMPLATE_DEFAULT_FIELDS = ("uuid", "name")
RUNBOOK_DEFAULT_FIELDS = ("uuid", "name")
INSPECTION_RULE_DEFAULT_FIELDS = ("uuid", "priority", "phase", "description")
ALLOCATION_DEFAULT_FIELDS = tuple(ALLOCATION_FIELDS)
