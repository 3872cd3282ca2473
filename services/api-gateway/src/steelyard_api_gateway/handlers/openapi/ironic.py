"""The operations of Ironic's API."""

from __future__ import annotations

from dataclasses import replace

from ...domain import listings, recipe_listings, record_listings, verbs
from ...service.management import BOOT_DEVICES, INDICATOR_STATES
from ...service.states import BOOT_MODES
from .shapes import ANYTHING, NODE, TEXT, TRAITS, Json, Operation, below, exactly, kept

_plain = record_listings.without_filters
_STEP: Json = {
    "type": "object",
    "properties": {
        "interface": TEXT, "step": TEXT, "args": {"type": "object"}, "order": {"type": ["integer", "string"]},
        "priority": {"type": ["integer", "string"]}, "execute_on_child_nodes": {"type": "boolean"},
        "limit_child_node_execution": {"type": "array", "items": TEXT},
    },
    "required": ["interface", "step"],
}  # fmt: skip
_STEPS: Json = {"type": "array", "items": _STEP}
_PROVISION = exactly(
    {
        "target": {"enum": list(verbs.PROVISION_VERBS)},
        "configdrive": {"type": ["string", "object", "null"]},
        "clean_steps": _STEPS, "deploy_steps": _STEPS, "service_steps": _STEPS, "runbook": {"type": ["string", "null"]},
        "disable_ramdisk": {"type": ["boolean", "null"]}, "rescue_password": {"type": ["string", "null"]},
    },
    "target",
)  # fmt: skip
_LAMPS: Json = {"type": "object", "properties": {"indicators": {"type": "array"}}, "required": ["indicators"]}
_NEW_TRAITS = exactly({"traits": TRAITS}, "traits")
_POWER = exactly({"target": {"enum": list(verbs.POWER_TARGETS)}, "timeout": {"type": ["integer", "null"]}}, "target")
_TRAITS_SHOWN: Json = {"type": "object", "properties": {"traits": TRAITS}, "required": ["traits"]}


def _traits_of(one: str, whose: str) -> dict[str, Operation]:
    return {
        f"GET {one}/traits": Operation(does=f"List the traits of {whose}", answer=_TRAITS_SHOWN),
        f"PUT {one}/traits": Operation(
            does=f"Replace the traits of {whose}", body=exactly({"traits": TRAITS}, "traits")
        ),
        f"DELETE {one}/traits": Operation(does=f"Remove all traits of {whose}"),
        f"PUT {one}/traits/<trait>": Operation(does=f"Add a trait to {whose}"),
        f"DELETE {one}/traits/<trait>": Operation(does=f"Remove a trait of {whose}"),
    }


_NODES = {
    **kept("/nodes", "Node", listings.NODES, words="node", many="nodes", details=True),
    "PATCH /nodes/<ident>": Operation(does="Change a node", query=("reset_interfaces",), body="Patch", answer="Node"),
    "GET /nodes/validate": Operation(does="Validate a node", query=("node", "node_uuid"), answer="Document"),
    f"GET {NODE}/validate": Operation(does="Validate a node's interfaces", answer="Document"),
    f"PUT {NODE}/maintenance": Operation(
        does="Put a node into maintenance", body=exactly({"reason": {"type": ["string", "null"]}}), needs_body=False
    ),
    f"DELETE {NODE}/maintenance": Operation(does="Take a node out of maintenance"),
    **_traits_of(NODE, "a node"),
    f"GET {NODE}/<name>": Operation(does="Show one field of a node", answer="Node"),
    f"GET {NODE}/states": Operation(does="Show the states of a node", answer="Document"),
    f"PUT {NODE}/states/power": Operation(does="Change the power of a node", body=_POWER),
    f"PUT {NODE}/states/raid": Operation(does="Set what a node's logical disks shall be", body="Document"),
    f"GET {NODE}/states/console": Operation(does="Show whether the console is on, and where it is", answer="Document"),
    f"PUT {NODE}/states/console": Operation(
        does="Switch the console", body=exactly({"enabled": {"type": "boolean"}}, "enabled")
    ),
    f"PUT {NODE}/states/provision": Operation(does="Move a node through its lifecycle", body=_PROVISION),
    f"PUT {NODE}/states/boot_mode": Operation(
        does="Set the boot mode", body=exactly({"target": {"enum": list(BOOT_MODES)}}, "target")
    ),
    f"PUT {NODE}/states/secure_boot": Operation(
        does="Set secure boot", body=exactly({"target": {"type": "boolean"}}, "target")
    ),
}
_MANAGEMENT = {
    f"GET {NODE}/management/boot_device": Operation(does="Show the boot device", answer="Document"),
    f"PUT {NODE}/management/boot_device": Operation(
        does="Set the boot device",
        body=exactly(
            {"boot_device": {"enum": list(BOOT_DEVICES)}, "persistent": {"type": ["boolean", "null"]}}, "boot_device"
        ),
    ),
    f"GET {NODE}/management/boot_device/supported": Operation(does="List possible boot devices", answer="Document"),
    f"PUT {NODE}/management/inject_nmi": Operation(does="Inject an NMI", body=exactly({}), needs_body=False),
    f"GET {NODE}/management/indicators": Operation(does="List indicators", query=("component",), answer=_LAMPS),
    f"GET {NODE}/management/indicators/<name>": Operation(does="Show an indicator", answer="Document"),
    f"PUT {NODE}/management/indicators/<name>": Operation(
        does="Set an indicator", body=exactly({"state": {"enum": list(INDICATOR_STATES)}}, "state")
    ),
}
_PARTS = {
    "GET /shards": Operation(does="List shards with how many nodes they have", answer="Document"),
    "POST /events": Operation(
        does="Tell of events in the network", body=exactly({"events": {"type": "array"}}, "events")
    ),
    f"GET {NODE}/vifs": Operation(does="List the VIFs of a node", answer="Document"),
    f"POST {NODE}/vifs": Operation(
        does="Attach a VIF", body={"type": "object", "properties": {"id": TEXT}, "required": ["id"]}
    ),
    f"DELETE {NODE}/vifs/<vif>": Operation(does="Detach a VIF"),
    f"GET {NODE}/children": Operation(does="List the child nodes of a node", answer="Document"),
    f"GET {NODE}/bios": Operation(does="List BIOS settings", query=record_listings.BIOS, answer="Document"),
    f"GET {NODE}/bios/<setting>": Operation(does="Show a BIOS setting", answer="Document"),
    f"GET {NODE}/firmware": Operation(
        does="List firmware components", query=record_listings.FIRMWARE, answer="Document"
    ),
    f"GET {NODE}/history": Operation(does="List a node's history", query=record_listings.HISTORY, answer="Document"),
    f"GET {NODE}/history/<entry>": Operation(does="Show an entry of a node's history", answer="Document"),
    f"GET {NODE}/inventory": Operation(does="Show what inspection found", answer="Document"),
}
_AROUND = {
    **kept("/ports", "Port", listings.PORTS, words="port", many="ports", details=True),
    "GET /ports/<ident>/<name>": Operation(does="Show one field of a port", answer="Port"),
    **below(f"{NODE}/ports", "Port", "ports", listings.NODE_PORTS, "the ports of a node"),
    **kept(
        "/portgroups", "Portgroup", record_listings.PORTGROUPS, words="port group", many="portgroups", details=True
    ),
    **below("/portgroups/<ident>/ports", "Port", "ports", _plain(listings.PORTS), "the ports of a port group"),
    "GET /portgroups/<ident>/<name>": Operation(does="Show one field of a port group", answer="Portgroup"),
    **below(
        f"{NODE}/portgroups", "Portgroup", "portgroups", _plain(record_listings.PORTGROUPS), "the port groups of a node"
    ),
    **kept("/chassis", "Chassis", record_listings.CHASSIS, words="chassis", many="chassis", details=True),
    **below("/chassis/<ident>/nodes", "Node", "nodes", listings.NODES, "the nodes of a chassis"),
    "GET /chassis/<ident>/<name>": Operation(does="Show one field of a chassis", answer="Chassis"),
    "GET /volume": Operation(does="Show where volumes are", answer="Document"),
    **kept(
        "/volume/connectors", "VolumeConnector", record_listings.CONNECTORS, words="volume connector", many="connectors"
    ),
    **kept("/volume/targets", "VolumeTarget", record_listings.TARGETS, words="volume target", many="targets"),
    f"GET {NODE}/volume": Operation(does="Show where the volumes of a node are", answer="Document"),
    **below(
        f"{NODE}/volume/connectors", "VolumeConnector", "connectors", _plain(record_listings.CONNECTORS),
        "the volume connectors of a node", details=False,
    ),
    **below(
        f"{NODE}/volume/targets", "VolumeTarget", "targets", _plain(record_listings.TARGETS),
        "the volume targets of a node", details=False,
    ),
}  # fmt: skip
_WORKERS = {
    "GET /drivers": Operation(does="List drivers", query=listings.DRIVERS, answer="Document", many="drivers"),
    "GET /drivers/<name>": Operation(does="Show a driver", query=("fields",), answer="Document"),
    "GET /drivers/<name>/properties": Operation(does="Show what driver_info may hold", answer="Document"),
    "GET /drivers/<name>/raid/logical_disk_properties": Operation(
        does="Show what a logical disk may have", answer="Document"
    ),
    "GET /drivers/<name>/<field>": Operation(does="Show one field of a driver", answer="Document"),
    "GET /conductors": Operation(does="List workers", query=listings.CONDUCTORS, answer="Document", many="conductors"),
    "GET /conductors/<hostname>": Operation(does="Show a worker", query=("fields",), answer="Document"),
}
_RECIPES = {
    **kept(
        "/deploy_templates", "DeployTemplate", recipe_listings.DEPLOY_TEMPLATES, words="deploy template",
        many="deploy_templates",
    ),
    **kept("/runbooks", "Runbook", recipe_listings.RUNBOOKS, words="runbook", many="runbooks"),
    **_traits_of("/runbooks/<ident>", "a runbook"),
    **kept(
        "/inspection_rules", "InspectionRule", recipe_listings.INSPECTION_RULES, words="inspection rule",
        many="inspection_rules",
    ),
    **kept("/allocations", "Allocation", recipe_listings.ALLOCATIONS, words="allocation", many="allocations"),
    f"GET {NODE}/allocation": Operation(does="Show the allocation of a node", query=("fields",), answer="Allocation"),
    f"DELETE {NODE}/allocation": Operation(does="Take a node from its allocation"),
}  # fmt: skip


def _vendor(one: str, whose: str) -> dict[str, Operation]:
    made = {f"GET {one}/methods": Operation(does=f"List the vendor methods of {whose}", answer="Document")}
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        body = None if method in ("GET", "DELETE") else "Document"
        called = Operation(does=f"Call a vendor method of {whose}", body=body, needs_body=False, answer=ANYTHING)
        made |= {f"{method} {one}": replace(called, query=("method",)), f"{method} {one}/<method>": called}
    return made


_VENDOR = _vendor(f"{NODE}/vendor_passthru", "a node") | _vendor("/drivers/<name>/vendor_passthru", "a driver")
_OTHER = {
    f"GET {NODE}/vmedia": Operation(does="List attached virtual media", answer="Document"),
    f"POST {NODE}/vmedia": Operation(does="Attach virtual media", body="Document"),
    f"DELETE {NODE}/vmedia": Operation(does="Detach virtual media", query=("device_types",)),
    "GET /lookup": Operation(does="Tell a ramdisk who it is", query=("addresses", "node_uuid"), answer="Document"),
    "POST /heartbeat/<ident>": Operation(does="Say that a ramdisk is alive", body="Document"),
    "POST /continue_inspection": Operation(
        does="Hand over what a ramdisk found", query=("node_uuid",), body="Document", answer="Document"
    ),
    **{
        f"GET /{many}/<ident>/<name>": Operation(does=f"Show one field of {what}", answer="Document")
        for many, what in (
            ("allocations", "an allocation"),
            ("deploy_templates", "a deploy template"),
            ("inspection_rules", "an inspection rule"),
            ("runbooks", "a runbook"),
        )
    },
}
OPERATIONS: dict[str, Operation] = {
    **_NODES,
    **_MANAGEMENT,
    **_PARTS,
    **_AROUND,
    **_WORKERS,
    **_RECIPES,
    **_VENDOR,
    **_OTHER,
}
