"""The operations that Ironic's API does not have."""

from __future__ import annotations

from .shapes import NODE, TEXT, Json, Operation, exactly

_TAGS: Json = {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 60}}
_QUOTAS: Json = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}}
_TENANCY = {
    "GET /usage": Operation(
        does="Show what projects have and how many more nodes they may have", query=("project",), answer="Document"
    ),
    "GET /quotas/<project>": Operation(does="Show the quotas of a project", answer="Document"),
    "PUT /quotas/<project>": Operation(
        does="Set the quotas of a project, by resource class (* is every other)",
        body=exactly({"quotas": _QUOTAS}, "quotas"),
        answer="Document",
    ),
    "DELETE /quotas/<project>": Operation(does="Take a project's quotas away: the defaults apply"),
    f"GET {NODE}/tags": Operation(does="List the tags of a node", answer=exactly({"tags": _TAGS}, "tags")),
    f"PUT {NODE}/tags": Operation(
        does="Replace the tags of a node",
        body=exactly({"tags": _TAGS}, "tags"),
        answer=exactly({"tags": _TAGS}, "tags"),
    ),
    f"DELETE {NODE}/tags": Operation(does="Remove all tags of a node"),
    f"GET {NODE}/tags/<tag>": Operation(does="Ask whether a node has a tag (404: no)"),
    f"PUT {NODE}/tags/<tag>": Operation(does="Add a tag to a node", also=(204,)),
    f"DELETE {NODE}/tags/<tag>": Operation(does="Remove a tag of a node"),
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
        body=exactly(
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
        body=exactly({"running": {"enum": ["finish", "abort"]}}),
    ),
}  # fmt: skip
_WEBHOOK: Json = exactly(
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
        body=exactly(
            {"url": TEXT, "kind": {"enum": ["kernel", "ramdisk", "iso", "image", "loader", "configdrive"]},
             "checksum": {"type": ["string", "null"]}, "authorization": {"type": ["string", "null"]},
             "convert_to_raw": {"type": "boolean"}}, "url", "kind",
        ),
    ),
    "GET /artifacts/<sha256>": Operation(does="Show an artifact, and who needs it", answer="Document"),
    "DELETE /artifacts/<sha256>": Operation(does="Delete an artifact that nobody needs"),
}  # fmt: skip
OPERATIONS: dict[str, Operation] = {**_TENANCY, **_INSIGHT, **_FLEET, **_WEBHOOKS, **_ARTIFACTS}
