"""Steelyard's API beyond what the `baremetal` command asks."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steelyard_lab.failure import LabError
from steelyard_lab.lan import API

NEWEST = {"X-OpenStack-Ironic-API-Version": "latest"}


def get(path: str, clients: Mapping[str, str]) -> Any:
    """→ what the answer's JSON says. Errors: LabError."""
    clouds = json.loads(Path(clients["OS_CLIENT_CONFIG_FILE"]).read_text())
    who = clouds["clouds"][clients["OS_CLOUD"]]["auth"]
    secret = base64.b64encode(f"{who['username']}:{who['password']}".encode()).decode()
    request = urllib.request.Request(f"{API}{path}", headers={"Authorization": f"Basic {secret}", **NEWEST})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise LabError(f"GET {path}: {error}") from error
