"""Rules about everything that is not a node, by Ironic's names."""

from __future__ import annotations

from .rule import SYSTEM, Rule

_SYSTEM = (SYSTEM,)


def _below_node(name: str, what: str) -> tuple[Rule, ...]:
    """Ports and port groups are guarded alike."""
    rule = f"baremetal:{name}"
    return (
        Rule(f"{rule}:list", "rule:lists", f"list the {what}s of nodes that the caller's project owns or leases"),
        Rule(f"{rule}:list_all", "rule:system_reader", f"list all {what}s"),
        Rule(f"{rule}:get", "rule:node_reader", f"see a {what}"),
        Rule(f"{rule}:create", "rule:owner_manager_or_system_admin", f"create a {what} of a node"),
        Rule(f"{rule}:update", "rule:owner_manager", f"change a {what}"),
        Rule(f"{rule}:delete", "rule:owner_manager_or_system_admin", f"delete a {what}"),
    )


RECORDS = (
    *_below_node("port", "port"),
    *_below_node("portgroup", "port group"),
    Rule("baremetal:chassis:get", "rule:system_reader", "list and see chassis", _SYSTEM),
    Rule("baremetal:chassis:create", "rule:system_admin", "create a chassis", _SYSTEM),
    Rule("baremetal:chassis:update", "rule:system_member", "change a chassis", _SYSTEM),
    Rule("baremetal:chassis:delete", "rule:system_admin", "delete a chassis", _SYSTEM),
    Rule("baremetal:driver:get", "rule:system_reader", "list and see drivers", _SYSTEM),
    Rule("baremetal:driver:get_properties", "rule:system_reader", "see what a driver reads from driver_info", _SYSTEM),
    Rule("baremetal:driver:get_raid_logical_disk_properties", "rule:system_reader",
         "see what a logical disk can be told", _SYSTEM),
    Rule("baremetal:driver:vendor_passthru", "rule:system_admin", "call what is special to a driver", _SYSTEM),
    Rule("baremetal:volume:list", "rule:lists", "list the volumes of nodes that the caller's project owns or leases"),
    Rule("baremetal:volume:list_all", "rule:system_reader", "list all volumes"),
    Rule("baremetal:volume:get", "rule:node_reader", "see a volume connector or target"),
    Rule("baremetal:volume:create", "rule:manager_of_node", "create a volume connector or target of a node"),
    Rule("baremetal:volume:update", "rule:owner_member_or_lessee_manager", "change a volume connector or target"),
    Rule("baremetal:volume:delete", "rule:manager_of_node", "delete a volume connector or target"),
    Rule("baremetal:volume:view_target_properties", "rule:system_reader or role:admin",
         "see the properties of volume targets (secrets are masked for everybody)"),
    Rule("baremetal:conductor:get", "rule:system_reader", "list and see conductors"),
    Rule("baremetal:allocation:list", "rule:lists", "list the allocations of the caller's project"),
    Rule("baremetal:allocation:list_all", "rule:system_reader", "list all allocations"),
    Rule("baremetal:allocation:get", "rule:system_reader or (role:reader and project_id:%(allocation.owner)s)",
         "see an allocation at all; without it the allocation is not there (404)"),
    Rule("baremetal:allocation:create", "rule:system_member or role:member",
         "create an allocation; a project's takes the nodes that it owns or leases"),
    Rule("baremetal:allocation:create_restricted", "rule:system_member", "create an allocation for any project"),
    Rule("baremetal:allocation:update", "rule:system_member or (role:member and project_id:%(allocation.owner)s)",
         "change an allocation"),
    Rule("baremetal:allocation:delete", "rule:system_member or (role:member and project_id:%(allocation.owner)s)",
         "delete an allocation, which frees its node"),
    Rule("baremetal:events:post", "rule:system_admin", "tell what happened in the network", _SYSTEM),
    Rule("baremetal:deploy_template:get", "rule:system_reader", "list and see deploy templates"),
    Rule("baremetal:deploy_template:create", "rule:system_admin", "create a deploy template"),
    Rule("baremetal:deploy_template:update", "rule:system_admin", "change a deploy template"),
    Rule("baremetal:deploy_template:delete", "rule:system_admin", "delete a deploy template"),
    Rule("baremetal:runbook:list", "rule:lists", "list the public runbooks and those of the caller's project"),
    Rule("baremetal:runbook:list_all", "rule:system_reader", "list all runbooks"),
    Rule("baremetal:runbook:get",
         "rule:system_reader or (role:reader and project_id:%(runbook.owner)s) or role:service",
         "see a runbook that is not public; without it, it is not there (404)"),
    Rule("baremetal:runbook:create", "rule:system_member or role:manager or role:service",
         "create a runbook; a project's is its own"),
    Rule("baremetal:runbook:update", "rule:runbook_manager", "change a runbook and its traits"),
    Rule("baremetal:runbook:update:public", "rule:system_member", "make a runbook public"),
    Rule("baremetal:runbook:update:owner", "rule:system_member", "give a runbook to a project"),
    Rule("baremetal:runbook:delete", "rule:runbook_manager", "delete a runbook"),
    Rule("baremetal:runbook:use", "rule:runbook_manager", "run a runbook on a node"),
    Rule("baremetal:inspection_rule:list_all", "rule:system_reader", "list inspection rules"),
    Rule("baremetal:inspection_rule:get", "rule:system_reader", "see inspection rules"),
    Rule("baremetal:inspection_rule:create", "rule:system_admin", "create an inspection rule"),
    Rule("baremetal:inspection_rule:update", "rule:system_admin", "change an inspection rule"),
    Rule("baremetal:inspection_rule:delete", "rule:system_admin", "delete an inspection rule"),
    Rule("baremetal:usage:list", "rule:lists", "see the usage of one's own project"),
    Rule("baremetal:usage:list_all", "rule:system_reader", "see the usage of all projects"),
    Rule("baremetal:quota:get", "rule:lists", "see the quotas of one's own project"),
    Rule("baremetal:quota:get_all", "rule:system_reader", "see the quotas of every project"),
    Rule("baremetal:quota:set", "rule:system_admin", "set the quotas of a project"),
    Rule("baremetal:quota:delete", "rule:system_admin", "take a project's quotas away: the defaults apply"),
    Rule("baremetal:driver:ipa_lookup", "", "what a ramdisk asks first", ()),
    Rule("baremetal:node:ipa_heartbeat", "", "what a ramdisk says while it runs", ()),
    Rule("baremetal:driver:ipa_continue_inspection", "", "what a ramdisk found", ()),
    Rule("baremetal:step:execute:vendor.send_raw", "!", "raw commands to a BMC in steps: denied to everybody", ()),
)  # fmt: skip
