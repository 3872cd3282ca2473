"""The grammar of subjects: ``<site>.<service>.<kind>.<verb or fact>[.<id>]`` (architecture §3)."""

from __future__ import annotations

STEPS_STREAM = "STEPS"
RESULTS_STREAM = "RESULTS"
EVENTS_STREAM = "EVENTS"
# Ironic's interface types: those that have steps. A user's own provider may have others (contracts.catalogue).
STEP_INTERFACES = (
    "bios", "boot", "console", "deploy", "firmware", "inspect", "management", "network", "power", "raid", "rescue",
    "storage", "vendor",
)  # fmt: skip
# Who tells events; ``bus`` is for dead letters. One by one, because "*.*.evt.>" would overlap "*.step.>".
EVENT_SOURCES = ("api-gateway", "boot", "bus", "console", "firmware", "inspector", "inventory", "power")
STREAM_SUBJECTS = {
    STEPS_STREAM: ["*.step.>"],
    RESULTS_STREAM: ["*.result.*"],
    EVENTS_STREAM: [f"*.{source}.evt.>" for source in EVENT_SOURCES],
}


def stream_subjects(site: str, stream: str) -> list[str]:
    """A stream's subjects for one site. On the server no stream may begin with ``*``: it would overlap NATS's own."""
    return [pattern.replace("*", site, 1) for pattern in STREAM_SUBJECTS[stream]]


# A step provider of somebody's own announces itself at ``cmd.announce-steps.<its user>``: only that user may.
ANNOUNCE_STEPS = "announce-steps"
# Asked of inventory by a provider whose step came again: is it waited for still?
STEP_IS_OUT = "step-is-out"


def query(site: str, service: str, verb: str) -> str:
    return f"{site}.{service}.qry.{verb}"


def command(site: str, service: str, verb: str) -> str:
    return f"{site}.{service}.cmd.{verb}"


def event(site: str, service: str, fact: str, subject_id: str) -> str:
    return f"{site}.{service}.evt.{fact}.{subject_id}"


def all_events(site: str) -> str:
    """What every service of a site tells."""
    return f"{site}.*.evt.>"


def step(site: str, interface: str, node_uuid: str) -> str:
    return f"{site}.step.{interface}.{node_uuid}"


def result(site: str, workflow_uuid: str) -> str:
    return f"{site}.result.{workflow_uuid}"


def dead_letter(site: str, durable: str, stream_sequence: int) -> str:
    """Where a message goes that a consumer could not handle: kept on EVENTS, for a person to look at."""
    return f"{site}.bus.evt.dead-letter.{durable}-{stream_sequence}"


# Names of durable consumers. They stand here because a permission names them, too (``permissions.py``).
RESULTS_DURABLE = "engine"
TIMELINE_DURABLE = "timeline"
WEBHOOKS_DURABLE = "webhooks"


def step_durable(interface: str) -> str:
    """All replicas of a provider share one consumer for each interface."""
    return f"step-{interface}"


def heard_durable(service: str, fact: str) -> str:
    """A service's own consumer of one fact of inventory's."""
    return f"{service}-{fact}"


def observer_durable(service: str) -> str:
    """Inventory's consumer of what another service has seen."""
    return f"inventory-{service}"
