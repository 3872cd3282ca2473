"""The gate in front of every route: what the policy says, and what of the rest the caller is shown.

Whoever sees the whole system passes without a question. For a project's caller one question is asked: whose is what
the path names. What is hidden is not there (404); what is seen and may not be done is forbidden (403). From then on
the object is known by its UUID, so that what was judged is what is acted on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import orjson
from steelyard_common.errors import Forbidden, InvalidRequest, NotFound

from ..domain import identifiers
from ..domain.policy import RULES, STEP, guards
from ..domain.policy.guards import ABOUT_NAMED_NODE, BY_FIELD, NODE, OR_OWN, REDACTED, RUNBOOK, Kind
from ..drivers import Upstream
from .call import Call, Caller, Sight
from .policy import Policy

LIST_ALL, LIST = ":list_all", ":list"
# Anybody may, whatever a file says: a ramdisk has no credentials to judge.
PUBLIC = frozenset(name for name, rule in RULES.items() if not rule.check)
_kind_of = lru_cache(maxsize=512)(guards.kind_of)


class Gate:
    """``inventory`` is asked whose something is."""

    def __init__(self, policy: Policy, inventory: Upstream) -> None:
        self.policy = policy
        self._inventory = inventory
        self._sights: dict[tuple[int, Caller], Sight | None] = {}

    def check_rule(self, rule: str) -> None:
        """At start: a route whose rule is not in the table would be nobody's. Errors: InvalidRequest."""
        if not self.policy.has_rule(rule):
            raise InvalidRequest(f"a route asks for the rule {rule}, which the policy does not have")

    def admit(
        self, call: Call, method: str, path: str, rule: str, parts: dict[str, str]
    ) -> tuple[Call, dict[str, str]]:  # fmt: skip
        """The call as it goes on, and the parts of its path. Errors: NotFound, Forbidden, BadIdentifier."""
        if rule in PUBLIC:
            return call, parts
        sight = self._sight(call.caller)
        if sight is not None:
            call = replace(call, sight=sight)
        kind = _kind_of(path)
        if kind is None:
            return self._admit_plain(call, rule), parts
        rules = () if method == "PATCH" and rule in BY_FIELD else (rule,)
        call, uuid = self.enter(
            call, kind, parts[kind.part], *rules, only_uuid=kind.name == "port" and method == "DELETE"
        )
        return call, (parts if uuid is None else {**parts, kind.part: uuid})

    def enter(
        self, call: Call, kind: Kind, ident: str, *rules: str, only_uuid: bool = False
    ) -> tuple[Call, str | None]:  # fmt: skip
        """Judge what a path or query names. → its UUID, None when nobody had to be asked.

        Errors: NotFound, Forbidden, BadIdentifier, InvalidRequest."""
        seen = self.policy.decide(call.caller, kind.sees)
        may = [self._decide(call.caller, rule) for rule in rules]
        if seen and None not in may:
            self._insist(call.caller, rules, {})
            return call, None
        found = self._find(call, kind, ident, only_uuid=only_uuid)
        call = replace(call, target=found["target"])
        # What is public is seen by everybody, whatever the rule for seeing it says.
        left = [rule for rule in rules if rule != kind.sees or not found.get("public")]
        self._insist(call.caller, left, found["target"])
        return call, found["uuid"]

    def require(self, call: Call, ident: str, *rules: str, kind: Kind = NODE) -> None:
        """More rules about what the path names. Errors: Forbidden."""
        target = call.target
        if target is None and any(self.policy.decide(call.caller, rule) is None for rule in rules):
            target = self._find(call, kind, ident)["target"]
        self._insist(call.caller, rules, target or {})

    def denied(self, call: Call, ident: str, rule: str) -> list[str]:
        """A rule that decides only in some states of the node: inventory is told when it is not met."""
        try:
            self.require(call, ident, rule)
        except Forbidden:
            return [rule]
        return []

    def require_of_named(self, call: Call, ident: Any, *rules: str) -> None:
        """Rules about a node that a body names. Errors: Forbidden; InvalidRequest when it is hidden, or not there."""
        may = [self.policy.decide(call.caller, rule) for rule in rules]
        if None not in may:
            self._insist(call.caller, rules, {})
            return
        if not isinstance(ident, str):
            return  # inventory says what is wrong with it
        self._insist(call.caller, rules, self._find_named(call, NODE, ident)["target"])

    def require_steps(self, call: Call, steps: Any, ident: str | None = None) -> None:
        """The rules of single steps, where there are some. ``ident``: the node. Errors: Forbidden, naming the step."""
        for rule in self.step_rules(steps):
            if ident is not None:
                self.require(call, ident, rule)
            else:
                self._insist(call.caller, (rule,), {})

    def step_rules(self, steps: Any) -> list[str]:
        """The rules of single steps, where somebody wrote some."""
        named = [
            f"{STEP}{step.get('interface')}.{step.get('step')}"
            for step in (steps if isinstance(steps, list) else ())
            if isinstance(step, dict)
        ]
        return [rule for rule in named if self.policy.has_rule(rule)]

    def usable_runbook(self, call: Call, ident: str) -> str:
        """The runbook that a body names, by UUID if it had to be asked for. Errors: Forbidden, InvalidRequest."""
        use = "baremetal:runbook:use"
        if self.policy.decide(call.caller, use):
            return ident
        found = self._find_named(call, RUNBOOK, ident)
        if not found.get("public"):
            self._insist(call.caller, (use,), found["target"])
        uuid: str = found["uuid"]
        return uuid

    def own(self, call: Call, rule: str, owner: str | None, *, refuse: type[Exception] = InvalidRequest) -> str | None:
        """The owner of something new: whom the caller names, if ``rule`` lets it; else its own project.

        Errors: ``refuse``, when it names another."""
        if self.policy.decide(call.caller, rule):
            return owner
        if owner not in (None, call.caller.project):
            raise refuse("owner must be your own project; leave it out")
        return call.caller.project

    def check_sort(self, call: Call, sort_key: str) -> None:
        """An order tells what is hidden. Errors: Forbidden."""
        if call.sight is not None and sort_key in call.sight.redacted:
            raise _forbidden(REDACTED[sort_key])

    def _admit_plain(self, call: Call, rule: str) -> Call:
        may = self._decide(call.caller, rule)
        if may:
            return self._widened(call) if rule.endswith(LIST_ALL) else call
        narrow = rule.removesuffix(LIST_ALL) + LIST
        if rule.endswith(LIST_ALL) and narrow in RULES and self.policy.decide(call.caller, narrow):
            if call.sight is not None and call.caller.project is not None and not call.caller.system:
                return replace(call, sight=replace(call.sight, visible=call.caller.project))
        elif may is None and rule in ABOUT_NAMED_NODE:
            return call
        raise _forbidden(rule)

    @staticmethod
    def _widened(call: Call) -> Call:
        return call if call.sight is None else replace(call, sight=replace(call.sight, visible=None))

    def _decide(self, caller: Caller, rule: str) -> bool | None:
        may = self.policy.decide(caller, rule)
        other = OR_OWN.get(rule)
        return self.policy.decide(caller, other) if may is False and other else may

    def _insist(self, caller: Caller, rules: Iterable[str], target: Mapping[str, Any]) -> None:
        for rule in rules:
            other = OR_OWN.get(rule)
            if not self.policy.allows(caller, rule, target) and not (
                other and self.policy.allows(caller, other, target)
            ):
                raise _forbidden(rule)

    def _find(self, call: Call, kind: Kind, ident: str, *, only_uuid: bool = False) -> dict[str, Any]:
        """What is known of it. Errors: NotFound when it is hidden, or not there."""
        if not call.dropped_json:
            return self._look(call, kind, ident, only_uuid=only_uuid)
        try:
            return self._look(call, kind, ident, only_uuid=only_uuid)
        except NotFound:
            return self._look(call, kind, f"{ident}.json", only_uuid=only_uuid)

    def _look(self, call: Call, kind: Kind, ident: str, *, only_uuid: bool) -> dict[str, Any]:
        if kind.has_names and not only_uuid:
            ident = identifiers.from_path(kind.name, ident, call.minor)
        else:
            ident = identifiers.uuid(f"{kind.name.replace('-', '_')}_uuid", ident)
        body = {"kind": kind.name, "ident": ident}
        found: dict[str, Any] = orjson.loads(self._inventory.query("access", body, call.headers()))
        if not self.policy.allows(call.caller, kind.sees, found["target"]) and not found.get("public"):
            raise NotFound(f"{kind.word} {ident} could not be found.")
        return found

    def _find_named(self, call: Call, kind: Kind, ident: str) -> dict[str, Any]:
        try:
            return self._look(call, kind, ident, only_uuid=False)
        except NotFound as error:
            raise InvalidRequest(error.message) from error

    def _sight(self, caller: Caller) -> Sight | None:
        key = (self.policy.version, caller)
        if key not in self._sights:
            if len(self._sights) >= 1024:
                self._sights.clear()
            self._sights[key] = self._look_around(caller)
        return self._sights[key]

    def _look_around(self, caller: Caller) -> Sight | None:
        """None: the caller sees everything."""
        project = caller.project or ""
        mine = [{"node.owner": project}, {"node.lessee": project}]
        redacted = {
            name: guards.shown_to(*(self.policy.allows(caller, rule, target) for target in mine))
            for name, rule in REDACTED.items()
            if not self.policy.decide(caller, guards.SEES_EVERY_FIELD) and not self.policy.decide(caller, rule)
        }
        if not self.policy.decide(caller, guards.SEES_TARGET_PROPERTIES):
            redacted["target_properties"] = []
        sees_all = bool(self.policy.decide(caller, guards.SEE_NODE))
        if sees_all and not redacted:
            return None
        return Sight(project=project, visible=None if sees_all else project, redacted=redacted)


def _forbidden(rule: str) -> Forbidden:
    return Forbidden(f"Your roles do not allow this: the policy asks for {rule}.")
