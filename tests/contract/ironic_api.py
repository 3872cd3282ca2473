"""What Ironic 39's `/v1` has, as its reference says it (API facts §4–§20), written down apart from our own tables.

One line a path: methods, path, the minor version it came with. ``{}`` stands for any identifier.
"""

from __future__ import annotations

ROUTES = """
GET POST /nodes 1
GET /nodes/detail 1
GET /nodes/validate 1
GET PATCH DELETE /nodes/{} 1
GET /nodes/{}/validate 1
GET /nodes/{}/states 1
PUT /nodes/{}/states/power 1
PUT /nodes/{}/states/provision 1
PUT /nodes/{}/states/raid 12
PUT /nodes/{}/states/boot_mode 76
PUT /nodes/{}/states/secure_boot 76
GET PUT /nodes/{}/states/console 1
GET PUT /nodes/{}/management/boot_device 1
GET /nodes/{}/management/boot_device/supported 1
PUT /nodes/{}/management/inject_nmi 29
GET /nodes/{}/management/indicators 63
GET PUT /nodes/{}/management/indicators/{} 63
PUT DELETE /nodes/{}/maintenance 1
GET PUT DELETE /nodes/{}/traits 37
PUT DELETE /nodes/{}/traits/{} 37
GET POST /nodes/{}/vifs 28
DELETE /nodes/{}/vifs/{} 28
GET /nodes/{}/bios 40
GET /nodes/{}/bios/{} 40
GET /nodes/{}/firmware 86
GET /nodes/{}/history 78
GET /nodes/{}/history/{} 78
GET /nodes/{}/inventory 81
GET /nodes/{}/children 83
GET /nodes/{}/vmedia 93
POST DELETE /nodes/{}/vmedia 89
GET DELETE /nodes/{}/allocation 52
GET /nodes/{}/ports 1
GET /nodes/{}/ports/detail 1
GET /nodes/{}/portgroups 24
GET /nodes/{}/portgroups/detail 24
GET /nodes/{}/volume 32
GET /nodes/{}/volume/connectors 32
GET /nodes/{}/volume/targets 32
GET /nodes/{}/vendor_passthru/methods 1
GET POST PUT PATCH DELETE /nodes/{}/vendor_passthru 1
GET POST PUT PATCH DELETE /nodes/{}/vendor_passthru/{} 1
GET POST /ports 1
GET /ports/detail 1
GET PATCH DELETE /ports/{} 1
GET POST /portgroups 23
GET /portgroups/detail 23
GET PATCH DELETE /portgroups/{} 23
GET /portgroups/{}/ports 24
GET /portgroups/{}/ports/detail 24
GET POST /chassis 1
GET /chassis/detail 1
GET PATCH DELETE /chassis/{} 1
GET /chassis/{}/nodes 1
GET /chassis/{}/nodes/detail 1
GET /drivers 1
GET /drivers/{} 1
GET /drivers/{}/properties 1
GET /drivers/{}/raid/logical_disk_properties 12
GET /drivers/{}/vendor_passthru/methods 1
GET POST PUT PATCH DELETE /drivers/{}/vendor_passthru 1
GET POST PUT PATCH DELETE /drivers/{}/vendor_passthru/{} 1
GET /conductors 49
GET /conductors/{} 49
GET POST /allocations 52
GET DELETE /allocations/{} 52
PATCH /allocations/{} 57
GET POST /deploy_templates 55
GET PATCH DELETE /deploy_templates/{} 55
GET POST /runbooks 92
GET PATCH DELETE /runbooks/{} 92
GET PUT DELETE /runbooks/{}/traits 112
PUT DELETE /runbooks/{}/traits/{} 112
GET POST /inspection_rules 96
GET PATCH DELETE /inspection_rules/{} 96
GET /volume 32
GET POST /volume/connectors 32
GET PATCH DELETE /volume/connectors/{} 32
GET POST /volume/targets 32
GET PATCH DELETE /volume/targets/{} 32
GET /shards 82
POST /events 54
GET /lookup 22
POST /heartbeat/{} 22
POST /continue_inspection 84
"""

# Field:since of what each resource shows; without a number: since the resource itself.
FIELDS = {
    "nodes": """uuid name:5 driver driver_info driver_internal_info:3 properties extra instance_info instance_uuid
        instance_name:104 chassis_uuid resource_class:21 conductor_group:46 owner:50 lessee:65 description:51 shard:82
        parent_node:83 network_data:66 automated_clean:47 protected:48 protected_reason:48 retired:61 retired_reason:61
        maintenance maintenance_reason fault:42 disable_power_off:95 boot_interface:31 console_interface:31
        deploy_interface:31 inspect_interface:31 management_interface:31 power_interface:31 raid_interface:31
        vendor_interface:31 network_interface:20 storage_interface:33 rescue_interface:38 bios_interface:40
        firmware_interface:86 console_enabled power_state target_power_state provision_state target_provision_state
        provision_updated_at last_error reservation clean_step:7 deploy_step:44 service_step:87 raid_config:12
        target_raid_config:12 boot_mode:75 secure_boot:75 inspection_started_at:6 inspection_finished_at:6 traits:37
        health:109 allocation_uuid:52 conductor:49 created_at updated_at links ports states:14 portgroups:24
        volume:32""",
    "ports": """uuid address node_uuid extra pxe_enabled:19 local_link_connection:19 internal_info:18 portgroup_uuid:24
        physical_network:34 is_smartnic:53 name:88 description:97 vendor:100 category:101
        available_for_dynamic_portgroup:111 created_at updated_at links""",
    "portgroups": """uuid name address node_uuid extra internal_info standalone_ports_supported mode:26 properties:26
        physical_network:102 category:103 dynamic_portgroup:111 ports created_at updated_at links""",
    "chassis": "uuid description extra nodes created_at updated_at links",
    "volume/connectors": "uuid node_uuid type connector_id extra created_at updated_at links",
    "volume/targets": """uuid node_uuid volume_type boot_index volume_id properties extra created_at updated_at
        links""",
    "allocations": """uuid name resource_class candidate_nodes traits owner:60 extra node_uuid state last_error
        created_at updated_at links""",
    "deploy_templates": "uuid name steps extra description created_at updated_at links",
    "runbooks": """uuid name steps disable_ramdisk public owner extra description:112 traits:112 created_at updated_at
        links""",
    "inspection_rules": """uuid description priority phase sensitive conditions actions created_at updated_at
        links""",
}

# What a list may be asked for beside limit, marker, sort_key and sort_dir, with the version from which it may.
QUERIES = {
    "nodes": """associated instance_uuid chassis_uuid maintenance provision_state:9 driver:16 resource_class:21 fault:42
        conductor_group:46 conductor:49 owner:50 lessee:65 description_contains:51 retired shard:82 sharded:82
        include_children:83 parent_node:83 instance_name:104 fields:8 detail:43""",
    "ports": """node node_uuid address portgroup:24 shard:82 description_contains:97 conductor_groups:99 fields:8
        detail:43""",
    "portgroups": "node address shard:106 conductor_groups:99 fields detail:43",
    "chassis": "fields:8 detail:43",
    "drivers": "type:30 detail:30 fields:77",
    "conductors": "fields detail",
    "volume/connectors": "node fields detail",
    "volume/targets": "node fields detail",
    "allocations": "node resource_class state owner:60 fields",
    "deploy_templates": "fields detail",
    "runbooks": "fields detail",
    "inspection_rules": "fields detail",
}
# Where the words after `target` of states/provision come from, and what may stand beside it.
VERBS = """active rebuild deleted manage:4 provide:4 inspect:6 abort:13 clean:15 adopt:17 rescue:38 unrescue:38
    deploy:73 undeploy:73 unhold:85 service:87"""

# What stands beside the target: parameter → target → since (API facts §7.1); "soft power off" is a target of its own.
PARAMETERS = {
    "configdrive": {"active": 1, "rebuild": 35},
    "deploy_steps": {"active": 69, "rebuild": 69},
    "clean_steps": {"clean": 15},
    "service_steps": {"service": 87},
    "runbook": {"clean": 92, "service": 92},
    "disable_ramdisk": {"clean": 70, "service": 108},
    "rescue_password": {"rescue": 38},
}
POWER = {"power on": 1, "power off": 1, "rebooting": 1, "soft power off": 27, "soft rebooting": 27}

# Minor version → what it added (API facts §4).
MICROVERSIONS = """2 `available` shown|3 driver_internal_info|4 verbs manage, provide|5 node names|6 verb inspect
7 clean_step|8 `fields=`|9 filter provision_state|10 free-form names|11 new nodes start in enroll|12 RAID
13 verb abort|14 links to states, driver properties|15 verb clean|16 filter driver|17 verb adopt|18 port.internal_info
19 local_link_connection, pxe_enabled|20 network_interface|21 resource_class|22 lookup, heartbeat|23 port groups
24 port groups of nodes, ports of port groups|25 chassis_uuid may be removed|26 port group mode, properties
27 soft power, timeout|28 VIFs|29 inject_nmi|30 driver composition|31 interfaces of nodes|32 volumes
33 storage_interface|34 physical_network|35 config drive on rebuild|36 heartbeat agent_version|37 traits|38 rescue
39 `inspect wait` shown|40 BIOS settings|41 abort of inspect wait|42 fault|43 `detail=`|44 deploy_step
45 reset_interfaces|46 conductor_group|47 automated_clean|48 protected|49 conductors|50 owner|51 description
52 allocations|53 is_smartnic|54 events|55 deploy templates|56 config drive as an object|57 PATCH of allocations
58 allocation of a node in use|59 config drive vendor_data|60 allocation.owner|61 retired|62 agent token
63 indicators|64 network_type|65 lessee|66 network_data|67 VIF on a port or port group|68 agent_verify_ca
69 deploy_steps|70 clean disable_ramdisk|71 scopes of the system|72 agent_status|73 verbs deploy, undeploy
74 BIOS registry|75 boot_mode, secure_boot|76 PUT boot_mode, secure_boot|77 fields of drivers|78 history
79 allocation prefers its namesake|80 projects create nodes|81 inventory|82 shards|83 parent_node, children
84 continue_inspection|85 verb unhold|86 firmware|87 verb service|88 port.name|89 virtual media
90 vtep (until 105)|91 .json is part of a name|92 runbooks|93 GET vmedia|94 node_ident|95 disable_power_off
96 inspection rules|97 port.description|98 patch of keys with ~ and /|99 filter conductor_groups|100 port.vendor
101 port.category|102 port group physical_network|103 port group category|104 instance_name|105 vtep gone
106 port groups by shard|107 X-OpenStack-Request-Id|108 service disable_ramdisk|109 health
110 abort of wait call-back|111 dynamic port groups|112 runbook traits|113 history.project
114 firmware vendor, model|115 history states, duration"""
# Two that the pages answer in words instead of a row.
NOT_OURS = {
    90: "`vtep` of a port's link was taken back in 1.105; it is refused in every version",
    105: "as 1.90",
}


def routes() -> dict[tuple[str, str], int]:
    """(method, path) → since"""
    found: dict[tuple[str, str], int] = {}
    for line in ROUTES.strip().splitlines():
        *methods, path, since = line.split()
        found |= {(method, path): int(since) for method in methods}
    return found


def fields() -> dict[str, dict[str, int]]:
    """Resource → field → since; 1 for what is as old as its resource."""
    return {resource: {name: int(since or 1) for name, _, since in _split(text)} for resource, text in FIELDS.items()}


def queries() -> dict[str, dict[str, int]]:
    """Resource → what its list may be asked for → since; 1 for what is as old as its resource."""
    return {resource: {name: int(since or 1) for name, _, since in _split(text)} for resource, text in QUERIES.items()}


def verbs() -> dict[str, int]:
    return {name: int(since or 1) for name, _, since in _split(VERBS)}


def _split(text: str) -> list[tuple[str, str, str]]:
    return [word.partition(":") for word in text.split()]


def microversions() -> dict[int, str]:
    """Minor version → what it added."""
    entries = [entry for line in MICROVERSIONS.splitlines() for entry in line.split("|")]
    return {int(number): what for number, _, what in (entry.partition(" ") for entry in entries)}
