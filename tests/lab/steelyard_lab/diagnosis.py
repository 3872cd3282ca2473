"""What a reader of the run's output needs to understand a failure: consoles, what the API says of the node, logs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from steelyard_lab import api
from steelyard_lab.failure import LabError

CONSOLE_LINES, LOG_LINES, ANSWER_CHARACTERS = 60, 25, 6000
QUESTIONS = ("", "/explain", "/timeline?limit=25", "/boots?limit=2")


def diagnosis(node: str, console: str, clients: Mapping[str, str], logs: Path) -> Iterator[str]:
    """Lines. Never fails: what cannot be had is said."""
    yield f"---- {node}: the end of its serial console"
    yield from console.replace("\r", "").splitlines()[-CONSOLE_LINES:]
    for question in QUESTIONS:
        yield f"---- GET /v1/nodes/{node}{question}"
        yield _ask(f"/v1/nodes/{node}{question}", clients)[:ANSWER_CHARACTERS]
    for service in ("boot", "inventory", "power"):
        yield f"---- the end of the log of {service}"
        file = logs / f"{service}.log"
        yield from (file.read_text(errors="replace").splitlines()[-LOG_LINES:] if file.exists() else ["none"])


def _ask(path: str, clients: Mapping[str, str]) -> str:
    try:
        return json.dumps(api.get(path, clients), indent=1)
    except LabError as error:
        return f"no answer: {error}"
