"""Run by the Python of a real Ironic: contexts come in as JSON; of each of its rules go out decisions and calls."""

from __future__ import annotations

import json
import sys
from typing import Any


def rules(contexts: list[dict[str, Any]]) -> dict[str, Any]:
    """Rule → {decisions: one a context, calls: [method, path] of what it guards}."""
    from ironic.common import policy  # type: ignore[import-not-found] # of that environment
    from oslo_config import cfg

    cfg.CONF([], project="ironic", default_config_files=[])
    enforcer = policy.get_enforcer()  # brings its options with it
    cfg.CONF.set_override("enforce_new_defaults", True, group="oslo_policy")
    found: dict[str, Any] = {}
    for rule in policy.list_policies():
        calls = [(each["method"], each["path"]) for each in getattr(rule, "operations", None) or ()]
        found[rule.name] = {"decisions": [decide(enforcer, rule.name, each) for each in contexts], "calls": calls}
    return found


def decide(enforcer: Any, name: str, context: dict[str, Any]) -> bool:
    from oslo_context.context import RequestContext

    is_system = context["scope"] == "system"
    caller = RequestContext(
        user_id="u",
        roles=context["roles"],
        project_id=None if is_system else context["project"],
        system_scope="all" if is_system else None,
    )
    target = {key: value for key, value in context["target"].items() if value}
    return bool(enforcer.enforce(name, target, caller, do_raise=False))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(rules(json.load(sys.stdin))))
