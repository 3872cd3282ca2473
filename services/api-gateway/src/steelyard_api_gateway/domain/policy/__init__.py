"""The one table of the policy: rules by Ironic's names (facts §21; Ironic's published policy reference)."""

from __future__ import annotations

from .fleet import FLEET
from .nodes import NODES
from .records import RECORDS
from .roles import ALIASES, IMPLIED
from .rule import PROJECT, SYSTEM, Rule

__all__ = ["ALIASES", "IMPLIED", "PROJECT", "RULES", "STEP", "SYSTEM", "UNUSED", "Rule"]

RULES: dict[str, Rule] = {rule.name: rule for rule in (*ALIASES, *NODES, *RECORDS, *FLEET)}
STEP = "baremetal:step:execute:"  # + <interface>.<step>: a step without a rule may be run by whoever may give steps
# Names of Ironic's that a file may hold without harm, and why they mean nothing here.
UNUSED: dict[str, str] = {
    "show_password": "secrets are sealed: nobody is shown them",
    "show_instance_secrets": "secrets are sealed: nobody is shown them",
    "admin_api": "a name from before scopes",
    "public_api": "public routes are public by themselves",
    "is_member": "a name from before scopes",
    "is_observer": "a name from before scopes",
    "is_admin": "a name from before scopes",
    "baremetal:allocation:create_pre_rbac": "a rule from before scopes",
}
