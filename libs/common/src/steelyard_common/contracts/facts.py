"""What may be told on ``<site>.<service>.evt.<fact>.<id>``: each fact, what its id is, and the fields of its data.

A field may be missing or null where its words allow it; new fields are added, none changes its meaning (style §4).
`docs/reference/messages.md` is made from this table, and a test holds it against what the services' code tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class EventType:
    """``of``: whose UUID stands last in the subject. ``data``: field → what it is."""

    about: str
    data: Mapping[str, str]
    of: str = "node"


_WORKFLOW = {"workflow": "UUID of the workflow", "kind": "its kind"}
_CHANGED = {
    "changed": "object: field → new value, of fields that are no objects",
    "changed_objects": "names of the objects that changed; what is in them is not told",
}
_VERBS = {"created": "was created", "updated": "was changed", "deleted": "was deleted"}


def _record(thing: str, words: str, data: Mapping[str, str], of: str = "node") -> dict[str, EventType]:
    return {
        f"{thing}-{verb}": EventType(about=f"{words} {done}", data={"uuid": f"UUID of {words}", **data}, of=of)
        for verb, done in _VERBS.items()
    }


_NODES = {
    **_record("node", "the node", {"name": "its name", **_CHANGED}),
    "provision-state-changed": EventType(
        about="the node is in another state of its lifecycle",
        data={
            "from": "state before",
            "to": "state now",
            "target": "where it is going, or null",
            "event": "what moved it",
        },
    ),
    "power-state-changed": EventType(
        about="the recorded power state changed; also told after a reboot",
        data={"from": "state before, null if unknown", "to": "state now", **_WORKFLOW},
    ),
    "power-state-corrected": EventType(
        about="the machine was found in another power state than recorded, and the record follows it",
        data={"from": "what was recorded", "to": "what was seen"},
    ),
    "power-change-failed": EventType(
        about="a power change ended without the state that was asked for",
        data={"target": "what was asked for", "error": "why it failed", **_WORKFLOW},
    ),
    "maintenance-changed": EventType(
        about="the node is in maintenance now, or is not any more", data={"on": "boolean", "reason": "text or null"}
    ),
    "fault-changed": EventType(
        about="a fault was found, or is gone",
        data={"from": "fault before, or null", "to": "fault now, or null", "reason": "text"},
    ),
    "vif-attached": EventType(
        about="a VIF is attached",
        data={"vif": "its id", "port": "UUID, if a port has it", "portgroup": "UUID, if a port group has it"},
    ),
    "vif-detached": EventType(
        about="a VIF is gone",
        data={"vif": "its id", "port": "UUID, if a port had it", "portgroup": "UUID, if a port group had it"},
    ),
    "lease-released": EventType(
        about="a direct call to the BMC ended; how, only its caller knows",
        data={
            "purpose": "what for",
            "holder": "instance that had the lease",
            "duration_s": "seconds",
            "outcome": "`ended`",
        },
    ),
}
_WORKFLOWS = {
    "workflow-started": EventType(
        about="a workflow holds the node", data={**_WORKFLOW, "params": "what was asked for"}
    ),
    "workflow-progressed": EventType(
        about="its current step waits, or has something to say",
        data={
            **_WORKFLOW,
            "step": "interface.name",
            "status": "the step's",
            "progress": "text or null",
            "signal": "what it waits for, or null",
            "deadline_at": "time at which it is given up, or null",
        },
    ),
    "workflow-finished": EventType(
        about="a workflow ended and the node is free",
        data={
            **_WORKFLOW,
            "params": "what was asked for",
            "status": "how it ended",
            "error": "problem or null",
            "steps": "list of {step, status, attempts, error, started_at, finished_at}",
        },
    ),
}
_ALLOCATION = dict.fromkeys(("name", "state", "node_uuid", "resource_class", "owner", "last_error"), "as the API says")
_ALLOCATION_DATA = {"uuid": "UUID of the allocation"} | _ALLOCATION

_OPERATION = {
    "uuid": "UUID of the operation",
    "verb": "what is asked of each node",
    "status": "running, done, failed or aborted",
    "total": "how many nodes",
    "counts": "object: outcome → how many nodes",
    "owner": "project that asked, or null",
}

FACTS: Mapping[str, Mapping[str, EventType]] = {
    "inventory": {
        **_NODES,
        **_WORKFLOWS,
        **_record("port", "the port", {"address": "its MAC address", "changed": _CHANGED["changed"]}),
        **_record("portgroup", "the port group", _CHANGED),
        **_record("volume-connector", "the volume connector", _CHANGED),
        **_record("volume-target", "the volume target", _CHANGED),
        **_record("chassis", "the chassis", _CHANGED, "chassis"),
        **_record("deploy-template", "the deploy template", {"name": "its name", **_CHANGED}, "deploy template"),
        **_record("runbook", "the runbook", {"name": "its name", **_CHANGED}, "runbook"),
        **_record("inspection-rule", "the rule", {"name": "null", **_CHANGED}, "rule"),
        **_record("allocation", "the allocation", _ALLOCATION, "allocation"),
        "allocation-matched": EventType(about="it got its node", data=_ALLOCATION_DATA, of="allocation"),
        "allocation-failed": EventType(about="no node fits it", data=_ALLOCATION_DATA, of="allocation"),
        "operation-started": EventType(
            about="a group operation begins, or goes on with what failed", data=_OPERATION, of="operation"
        ),
        "operation-finished": EventType(about="a group operation ended", data=_OPERATION, of="operation"),
        "webhook-tested": EventType(
            about="somebody tries a webhook: only this webhook is told",
            data={"uuid": "UUID of the webhook"},
            of="webhook",
        ),
    },
    "power": {
        "power-observed": EventType(
            about="a poll saw a power state that is not the recorded one",
            data={"power_state": "what was seen", "seen_at": "when", "recorded": "what inventory holds"},
        ),
        "bmc-unreachable": EventType(
            about="the BMC did not answer several times in a row; repeated now and then",
            data={"failures": "how often in a row", "error": "the last reason", "code": "its kind, as in errors.md"},
        ),
        "bmc-recovered": EventType(about="the BMC answers again", data={"failures": "how often it had not"}),
        "health-changed": EventType(
            about="the BMC reports another health", data={"health": "OK, Warning, Critical, or null"}
        ),
        "sensors": EventType(
            about="readings, if they are switched on", data={"readings": "list of sensors", "seen_at": "when"}
        ),
    },
}
