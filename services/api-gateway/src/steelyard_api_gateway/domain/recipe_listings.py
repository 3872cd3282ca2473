"""What lists of deploy templates, runbooks, inspection rules and allocations may be asked for (facts §13 to §16)."""

from __future__ import annotations

from steelyard_common.contracts.api import Field
from steelyard_common.contracts.recipes import (
    ALLOCATION_ASKED_FIELDS,
    ALLOCATION_FIELDS,
    DEPLOY_TEMPLATE_FIELDS,
    INSPECTION_RULE_FIELDS,
    RUNBOOK_FIELDS,
)
from steelyard_common.errors import InvalidRequest

from . import identifiers
from .filters import Filter
from .listings import Listing, Query, refuse_unknown


def _text(_name: str, value: str, _minor: int) -> str:
    return value


def _listing(resource: str, fields: dict[str, Field], filters: dict[str, Filter]) -> Listing:
    sortable = {"id"} | {name for name, field in fields.items() if field.sortable}
    since = {name: field.since for name, field in fields.items()} | {"links": 1}
    # `fields` and `detail` are older than these resources.
    return Listing(resource=resource, fields=since, sortable=frozenset(sortable), filters=filters)


DEPLOY_TEMPLATES = _listing("deploy template", DEPLOY_TEMPLATE_FIELDS, {})
RUNBOOKS = _listing("runbook", RUNBOOK_FIELDS, {"project": Filter(_text), "owner": Filter(_text)})
INSPECTION_RULES = _listing("inspection rule", INSPECTION_RULE_FIELDS, {"phase": Filter(_text)})
ALLOCATIONS = _listing(
    "allocation",
    ALLOCATION_FIELDS | ALLOCATION_ASKED_FIELDS,
    {
        "node": Filter(identifiers.from_query),
        "resource_class": Filter(_text),
        "state": Filter(_text),
        "owner": Filter(_text, 60),
    },
)


def without_detail(query: Query) -> None:
    """Lists of allocations are whole; they know no ``detail``. Errors: InvalidRequest."""
    if "detail" in query:
        raise InvalidRequest("Unexpected arguments: detail")


def only_fields(query: Query) -> None:
    """Errors: InvalidRequest."""
    refuse_unknown(query, frozenset({"fields"}))
