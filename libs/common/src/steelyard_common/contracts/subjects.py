"""The grammar of subjects: ``<site>.<service>.<kind>.<verb or fact>[.<id>]`` (architecture §3)."""

from __future__ import annotations

STEPS_STREAM = "STEPS"
RESULTS_STREAM = "RESULTS"
EVENTS_STREAM = "EVENTS"
STREAM_SUBJECTS = {
    STEPS_STREAM: ["*.step.>"],
    RESULTS_STREAM: ["*.result.*"],
    EVENTS_STREAM: ["*.*.evt.>"],
}


def query(site: str, service: str, verb: str) -> str:
    return f"{site}.{service}.qry.{verb}"


def command(site: str, service: str, verb: str) -> str:
    return f"{site}.{service}.cmd.{verb}"


def event(site: str, service: str, fact: str, subject_id: str) -> str:
    return f"{site}.{service}.evt.{fact}.{subject_id}"


def step(site: str, interface: str, node_uuid: str) -> str:
    return f"{site}.step.{interface}.{node_uuid}"


def result(site: str, workflow_uuid: str) -> str:
    return f"{site}.result.{workflow_uuid}"
