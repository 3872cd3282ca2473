"""The shared checks that rules are made of: who somebody is to the system, to a node, an allocation, a runbook.

An operator's file may redefine them as any other rule. Roles imply one another as a Keystone sets them up: admin is
also manager, manager also member, member also reader. ``service`` stands apart.
"""

from __future__ import annotations

from .rule import Rule

IMPLIED = {
    "admin": ("manager", "member", "reader"),
    "manager": ("member", "reader"),
    "member": ("reader",),
}  # fmt: skip
OWNER, LESSEE = "project_id:%(node.owner)s", "project_id:%(node.lessee)s"
MINE = f"({OWNER} or {LESSEE})"


def _shared(name: str, check: str, text: str) -> Rule:
    return Rule(name, check, text, scopes=())


ALIASES = (
    _shared("service_role", "role:service and project_id:%(config.service_project)s",
            "a service of the project that STEELYARD_SERVICE_PROJECT names; nobody while it names none"),
    _shared("is_node_owner", OWNER, "the node is owned by the caller's project"),
    _shared("is_node_lessee", LESSEE, "the node is leased to the caller's project"),
    _shared("is_allocation_owner", "project_id:%(allocation.owner)s", "the allocation is the caller's project's"),
    _shared("system_admin", "role:admin and system_scope:all", "administers the whole system"),
    _shared("system_service", "role:service and system_scope:all", "a service with the scope of the system"),
    _shared("system_member", "(role:member and system_scope:all) or rule:service_role", "operates the whole system"),
    _shared("system_reader",
            "(role:reader and system_scope:all) or rule:system_service or rule:service_role",
            "sees the whole system"),
    _shared("lists", "role:reader or role:service", "any reader; the list holds what its project may see"),
    _shared("node_reader",
            f"rule:system_reader or (role:reader and {MINE}) or (role:service and {OWNER})",
            "sees the system, or the node is its project's, owned or leased"),
    _shared("owner_reader",
            f"rule:system_reader or (role:reader and {OWNER}) or (role:service and {OWNER})",
            "sees the system, or reads for the node's owner"),
    _shared("node_member",
            f"rule:system_member or rule:system_service or (role:member and {MINE})",
            "operates the system, or is member of the project that owns or leases the node"),
    _shared("owner_member",
            f"rule:system_member or rule:system_service or (role:member and {OWNER}) or (role:service and {OWNER})",
            "operates the system, or is member of the node's owner"),
    _shared("owner_member_or_lessee_manager",
            f"rule:owner_member or (role:manager and {LESSEE})",
            "as owner_member, or manages the project that leases the node"),
    _shared("owner_manager",
            f"rule:system_member or rule:system_service or (role:manager and {OWNER}) or (role:service and {OWNER})",
            "operates the system, or manages the node's owner"),
    _shared("owner_manager_or_system_admin",
            f"rule:system_admin or rule:system_service or (role:manager and {OWNER}) or (role:service and {OWNER})",
            "administers the system, or manages the node's owner"),
    _shared("manager_of_node",
            f"rule:owner_manager or (role:manager and {LESSEE})",
            "operates the system, or manages the project that owns or leases the node"),
    _shared("runbook_manager",
            "rule:system_member or (role:manager and project_id:%(runbook.owner)s) or role:service",
            "operates the system, is a service, or manages the project that owns the runbook"),
)  # fmt: skip
