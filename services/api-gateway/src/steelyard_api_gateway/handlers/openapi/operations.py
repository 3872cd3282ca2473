"""What each route takes and answers, by its row in the route tables: the words of the OpenAPI document.

A test holds this table against the route tables: a route without an entry here, or the other way round, fails it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ...domain import listings, recipe_listings, record_listings, verbs
from ...domain.listings import Listing
from ...service.management import BOOT_DEVICES, INDICATOR_STATES
from ...service.states import BOOT_MODES

Json = dict[str, Any]
ANYTHING: Json = {}
TEXT: Json = {"type": "string"}
TRAITS: Json = {"type": "array", "items": {"type": "string", "maxLength": 255}}


@dataclass(frozen=True, kw_only=True)
class Operation:
    """``query``: a list's rules, or names of parameters. ``body``, ``answer``: a schema, or the name of one.

    ``many``: the answer is ``{many: [answer, …], next}``. ``answer`` None: nothing is said.
    """

    does: str
    query: Listing | tuple[str, ...] = ()
    body: str | Json | None = None
    needs_body: bool = True
    answer: str | Json | None = None
    many: str | None = None
    also: tuple[int, ...] = ()  # other statuses of success
    media: str = "application/json"  # of the answer


def _object(properties: Json, *required: str) -> Json:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _kept(
    path: str, name: str, listing: Listing, *, words: str, many: str, details: bool = False
) -> dict[str, Operation]:
    """The five or six operations that records have in common."""
    one, article = f"{path}/<ident>", "an" if words[0] in "aeiou" else "a"
    made = {
        f"GET {path}": Operation(does=f"List {_several(words)}", query=listing, answer=name, many=many),
        f"POST {path}": Operation(does=f"Create {article} {words}", body=f"New{name}", answer=name),
        f"GET {one}": Operation(does=f"Show {article} {words}", query=("fields",), answer=name),
        f"PATCH {one}": Operation(does=f"Change {article} {words}", body="Patch", answer=name),
        f"DELETE {one}": Operation(does=f"Delete {article} {words}"),
    }
    if details:
        made[f"GET {path}/detail"] = Operation(
            does=f"List {_several(words)} with all fields", query=_whole(listing), answer=name, many=many
        )
    return made


def _several(words: str) -> str:
    return words if words.endswith("s") else f"{words}s"


def _whole(listing: Listing) -> Listing:
    """The `/detail` form of a list: it takes neither ``fields`` nor ``detail``."""
    return Listing(
        resource=listing.resource, fields={}, sortable=listing.sortable, filters=listing.filters, detail_since=0
    )


def _below(
    path: str, name: str, many: str, listing: Listing, words: str, *, details: bool = True
) -> dict[str, Operation]:
    made = {f"GET {path}": Operation(does=f"List {words}", query=listing, answer=name, many=many)}
    if details:
        made[f"GET {path}/detail"] = Operation(
            does=f"List {words} with all fields", query=_whole(listing), answer=name, many=many
        )
    return made


NODE = "/nodes/<ident>"
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
_PROVISION = _object(
    {
        "target": {"enum": list(verbs.PROVISION_VERBS)},
        "configdrive": {"type": ["string", "object", "null"]},
        "clean_steps": _STEPS, "deploy_steps": _STEPS, "service_steps": _STEPS, "runbook": {"type": ["string", "null"]},
        "disable_ramdisk": {"type": ["boolean", "null"]}, "rescue_password": {"type": ["string", "null"]},
    },
    "target",
)  # fmt: skip
_LAMPS: Json = {"type": "object", "properties": {"indicators": {"type": "array"}}, "required": ["indicators"]}
_NEW_TRAITS = _object({"traits": TRAITS}, "traits")
_POWER = _object({"target": {"enum": list(verbs.POWER_TARGETS)}, "timeout": {"type": ["integer", "null"]}}, "target")
_TRAITS_SHOWN: Json = {"type": "object", "properties": {"traits": TRAITS}, "required": ["traits"]}


def _traits_of(one: str, whose: str) -> dict[str, Operation]:
    return {
        f"GET {one}/traits": Operation(does=f"List the traits of {whose}", answer=_TRAITS_SHOWN),
        f"PUT {one}/traits": Operation(
            does=f"Replace the traits of {whose}", body=_object({"traits": TRAITS}, "traits")
        ),
        f"DELETE {one}/traits": Operation(does=f"Remove all traits of {whose}"),
        f"PUT {one}/traits/<trait>": Operation(does=f"Add a trait to {whose}"),
        f"DELETE {one}/traits/<trait>": Operation(does=f"Remove a trait of {whose}"),
    }


_NODES = {
    **_kept("/nodes", "Node", listings.NODES, words="node", many="nodes", details=True),
    "PATCH /nodes/<ident>": Operation(does="Change a node", query=("reset_interfaces",), body="Patch", answer="Node"),
    "GET /nodes/validate": Operation(does="Validate a node", query=("node", "node_uuid"), answer="Document"),
    f"GET {NODE}/validate": Operation(does="Validate a node's interfaces", answer="Document"),
    f"PUT {NODE}/maintenance": Operation(
        does="Put a node into maintenance", body=_object({"reason": {"type": ["string", "null"]}}), needs_body=False
    ),
    f"DELETE {NODE}/maintenance": Operation(does="Take a node out of maintenance"),
    **_traits_of(NODE, "a node"),
    f"GET {NODE}/<name>": Operation(does="Show one field of a node", answer="Node"),
    f"GET {NODE}/states": Operation(does="Show the states of a node", answer="Document"),
    f"PUT {NODE}/states/power": Operation(does="Change the power of a node", body=_POWER),
    f"PUT {NODE}/states/raid": Operation(does="Set what a node's logical disks shall be", body="Document"),
    f"GET {NODE}/states/console": Operation(does="Show whether the console is on, and where it is", answer="Document"),
    f"PUT {NODE}/states/console": Operation(
        does="Switch the console", body=_object({"enabled": {"type": "boolean"}}, "enabled")
    ),
    f"PUT {NODE}/states/provision": Operation(does="Move a node through its lifecycle", body=_PROVISION),
    f"PUT {NODE}/states/boot_mode": Operation(
        does="Set the boot mode", body=_object({"target": {"enum": list(BOOT_MODES)}}, "target")
    ),
    f"PUT {NODE}/states/secure_boot": Operation(
        does="Set secure boot", body=_object({"target": {"type": "boolean"}}, "target")
    ),
}
_MANAGEMENT = {
    f"GET {NODE}/management/boot_device": Operation(does="Show the boot device", answer="Document"),
    f"PUT {NODE}/management/boot_device": Operation(
        does="Set the boot device",
        body=_object(
            {"boot_device": {"enum": list(BOOT_DEVICES)}, "persistent": {"type": ["boolean", "null"]}}, "boot_device"
        ),
    ),
    f"GET {NODE}/management/boot_device/supported": Operation(does="List possible boot devices", answer="Document"),
    f"PUT {NODE}/management/inject_nmi": Operation(does="Inject an NMI", body=_object({}), needs_body=False),
    f"GET {NODE}/management/indicators": Operation(does="List indicators", query=("component",), answer=_LAMPS),
    f"GET {NODE}/management/indicators/<name>": Operation(does="Show an indicator", answer="Document"),
    f"PUT {NODE}/management/indicators/<name>": Operation(
        does="Set an indicator", body=_object({"state": {"enum": list(INDICATOR_STATES)}}, "state")
    ),
}
_PARTS = {
    "GET /shards": Operation(does="List shards with how many nodes they have", answer="Document"),
    "POST /events": Operation(
        does="Tell of events in the network", body=_object({"events": {"type": "array"}}, "events")
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
    **_kept("/ports", "Port", listings.PORTS, words="port", many="ports", details=True),
    "GET /ports/<ident>/<name>": Operation(does="Show one field of a port", answer="Port"),
    **_below(f"{NODE}/ports", "Port", "ports", listings.NODE_PORTS, "the ports of a node"),
    **_kept(
        "/portgroups", "Portgroup", record_listings.PORTGROUPS, words="port group", many="portgroups", details=True
    ),
    **_below("/portgroups/<ident>/ports", "Port", "ports", _plain(listings.PORTS), "the ports of a port group"),
    "GET /portgroups/<ident>/<name>": Operation(does="Show one field of a port group", answer="Portgroup"),
    **_below(
        f"{NODE}/portgroups", "Portgroup", "portgroups", _plain(record_listings.PORTGROUPS), "the port groups of a node"
    ),
    **_kept("/chassis", "Chassis", record_listings.CHASSIS, words="chassis", many="chassis", details=True),
    **_below("/chassis/<ident>/nodes", "Node", "nodes", listings.NODES, "the nodes of a chassis"),
    "GET /chassis/<ident>/<name>": Operation(does="Show one field of a chassis", answer="Chassis"),
    "GET /volume": Operation(does="Show where volumes are", answer="Document"),
    **_kept(
        "/volume/connectors", "VolumeConnector", record_listings.CONNECTORS, words="volume connector", many="connectors"
    ),
    **_kept("/volume/targets", "VolumeTarget", record_listings.TARGETS, words="volume target", many="targets"),
    f"GET {NODE}/volume": Operation(does="Show where the volumes of a node are", answer="Document"),
    **_below(
        f"{NODE}/volume/connectors", "VolumeConnector", "connectors", _plain(record_listings.CONNECTORS),
        "the volume connectors of a node", details=False,
    ),
    **_below(
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
    **_kept(
        "/deploy_templates", "DeployTemplate", recipe_listings.DEPLOY_TEMPLATES, words="deploy template",
        many="deploy_templates",
    ),
    **_kept("/runbooks", "Runbook", recipe_listings.RUNBOOKS, words="runbook", many="runbooks"),
    **_traits_of("/runbooks/<ident>", "a runbook"),
    **_kept(
        "/inspection_rules", "InspectionRule", recipe_listings.INSPECTION_RULES, words="inspection rule",
        many="inspection_rules",
    ),
    **_kept("/allocations", "Allocation", recipe_listings.ALLOCATIONS, words="allocation", many="allocations"),
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


_TAGS: Json = {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 60}}
_QUOTAS: Json = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}}
_TENANCY = {
    "GET /usage": Operation(
        does="Show what projects have and how many more nodes they may have", query=("project",), answer="Document"
    ),
    "GET /quotas/<project>": Operation(does="Show the quotas of a project", answer="Document"),
    "PUT /quotas/<project>": Operation(
        does="Set the quotas of a project, by resource class (* is every other)",
        body=_object({"quotas": _QUOTAS}, "quotas"),
        answer="Document",
    ),
    "DELETE /quotas/<project>": Operation(does="Take a project's quotas away: the defaults apply"),
    f"GET {NODE}/tags": Operation(does="List the tags of a node", answer=_object({"tags": _TAGS}, "tags")),
    f"PUT {NODE}/tags": Operation(
        does="Replace the tags of a node",
        body=_object({"tags": _TAGS}, "tags"),
        answer=_object({"tags": _TAGS}, "tags"),
    ),
    f"DELETE {NODE}/tags": Operation(does="Remove all tags of a node"),
    f"GET {NODE}/tags/<tag>": Operation(does="Ask whether a node has a tag (404: no)"),
    f"PUT {NODE}/tags/<tag>": Operation(does="Add a tag to a node", also=(204,)),
    f"DELETE {NODE}/tags/<tag>": Operation(does="Remove a tag of a node"),
}
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
_INSIGHT = {
    f"GET {NODE}/timeline": Operation(
        does="Show what happened to a node", query=("since", "until", "kind", "limit", "marker"), answer="Document",
        many="timeline",
    ),
    f"GET {NODE}/explain": Operation(does="Explain why a node is as it is", answer="Document"),
    f"GET {NODE}/steps": Operation(does="List the steps that a node can run", answer="Document"),
    f"GET {NODE}/workflows": Operation(
        does="List the workflows of a node", query=("limit", "marker"), answer="Document", many="workflows"
    ),
    f"GET {NODE}/boots": Operation(
        does="List the boot attempts of a node, hop by hop", query=("limit", "marker"), answer="Document", many="boots"
    ),
    f"GET {NODE}/boots/<attempt>": Operation(does="Show a boot attempt of a node", answer="Document"),
    "GET /workflows/<uuid>": Operation(does="Show a workflow with its steps", answer="Document"),
    f"POST {NODE}/plans": Operation(does="Plan a change of state without beginning it", body="Document",
                                    answer="Document"),
    f"GET {NODE}/plans/<plan>": Operation(does="Show a plan", answer="Document"),
    f"POST {NODE}/plans/<plan>/apply": Operation(does="Do exactly what was planned", answer="Document"),
}  # fmt: skip
_FLEET = {
    "GET /operations": Operation(
        does="List group operations", query=("limit", "marker", "status", "verb"), answer="Document", many="operations"
    ),
    "POST /operations": Operation(
        does="Begin a group operation: one verb for many nodes", answer="Document",
        body=_object(
            {"verb": TEXT, "parameters": {"type": "object"}, "nodes": {"type": "array", "items": TEXT,
             "minItems": 1, "maxItems": 10_000}, "selector": {"type": "object"},
             "parallelism": {"type": "integer", "minimum": 1, "maximum": 1000}}, "verb",
        ),
    ),
    "GET /operations/<uuid>": Operation(does="Show a group operation", answer="Document"),
    "GET /operations/<uuid>/nodes": Operation(
        does="List the nodes of a group operation with their outcomes", query=("limit", "marker", "outcome"),
        answer="Document", many="nodes",
    ),
    "POST /operations/<uuid>/retry": Operation(
        does="Let the nodes begin again that failed in a group operation", answer="Document"
    ),
    "POST /operations/<uuid>/abort": Operation(
        does="Let no more nodes of a group operation begin", answer="Document", needs_body=False,
        body=_object({"running": {"enum": ["finish", "abort"]}}),
    ),
}  # fmt: skip
_WEBHOOK: Json = _object(
    {"url": TEXT, "secret": TEXT, "events": {"type": "array", "items": TEXT}, "filters": {"type": "object"},
     "description": {"type": ["string", "null"]}, "enabled": {"type": "boolean"}}, "url",
)  # fmt: skip
_WEBHOOKS = {
    "GET /webhooks": Operation(
        does="List webhooks", query=("limit", "marker"), answer="Document", many="webhooks"
    ),
    "POST /webhooks": Operation(
        does="Create a webhook; its secret is shown this once", body=_WEBHOOK, answer="Document"
    ),
    "GET /webhooks/<uuid>": Operation(does="Show a webhook", answer="Document"),
    "PATCH /webhooks/<uuid>": Operation(does="Change a webhook", body="Patch", answer="Document"),
    "DELETE /webhooks/<uuid>": Operation(does="Delete a webhook with its deliveries"),
    "GET /webhooks/<uuid>/deliveries": Operation(
        does="List what a webhook was told, and will be", query=("limit", "marker", "status"), answer="Document",
        many="deliveries",
    ),
    "POST /webhooks/<uuid>/deliveries/<delivery>/redeliver": Operation(does="Deliver again", answer="Document"),
    "GET /events/stream": Operation(
        does="Follow what happens, as it happens (Server-Sent Events; header `Last-Event-ID` to go on)",
        query=("type", "node", "severity", "since"), media="text/event-stream", answer={"type": "string"},
    ),
    "POST /webhooks/<uuid>/test": Operation(does="Send an event that says nothing", answer="Document"),
}  # fmt: skip
_ARTIFACTS = {
    "GET /artifacts": Operation(
        does="List the artifacts that boot has, fetches, or could not fetch", query=("limit", "marker", "kind"),
        answer="Document", many="artifacts",
    ),
    "POST /artifacts": Operation(
        does="Have boot fetch an artifact, or learn how far it is", answer="Document",
        body=_object(
            {"url": TEXT, "kind": {"enum": ["kernel", "ramdisk", "iso", "image", "loader", "configdrive"]},
             "checksum": {"type": ["string", "null"]}, "authorization": {"type": ["string", "null"]},
             "convert_to_raw": {"type": "boolean"}}, "url", "kind",
        ),
    ),
    "GET /artifacts/<sha256>": Operation(does="Show an artifact, and who needs it", answer="Document"),
    "DELETE /artifacts/<sha256>": Operation(does="Delete an artifact that nobody needs"),
}  # fmt: skip
OPERATIONS: dict[str, Operation] = {
    **_NODES, **_MANAGEMENT, **_PARTS, **_AROUND, **_WORKERS, **_RECIPES, **_TENANCY, **_VENDOR, **_INSIGHT, **_OTHER,
    **_FLEET, **_WEBHOOKS, **_ARTIFACTS,
}  # fmt: skip
