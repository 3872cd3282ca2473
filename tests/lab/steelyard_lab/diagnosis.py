"""What a reader of the run's output needs to understand a failure: consoles, what the API says of the node, logs."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from steelyard_lab.lan import API

CONSOLE_LINES, LOG_LINES, ANSWER_CHARACTERS = 60, 25, 6000
NEWEST = {"X-OpenStack-Ironic-API-Version": "latest"}
QUESTIONS = ("", "/explain", "/timeline?limit=25", "/boots?limit=2")


def diagnosis(node: str, console: str, clients: Mapping[str, str], logs: Path) -> Iterator[str]:
    """Lines. Never fails: what cannot be had is said."""
    yield f"---- {node}: the end of its serial console"
    yield from console.replace("\r", "").splitlines()[-CONSOLE_LINES:]
    for question in QUESTIONS:
        yield f"---- GET /v1/nodes/{node}{question}"
        yield _ask(f"{API}/v1/nodes/{node}{question}", clients)[:ANSWER_CHARACTERS]
    for service in ("boot", "inventory", "power"):
        yield f"---- the end of the log of {service}"
        file = logs / f"{service}.log"
        yield from (file.read_text(errors="replace").splitlines()[-LOG_LINES:] if file.exists() else ["none"])


def _ask(url: str, clients: Mapping[str, str]) -> str:
    clouds = json.loads(Path(clients["OS_CLIENT_CONFIG_FILE"]).read_text())
    who = clouds["clouds"][clients["OS_CLOUD"]]["auth"]
    secret = base64.b64encode(f"{who['username']}:{who['password']}".encode()).decode()
    request = urllib.request.Request(url, headers={"Authorization": f"Basic {secret}", **NEWEST})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.dumps(json.load(answer), indent=1)
    except (urllib.error.URLError, OSError, ValueError) as error:
        return f"no answer: {error}"
