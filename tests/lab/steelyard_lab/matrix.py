"""The result: machine x operation x seconds x outcome."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    DONE = "done"
    FAILED = "FAILED"
    NOT_RUN = "not run"


@dataclass(frozen=True, kw_only=True)
class Row:
    machine: str
    operation: str
    seconds: float
    outcome: Outcome
    evidence: str  # what was seen of the machine itself; for a failure, the error


def succeeded(rows: list[Row]) -> bool:
    """Every operation ran and did what it should. No rows is no success."""
    return bool(rows) and all(row.outcome is Outcome.DONE for row in rows)


def as_line(row: Row) -> str:
    seconds = "" if row.outcome is Outcome.NOT_RUN else f"{row.seconds:.1f}"
    evidence = " ".join(row.evidence.split()).replace("|", "\\|")
    return f"| {row.machine} | {row.operation} | {seconds} | {row.outcome.value} | {evidence} |"


def as_markdown(rows: list[Row], total_s: float) -> str:
    head = ["| machine | operation | seconds | outcome | seen |", "| --- | --- | ---: | --- | --- |"]
    done = sum(row.outcome is Outcome.DONE for row in rows)
    tail = ["", f"{done} of {len(rows)} operations done in {total_s:.0f} s."]
    return "\n".join(head + [as_line(row) for row in rows] + tail) + "\n"
