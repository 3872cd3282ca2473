"""What may be told on ``<site>.<service>.evt.<fact>.<id>``: each fact, what its id is, and the fields of its data.

New fields are added, none changes its meaning (style §4). `docs/reference/messages.md` and the AsyncAPI document are
made from this table; tests hold it against what the services' code tells, and events of a running suite against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .shapes import Part, boolean, count, document, listing, number, text, time, uuid


@dataclass(frozen=True, kw_only=True)
class EventType:
    """``of``: whose UUID stands last in the subject. ``data``: its fields."""

    about: str
    data: Mapping[str, Part]
    of: str = "node"


_WORKFLOW = {"workflow": uuid("UUID of the workflow"), "kind": text("its kind")}
_PARAMS = {"params": document("what was asked for")}
_CHANGED = {
    "changed": document("field → new value, of fields that are no objects").or_missing(),
    "changed_objects": listing(
        "names of the objects that changed; what is in them is not told", text("its name")
    ).or_missing(),
}
_STATES = {
    "provision_state": text("state that it leads to").or_missing(),
    "target_provision_state": text("where the node is going").or_null().or_missing(),
}
_PROBLEM = document(
    "why it failed, as in errors.md",
    {"code": text("its kind"), "status": count("HTTP status"), "message": text("why"), "retryable": boolean("so")},
).or_null()
_STEPS = listing(
    "what became of its steps",
    document(
        "a step",
        {
            "step": text("interface.name"), "status": text("how it ended"), "attempts": count("how often it was begun"),
            "error": _PROBLEM, "started_at": time("when").or_null(), "finished_at": time("when").or_null(),
        },
    ),
)  # fmt: skip
_VERBS = {"created": "was created", "updated": "was changed", "deleted": "was deleted"}


def _record(thing: str, words: str, data: Mapping[str, Part], of: str = "node") -> dict[str, EventType]:
    return {
        f"{thing}-{verb}": EventType(about=f"{words} {done}", data={"uuid": uuid(f"UUID of {words}"), **data}, of=of)
        for verb, done in _VERBS.items()
    }


def _vif(now: str) -> dict[str, Part]:
    return {
        "vif": text("its id"),
        "port": uuid(f"UUID, if a port {now} it").or_missing(),
        "portgroup": uuid(f"UUID, if a port group {now} it").or_missing(),
    }


_NODES = {
    **_record("node", "the node", {"name": text("its name").or_null().or_missing(), **_CHANGED}),
    "provision-state-changed": EventType(
        about="the node is in another state of its lifecycle",
        data={
            "from": text("state before").or_null(),
            "to": text("state now"),
            "target": text("where it is going").or_null(),
            "event": text("what moved it"),
        },
    ),
    "power-state-changed": EventType(
        about="the recorded power state changed; also told after a reboot",
        data={
            "from": text("state before, null if unknown").or_null(),
            "to": text("state now"),
            **{name: part.or_missing() for name, part in _WORKFLOW.items()},
        },
    ),
    "power-state-corrected": EventType(
        about="the machine was found in another power state than recorded, and the record follows it",
        data={"from": text("what was recorded"), "to": text("what was seen")},
    ),
    "power-change-failed": EventType(
        about="a power change ended without the state that was asked for",
        data={"target": text("what was asked for"), "error": text("why it failed"), **_WORKFLOW},
    ),
    "maintenance-changed": EventType(
        about="the node is in maintenance now, or is not any more",
        data={"on": boolean("whether it is"), "reason": text("why").or_null()},
    ),
    "fault-changed": EventType(
        about="a fault was found, or is gone",
        data={
            "from": text("fault before").or_null(),
            "to": text("fault now").or_null(),
            "reason": text("why").or_missing(),
        },
    ),
    "vif-attached": EventType(about="a VIF is attached", data=_vif("has")),
    "vif-detached": EventType(about="a VIF is gone", data=_vif("had")),
    "lease-released": EventType(
        about="a direct call to the BMC ended; how, only its caller knows",
        data={
            "purpose": text("what for"),
            "holder": text("instance that had the lease"),
            "duration_s": number("seconds"),
            "outcome": text("how", "ended"),
        },
    ),
}
_WORKFLOWS = {
    "workflow-started": EventType(about="a workflow holds the node", data={**_WORKFLOW, **_PARAMS, **_STATES}),
    "workflow-progressed": EventType(
        about="its current step waits, or has something to say",
        data={
            **_WORKFLOW,
            "step": text("interface.name"),
            "status": text("the step's"),
            "progress": text("how far it is").or_null(),
            "signal": text("what it waits for").or_null(),
            "deadline_at": time("when it is given up").or_null(),
        },
    ),
    "workflow-finished": EventType(
        about="a workflow ended and the node is free",
        data={
            **_WORKFLOW,
            **_PARAMS,
            "status": text("how it ended", "done", "failed", "aborted"),
            "error": _PROBLEM,
            "steps": _STEPS,
            "started_at": time("when it began"),
            **_STATES,
        },
    ),
}
_ALLOCATION = {
    "uuid": uuid("UUID of the allocation"),
    "name": text("its name").or_null(),
    "state": text("allocating, active or error").or_null(),
    "node_uuid": uuid("UUID of its node").or_null(),
    "resource_class": text("what it asks for").or_null(),
    "owner": text("project that has it").or_null(),
    "last_error": text("why it failed").or_null(),
}
_OPERATION = {
    "uuid": uuid("UUID of the operation"),
    "verb": text("what is asked of each node"),
    "status": text("how it is", "running", "aborting", "done", "failed", "aborted"),
    "total": count("how many nodes"),
    "counts": document("outcome → how many nodes"),
    "owner": text("project that asked").or_null(),
}
_READING = document(
    "a reading",
    {
        "kind": text("Temperature, Fan, Power, Voltage, Drive …"),
        "name": text("as the BMC names it"),
        "value": Part(about="number or text", schema={"type": ["number", "string", "null"]}),
        "unit": text("of the value").or_null(),
        "health": text("as the BMC says").or_null(),
    },
)
_ATTEMPT = {
    "attempt": uuid("UUID of the attempt"),
    "boot": uuid("UUID of the boot that was prepared"),
    "purpose": text("what for", "deploy", "clean", "service", "rescue", "inspect", "ramdisk", "volume", "local"),
    "interface": text("the node's boot interface"),
    "outcome": text("how it ended", "booted", "failed", "replaced"),
    "failing_hop": text("where it went no further").or_null(),
    "reason": text("the likely reason").or_null(),
    "began_at": time("when its first hop was seen"),
    "duration_s": number("seconds"),
    "hops": listing("what went well, in order", text("a hop")),
}
_NAMED = {"name": text("its name"), **_CHANGED}

FACTS: Mapping[str, Mapping[str, EventType]] = {
    "inventory": {
        **_NODES,
        **_WORKFLOWS,
        **_record("port", "the port", {"address": text("its MAC address"), "changed": _CHANGED["changed"]}),
        **_record("portgroup", "the port group", _CHANGED),
        **_record("volume-connector", "the volume connector", _CHANGED),
        **_record("volume-target", "the volume target", _CHANGED),
        **_record("chassis", "the chassis", _CHANGED, "chassis"),
        **_record("deploy-template", "the deploy template", _NAMED, "deploy template"),
        **_record("runbook", "the runbook", _NAMED, "runbook"),
        **_record("inspection-rule", "the rule", {**_NAMED, "name": text("rules have none").or_null()}, "rule"),
        **_record("allocation", "the allocation", _ALLOCATION, "allocation"),
        "allocation-matched": EventType(about="it got its node", data=_ALLOCATION, of="allocation"),
        "allocation-failed": EventType(about="no node fits it", data=_ALLOCATION, of="allocation"),
        "operation-started": EventType(
            about="a group operation begins, or goes on with what failed", data=_OPERATION, of="operation"
        ),
        "operation-finished": EventType(about="a group operation ended", data=_OPERATION, of="operation"),
        "webhook-tested": EventType(
            about="somebody tries a webhook: only this webhook is told, the stream is not",
            data={"uuid": uuid("UUID of the webhook")},
            of="webhook",
        ),
    },
    "power": {
        "power-observed": EventType(
            about="a poll saw a power state that is not the recorded one",
            data={
                "power_state": text("what was seen"),
                "seen_at": time("when"),
                "recorded": text("what inventory holds").or_null(),
            },
        ),
        "bmc-unreachable": EventType(
            about="the BMC did not answer several times in a row; repeated now and then",
            data={
                "failures": count("how often in a row"),
                "error": text("the last reason"),
                "code": text("its kind, as in errors.md"),
            },
        ),
        "bmc-recovered": EventType(about="the BMC answers again", data={"failures": count("how often it had not")}),
        "health-changed": EventType(
            about="the BMC reports another health", data={"health": text("OK, Warning, Critical").or_null()}
        ),
        "sensors": EventType(
            about="readings, if they are switched on",
            data={"readings": listing("of each sensor", _READING), "seen_at": time("when")},
        ),
    },
    "boot": {
        "boot-attempt-ended": EventType(
            about="a machine has booted what was prepared for it, or was switched off or started again before",
            data=_ATTEMPT,
        ),
        "boot-attempt-failed": EventType(
            about="a machine that was to boot was not seen for long; names the hop and the likely reason", data=_ATTEMPT
        ),
    },
    "api-gateway": {
        "call-refused": EventType(
            about="a call that should have changed a node was refused; `by-name` ends the subject if it named the node",
            data={
                "method": text("of HTTP"),
                "path": text("that was called"),
                "outcome": text("how it ended", "refused"),
                "status": count("of HTTP"),
                "code": text("its kind, as in errors.md"),
                "message": text("what the caller was told"),
                "duration_s": number("seconds"),
                "node_name": text("as the call named the node").or_missing(),
            },
        ),
    },
}
# What is kept of a message that a consumer could not handle: no CloudEvent, for a person to look at.
DEAD_LETTER: Mapping[str, Part] = {
    "stream": text("that it came from"),
    "durable": text("consumer that could not handle it"),
    "stream_sequence": count("its place in the stream"),
    "subject": text("its subject"),
    "num_delivered": count("how often it was tried"),
    "reason": text("what went wrong"),
    "data_base64": text("its body"),
}
