"""Who may do what, by rule, and see what, by what a path names: written down apart from the rules themselves."""

from __future__ import annotations

from steelyard_api_gateway.testing_policy import ANONYMOUS, CALLERS

SYSTEM_ADMIN = {"system admin"}
SYSTEM_MEMBER = SYSTEM_ADMIN | {"system member"}
SYSTEM_READER = SYSTEM_MEMBER | {"system reader"}
SERVICE = {"owner service"}
OWNER_MANAGER = {"owner admin", "owner manager"}
OWNER_MEMBER = OWNER_MANAGER | {"owner member"}
OWNER_READER = OWNER_MEMBER | {"owner reader"}
LESSEE_MANAGER = {"lessee admin"}
LESSEE_MEMBER = LESSEE_MANAGER | {"lessee member"}
LESSEE_READER = LESSEE_MEMBER | {"lessee reader"}
ANY_READER = SYSTEM_READER | OWNER_READER | LESSEE_READER | {"other admin"}
ANY_MANAGER = OWNER_MANAGER | LESSEE_MANAGER | {"other admin"}
ANY_ADMIN = {"system admin", "owner admin", "lessee admin", "other admin"}
EVERYBODY = set(CALLERS) | {ANONYMOUS}

SEES_NODE = SYSTEM_READER | OWNER_READER | LESSEE_READER | SERVICE
OWNERS_EYES = SYSTEM_READER | OWNER_READER | SERVICE
OPERATES = SYSTEM_MEMBER | OWNER_MEMBER | LESSEE_MEMBER
OWNS = SYSTEM_MEMBER | OWNER_MEMBER | SERVICE
OWNS_OR_RUNS_LEASE = OWNS | LESSEE_MANAGER
MANAGES = SYSTEM_MEMBER | OWNER_MANAGER | SERVICE
PLUGS_IN = SYSTEM_ADMIN | OWNER_MANAGER | SERVICE
LISTS = ANY_READER | SERVICE
RUNBOOK_MANAGERS = SYSTEM_MEMBER | OWNER_MANAGER | SERVICE
# rule → who may
MAY: dict[str, set[str]] = {
    "operation:list": LISTS,
    "operation:list_all": LISTS,
    "operation:get": OWNERS_EYES,
    "operation:create": SYSTEM_MEMBER | OWNER_MEMBER | LESSEE_MEMBER | {"other admin"} | SERVICE,
    "operation:update": OWNS,
    "webhook:list": LISTS,
    "webhook:list_all": LISTS,
    "webhook:get": OWNERS_EYES,
    "webhook:create": SYSTEM_MEMBER | ANY_MANAGER | SERVICE,
    "webhook:update": MANAGES,
    "webhook:delete": MANAGES,
    "event:stream": LISTS,
    "artifact:get": SYSTEM_READER,
    "artifact:create": SYSTEM_MEMBER,
    "artifact:delete": SYSTEM_MEMBER,
    "node:create": ANY_ADMIN | SERVICE,
    "node:list": LISTS,
    "node:list_all": LISTS,
    "node:get": SEES_NODE,
    "node:update": OPERATES,
    "node:delete": {"system admin", "owner admin"},
    "node:validate": OWNS_OR_RUNS_LEASE,
    "node:set_maintenance": OWNS_OR_RUNS_LEASE,
    "node:clear_maintenance": OWNS_OR_RUNS_LEASE,
    "node:traits:list": SEES_NODE,
    "node:traits:set": MANAGES,
    "node:traits:delete": MANAGES,
    "node:tags:list": SEES_NODE,
    "node:tags:set": OWNS,
    "node:tags:delete": OWNS,
    "node:get_states": SEES_NODE,
    "node:set_power_state": OPERATES,
    "node:set_provision_state": OWNS_OR_RUNS_LEASE,
    "node:set_raid_state": OWNS,
    "node:get_console": OWNS,
    "node:set_console_state": OWNS,
    "node:set_boot_mode": OPERATES,
    "node:set_secure_boot": OPERATES,
    "node:get_boot_device": MANAGES,
    "node:set_boot_device": MANAGES,
    "node:inject_nmi": MANAGES,
    "node:get_indicator_state": SEES_NODE,
    "node:set_indicator_state": OWNS,
    "node:vif:list": SEES_NODE,
    "node:vif:attach": OWNS_OR_RUNS_LEASE,
    "node:vif:detach": OWNS_OR_RUNS_LEASE,
    "node:bios:get": SEES_NODE,
    "node:firmware:get": SEES_NODE,
    "node:history:get": OWNERS_EYES,
    "node:inventory:get": OWNERS_EYES,
    "node:vmedia:get": SEES_NODE,
    "node:vmedia:attach": OPERATES,
    "node:vmedia:detach": OPERATES,
    "node:vendor_passthru": SYSTEM_ADMIN,
    "shards:get": SYSTEM_READER,
    "events:post": SYSTEM_ADMIN,
    "port:list_all": LISTS,
    "port:list": LISTS,
    "port:get": SEES_NODE,
    "port:create": PLUGS_IN,
    "port:update": MANAGES,
    "port:delete": PLUGS_IN,
    "portgroup:list_all": LISTS,
    "portgroup:list": LISTS,
    "portgroup:get": SEES_NODE,
    "portgroup:create": PLUGS_IN,
    "portgroup:update": MANAGES,
    "portgroup:delete": PLUGS_IN,
    "chassis:get": SYSTEM_READER,
    "chassis:create": SYSTEM_ADMIN,
    "chassis:update": SYSTEM_MEMBER,
    "chassis:delete": SYSTEM_ADMIN,
    "volume:list_all": LISTS,
    "volume:list": LISTS,
    "volume:get": SEES_NODE,
    "volume:create": MANAGES | LESSEE_MANAGER,
    "volume:update": OWNS_OR_RUNS_LEASE,
    "volume:delete": MANAGES | LESSEE_MANAGER,
    "driver:get": SYSTEM_READER,
    "driver:get_properties": SYSTEM_READER,
    "driver:get_raid_logical_disk_properties": SYSTEM_READER,
    "driver:vendor_passthru": SYSTEM_ADMIN,
    "conductor:get": SYSTEM_READER,
    "deploy_template:get": SYSTEM_READER,
    "deploy_template:create": SYSTEM_ADMIN,
    "deploy_template:update": SYSTEM_ADMIN,
    "deploy_template:delete": SYSTEM_ADMIN,
    "runbook:list_all": LISTS,
    "runbook:get": SYSTEM_READER | OWNER_READER | SERVICE,
    "runbook:create": SYSTEM_MEMBER | ANY_MANAGER | SERVICE,
    "runbook:update": RUNBOOK_MANAGERS,
    "runbook:delete": RUNBOOK_MANAGERS,
    "inspection_rule:get": SYSTEM_READER,
    "inspection_rule:create": SYSTEM_ADMIN,
    "inspection_rule:update": SYSTEM_ADMIN,
    "inspection_rule:delete": SYSTEM_ADMIN,
    "allocation:list_all": LISTS,
    "allocation:create": SYSTEM_MEMBER | OWNER_MEMBER | LESSEE_MEMBER | {"other admin"},
    "allocation:get": SYSTEM_READER | OWNER_READER,
    "allocation:update": SYSTEM_MEMBER | OWNER_MEMBER,
    "allocation:delete": SYSTEM_MEMBER | OWNER_MEMBER,
    "usage:list": LISTS,
    "usage:list_all": LISTS,
    "quota:get": SYSTEM_READER,  # it is another project's that is asked for here
    "quota:set": SYSTEM_ADMIN,
    "quota:delete": SYSTEM_ADMIN,
    "driver:ipa_lookup": EVERYBODY,
    "node:ipa_heartbeat": EVERYBODY,
    "driver:ipa_continue_inspection": EVERYBODY,
}
# What the path names → who may know of it.
SEEN = {
    "/nodes/<ident>": SEES_NODE,
    "/ports/<ident>": SEES_NODE,
    "/portgroups/<ident>": SEES_NODE,
    "/volume/connectors/<ident>": SEES_NODE,
    "/volume/targets/<ident>": SEES_NODE,
    "/allocations/<ident>": MAY["allocation:get"],
    "/runbooks/<ident>": MAY["runbook:get"],
    "/workflows/<uuid>": SEES_NODE,
    "/operations/<uuid>": OWNERS_EYES,
    "/webhooks/<uuid>": OWNERS_EYES,
}
