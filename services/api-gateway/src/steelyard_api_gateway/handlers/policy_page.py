"""The reference page of the policy, made from its table (docs/reference/policy.md)."""

from __future__ import annotations

from collections.abc import Iterable

from ..domain.policy import IMPLIED, RULES, STEP, UNUSED, Rule
from ..domain.policy.guards import OR_OWN, REDACTED

HEAD = """# Policy

Made from the table of rules: `make docs`. How to change them: [override the policy](../howto/policy.md).

Rules have Ironic's names, and decide as Ironic's (a test asks a real Ironic 39). A check is written in oslo.policy's
language: `role:x`, `rule:x`, `project_id:%(node.owner)s`, `and`, `or`, `not`, `@` (everybody), `!` (nobody).
Which rule guards a route stands in [routes](routes.md).
"""
COLUMNS = "\n| rule | check | scopes | lets |\n|---|---|---|---|\n"


def policy_page() -> str:
    shared = [rule for rule in RULES.values() if ":" not in rule.name]
    others = [rule for rule in RULES.values() if ":" in rule.name]
    groups = dict.fromkeys(_group(rule) for rule in others)
    parts = [HEAD, _roles(), "\n## Shared checks\n", _table(shared)]
    for group in groups:
        parts += [f"\n## {group}\n", _table([rule for rule in others if _group(rule) == group])]
    return "".join([*parts, _shown(), _unused()])


def _roles() -> str:
    implied = "; ".join(f"`{role}` is also {', '.join(f'`{each}`' for each in more)}" for role, more in IMPLIED.items())
    return f"""
## How a request is judged

* Roles imply one another: {implied}. `service` stands apart.
* A caller has the scope of the *system*, or of one *project*. Without sign-in and by HTTP Basic it is the system's,
  with the role `admin`.
* What a caller may not see is not there: 404, as if it did not exist. What it sees and may not do is 403.
* Lists hold what the caller's project owns or leases (nodes, and what hangs on them), owns (allocations), or owns or
  everybody may see (runbooks), unless the rule `…:list_all` lets it see all.
* A step has a rule when somebody writes one: `{STEP}<interface>.<step>`. Without one, whoever may give
  steps may give it.
* {" ".join(f"Who does not meet `{rule}` may meet `{own}`." for rule, own in OR_OWN.items())}
* Something that hangs on a node moves only between nodes of one owner, whoever asks.
"""


def _group(rule: Rule) -> str:
    return rule.name.split(":")[1].replace("_", " ")


def _table(rules: Iterable[Rule]) -> str:
    return COLUMNS + "".join(map(_row, rules))


def _row(rule: Rule) -> str:
    check = f"`{rule.check}`" if rule.check else "everybody, without sign-in"
    return f"| `{rule.name}` | {check} | {' '.join(rule.scopes) or 'any'} | {rule.text} |\n"


def _shown() -> str:
    listed = ", ".join(f"`{name}`" for name in REDACTED)
    return f"""
## Blanked fields

{listed} of a node, and `properties` of a volume target, are answered with a text that names the missing rule, for
callers who do not meet it; a field that is null stays null. Lists cannot be sorted by what is blanked (403).
"""


def _unused() -> str:
    rows = "".join(f"| `{name}` | {reason} |\n" for name, reason in UNUSED.items())
    return f"""
## Names of Ironic's without a meaning here

A policy file may hold them; they are logged and left out.

| rule | why |
|---|---|
{rows}"""
