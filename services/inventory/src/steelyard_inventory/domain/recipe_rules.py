"""What deploy templates, runbooks and inspection rules may be (api facts §14 to §16).

A ``Recipe`` is the table of one resource; the use cases are the same for all three.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from steelyard_common.contracts.api import Field
from steelyard_common.contracts.recipes import (
    DEPLOY_TEMPLATE_DEFAULT_FIELDS,
    DEPLOY_TEMPLATE_FIELDS,
    INSPECTION_RULE_DEFAULT_FIELDS,
    INSPECTION_RULE_FIELDS,
    RUNBOOK_DEFAULT_FIELDS,
    RUNBOOK_FIELDS,
)
from steelyard_common.errors import InvalidRequest

from . import sealing
from .inspection_ops import check_actions, check_conditions
from .patches import Operation
from .step_rules import pair, runbook_steps, template_steps, with_kept_secrets
from .traits import is_trait
from .values import boolean, checked, is_name, require_uuid

Record = Mapping[str, Any]
FREE_RUNBOOK_NAMES_SINCE = 112
PHASES = ("main",)
MAX_PRIORITY = 9999


@dataclass(frozen=True, kw_only=True, eq=False)
class Recipe:
    """``complete(record, minor)`` gives every writable field its kept form; ``may_change(before, after, operations)``
    has the last word on an update. ``hidden``: lists in which secrets may stand, and what makes an item of them the
    same one after a change."""

    table: str
    word: str
    fact: str
    fields: Mapping[str, Field]
    default_fields: tuple[str, ...]
    hidden: Mapping[str, Callable[[Any], Any]]
    complete: Callable[[Record, int], dict[str, Any]]
    may_change: Callable[[Record, dict[str, Any], list[Operation]], dict[str, Any]]

    @property
    def patchable(self) -> tuple[str, ...]:
        return tuple(name for name, field in self.fields.items() if field.patch)


def split(recipe: Recipe, record: Record) -> dict[str, Any]:
    """The record as it is stored: secrets apart from what is shown."""
    row, sealed = dict(record), {}
    for name in recipe.hidden:
        shown, tokens = sealing.split(name, {name: record[name]})
        row[name] = shown[name]
        if tokens:
            sealed[name] = {path.removeprefix(f"/{name}"): token for path, token in tokens.items()}
    return row | {"sealed": sealed}


def joined(recipe: Recipe, row: Record) -> dict[str, Any]:
    """The writable fields of a stored row, secrets as their tokens."""
    record = {name: row[name] for name, field in recipe.fields.items() if field.create or field.patch}
    for name in recipe.hidden:
        tokens = {f"/{name}{path}": token for path, token in row["sealed"].get(name, {}).items()}
        record[name] = sealing.joined({name: row[name]}, tokens)[name]
    return record


def kept(recipe: Recipe, before: Record, after: Record) -> dict[str, Any]:
    """``after`` with each ****** that means "as it was" replaced by the token it stands for."""
    return dict(after) | {
        name: with_kept_secrets(after[name], before[name], identity)
        for name, identity in recipe.hidden.items()
        if name in after
    }


def _plain(recipe_fields: Mapping[str, Field], record: Record) -> dict[str, Any]:
    """Every writable field that is not a list, in its kept form or None. Errors: InvalidRequest."""
    result: dict[str, Any] = {}
    for name, field in recipe_fields.items():
        if (field.create or field.patch) and field.kind != "list":
            result[name] = checked(field, record.get(name))
    if result["uuid"] is not None:
        result["uuid"] = require_uuid("uuid", result["uuid"])
    return result


def _template(record: Record, minor: int) -> dict[str, Any]:
    del minor
    result = _plain(DEPLOY_TEMPLATE_FIELDS, record)
    _require_trait("Deploy template name", result["name"])
    return result | {"extra": result["extra"] or {}, "steps": template_steps(record.get("steps"))}


def _runbook(record: Record, minor: int) -> dict[str, Any]:
    result = _plain(RUNBOOK_FIELDS, record)
    if minor < FREE_RUNBOOK_NAMES_SINCE:
        _require_trait("Runbook name", result["name"])
    elif not result["name"] or not is_name(result["name"], minor):
        raise InvalidRequest("Schema error: 'name' is a required property: a logical name of 1 to 255 characters")
    for name in ("disable_ramdisk", "public"):
        result[name] = boolean(name, result[name] or False)
    if result["public"] and result["owner"] is not None:
        raise InvalidRequest("Cannot have an owner when public is true: a public runbook belongs to nobody")
    return result | {"extra": result["extra"] or {}, "steps": runbook_steps(record.get("steps"))}


def _rule(record: Record, minor: int) -> dict[str, Any]:
    del minor
    result = _plain(INSPECTION_RULE_FIELDS, record)
    result["priority"] = result["priority"] or 0
    if not 0 <= result["priority"] <= MAX_PRIORITY:
        raise InvalidRequest(f"Schema error: priority must be from 0 to {MAX_PRIORITY}; the others are built-in rules'")
    result["phase"] = PHASES[0] if result["phase"] is None else result["phase"]
    if result["phase"] not in PHASES:
        raise InvalidRequest(f"Invalid phase; valid phases are: {', '.join(PHASES)}")
    result["sensitive"] = bool(result["sensitive"])
    conditions, actions = record.get("conditions"), record.get("actions")
    result |= {"conditions": [] if conditions is None else conditions, "actions": [] if actions is None else actions}
    check_conditions(result["conditions"])
    check_actions(result["actions"])
    return result


def _require_trait(what: str, name: Any) -> None:
    if not is_trait(name):
        raise InvalidRequest(f"{what} must be a standard trait, or CUSTOM_ followed by A-Z, 0-9 and _")


def _as_asked(before: Record, after: dict[str, Any], operations: list[Operation]) -> dict[str, Any]:
    del before, operations
    return after


def _disowned(before: Record, after: dict[str, Any], operations: list[Operation]) -> dict[str, Any]:
    """Making a runbook public takes its owner away, unless the same patch names one: that makes no sense."""
    names_owner = any(each.root == "owner" and each.op != "remove" and each.value is not None for each in operations)
    if after.get("public") and not before["public"] and not names_owner:
        return after | {"owner": None}
    return after


def _still_sensitive(before: Record, after: dict[str, Any], operations: list[Operation]) -> dict[str, Any]:
    del operations
    if before["sensitive"] and not boolean("sensitive", after.get("sensitive") or False):
        raise InvalidRequest("Inspection rule cannot have the sensitive flag unset")
    return after


DEPLOY_TEMPLATE = Recipe(
    table="deploy_templates",
    word="Deploy template",
    fact="deploy-template",
    fields=DEPLOY_TEMPLATE_FIELDS,
    default_fields=DEPLOY_TEMPLATE_DEFAULT_FIELDS,
    hidden={"steps": pair},
    complete=_template,
    may_change=_as_asked,
)
RUNBOOK = Recipe(
    table="runbooks",
    word="Runbook",
    fact="runbook",
    fields=RUNBOOK_FIELDS,
    default_fields=RUNBOOK_DEFAULT_FIELDS,
    hidden={"steps": pair},
    complete=_runbook,
    may_change=_disowned,
)


def _shown(item: Any) -> Any:
    """An item as it is shown: what two forms of it, with tokens and with ******, have in common."""
    return sealing.split("", {"": item})[0]


INSPECTION_RULE = Recipe(
    table="inspection_rules",
    word="Inspection rule",
    fact="inspection-rule",
    fields=INSPECTION_RULE_FIELDS,
    default_fields=INSPECTION_RULE_DEFAULT_FIELDS,
    hidden={"conditions": _shown, "actions": _shown},
    complete=_rule,
    may_change=_still_sensitive,
)
RECIPES = (DEPLOY_TEMPLATE, RUNBOOK, INSPECTION_RULE)
