"""Deploy templates, runbooks and inspection rules: one class, and a ``Kind`` for what differs (facts §14 to §16)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from marshmallow import Schema
from steelyard_common.contracts.api import Field
from steelyard_common.contracts.recipes import DEPLOY_TEMPLATE_FIELDS, INSPECTION_RULE_FIELDS, RUNBOOK_FIELDS
from steelyard_common.errors import InvalidRequest
from steelyard_common.secrets import SECRET_NAME, Sealer

from ..domain import identifiers, listings, patches, recipe_listings
from ..domain.listings import Listing, Query
from ..domain.policy import guards
from ..drivers import Upstream
from . import schemas
from .access import Gate
from .call import Call
from .nodes import either_spelling, within_version
from .sealing import seal
from .trait_lists import TraitLists


@dataclass(frozen=True, kw_only=True)
class Kind:
    """``verb``: of one, in subjects; ``hidden``: lists in which secrets may stand; ``mandatory``: never removed."""

    plural: str
    verb: str
    fields: dict[str, Field]
    listing: Listing
    schema: Schema
    mandatory: tuple[str, ...]
    hidden: frozenset[str]
    has_names: bool = True


DEPLOY_TEMPLATES = Kind(
    plural="deploy_templates",
    verb="deploy-template",
    fields=DEPLOY_TEMPLATE_FIELDS,
    listing=recipe_listings.DEPLOY_TEMPLATES,
    schema=schemas.DEPLOY_TEMPLATE,
    mandatory=("name", "steps"),
    hidden=frozenset({"steps"}),
)
RUNBOOKS = Kind(
    plural="runbooks",
    verb="runbook",
    fields=RUNBOOK_FIELDS,
    listing=recipe_listings.RUNBOOKS,
    schema=schemas.RUNBOOK,
    mandatory=("name", "steps"),
    hidden=frozenset({"steps"}),
)
INSPECTION_RULES = Kind(
    plural="inspection_rules",
    verb="inspection-rule",
    fields=INSPECTION_RULE_FIELDS,
    listing=recipe_listings.INSPECTION_RULES,
    schema=schemas.INSPECTION_RULE,
    mandatory=("actions",),
    hidden=frozenset({"conditions", "actions"}),
    has_names=False,
)


class Recipes:
    """Questions and commands on one of the three resources. Idents come as in the path."""

    def __init__(self, inventory: Upstream, sealer: Sealer, gate: Gate, kind: Kind) -> None:
        self._inventory = inventory
        self._sealer = sealer
        self._gate = gate
        self.kind = kind
        self.traits = TraitLists(self._ask, f"{kind.verb}-traits", self._tell, f"set-{kind.verb}-traits")

    def list_all(self, call: Call, query: Query) -> bytes:
        body = listings.parse_list(self.kind.listing, query, call.minor)
        body |= {"api": call.api(), "resource_url": self.kind.plural}
        return self._inventory.query(self.kind.plural.replace("_", "-"), body, call.headers())

    def show(self, call: Call, ident: str, query: Query) -> bytes:
        recipe_listings.only_fields(query)
        body = {"api": call.api(), "fields": listings.parse_fields(self.kind.listing, query, call.minor)}
        return self._ask(self.kind.verb, call, ident, body)

    def create(self, call: Call, body: Any) -> tuple[str, bytes]:
        """The new UUID, made here if the caller gave none, and the document."""
        loaded = schemas.load(self.kind.schema, self.kind.listing.resource, body)
        record = within_version(loaded, lambda name: self.kind.fields[name].since, call.minor)
        self._gate.require_steps(call, record.get("steps"))
        if "owner" in self.kind.fields:
            self._own(call, record)
        for name in self.kind.hidden & record.keys():
            record[name] = seal(record[name], self._sealer)
        uuid: str = record.setdefault("uuid", str(uuid4()))
        asked = {"api": call.api(), "record": record}
        return uuid, self._inventory.command(f"create-{self.kind.verb}", asked, call.headers())

    def update(self, call: Call, ident: str, patch: Any) -> bytes:
        operations = patches.parse(patch, self.kind.fields, call.minor, mandatory=self.kind.mandatory)
        if "owner" in self.kind.fields:
            self._gate.require(
                call, ident, *guards.runbook_rules(each.root for each in operations), kind=guards.RUNBOOK
            )
        for operation in operations:
            if operation.root == "steps":
                self._gate.require_steps(call, _steps(operation))
        body = {"api": call.api(), "patch": [self._sealed(self._typed(each)) for each in operations]}
        return self._tell(f"update-{self.kind.verb}", call, ident, body)

    def _own(self, call: Call, record: dict[str, Any]) -> None:
        """A project's runbook is its own, and not public. Errors: InvalidRequest."""
        if record.get("public") and not self._gate.policy.decide(call.caller, "baremetal:runbook:update:public"):
            raise InvalidRequest("a runbook of your project cannot be public")
        if owner := self._gate.own(call, "baremetal:runbook:update:owner", record.get("owner")):
            record["owner"] = owner

    def delete(self, call: Call, ident: str) -> None:
        self._tell(f"delete-{self.kind.verb}", call, ident, {"api": call.api()})

    def _ask(self, verb: str, call: Call, ident: str, body: dict[str, Any]) -> bytes:
        return either_spelling(
            call, ident, lambda each: self._inventory.query(verb, self._named(call, each, body), call.headers())
        )

    def _tell(self, verb: str, call: Call, ident: str, body: dict[str, Any]) -> bytes:
        return either_spelling(
            call, ident, lambda each: self._inventory.command(verb, self._named(call, each, body), call.headers())
        )

    def _named(self, call: Call, ident: str, body: dict[str, Any]) -> dict[str, Any]:
        """Errors: InvalidRequest, BadIdentifier."""
        if self.kind.has_names:
            return body | {"ident": identifiers.from_path(self.kind.listing.resource, ident, call.minor)}
        return body | {"ident": identifiers.uuid(f"{self.kind.listing.resource}", ident)}

    def _typed(self, operation: patches.Operation) -> patches.Operation:
        """The operation with the value of a root field in its one form."""
        if not operation.sets_root:
            return operation
        resource = self.kind.listing.resource
        return operation.with_value(schemas.load_value(self.kind.schema, resource, operation.root, operation.value))

    def _sealed(self, operation: patches.Operation) -> dict[str, Any]:
        body = operation.to_dict()
        if operation.root in self.kind.hidden and "value" in body:
            is_secret = any(SECRET_NAME.search(name) for name in operation.segments[1:])
            body["value"] = seal(operation.value, self._sealer, under_secret=is_secret)
        return body


def _steps(operation: patches.Operation) -> list[Any]:
    """The steps that a patch brings: all, one, or none."""
    if operation.op == "remove":
        return []
    return operation.value if isinstance(operation.value, list) else [operation.value]
