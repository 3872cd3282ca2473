"""The `baremetal` command as it comes from PyPI (python-ironicclient), run as an operator would."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steelyard_lab.failure import LabError
from steelyard_lab.processes import wait_until

CALL_TIMEOUT_S = 60


class Baremetal:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._command = str(Path(sys.executable).with_name("baremetal"))
        self._environ = dict(environ)

    def run(self, *words: str, timeout_s: float = CALL_TIMEOUT_S) -> str:
        """Raises LabError with what the command said when its status is not 0."""
        command = [self._command, *words]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=timeout_s, env=self._environ, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(f"baremetal {' '.join(words[:4])}: no end within {timeout_s:g} s") from error
        if done.returncode:
            raise LabError(f"baremetal {' '.join(words[:4])}: status {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def change(self, verb: str, node: str, *words: str, timeout_s: float) -> None:
        """Asks for a change of the provision state and waits till it is over; a failed state is an error."""
        self.run("node", verb, node, "--wait", str(int(timeout_s)), *words, timeout_s=timeout_s + CALL_TIMEOUT_S)

    def wait_state(self, node: str, state: str, *, timeout_s: float) -> None:
        """Waits for the provision state; one that is called failed, or an error, is an error."""

        def arrived() -> bool:
            return self.check_not_failed(node) == state

        wait_until(arrived, f"{node} becomes {state}", timeout_s=timeout_s, every_s=3)

    def check_not_failed(self, node: str) -> str:
        """→ its provision state. Raises LabError, with the last error, when that is a failed one."""
        seen = self.node(node)
        state = str(seen["provision_state"])
        if state.endswith(("failed", "error")):
            raise LabError(f"{state}: {seen['last_error']}")
        return state

    def read(self, *words: str) -> Any:
        return json.loads(self.run(*words, "-f", "json"))

    def node(self, node: str) -> dict[str, Any]:
        fields = ["provision_state", "power_state", "target_power_state", "last_error", "reservation"]
        document: dict[str, Any] = self.read("node", "show", node, "--fields", *fields)
        return document

    def wait_for(self, node: str, *, timeout_s: float, **wanted: str | None) -> None:
        """Waits until the node's fields are as wanted and nothing is under way. A `last_error` is a failure."""
        seen: dict[str, Any] = {}

        def arrived() -> bool:
            seen.update(self.node(node))
            if seen["last_error"]:
                raise LabError(f"last_error: {seen['last_error']}")
            wanted_now = {**wanted, "target_power_state": None, "reservation": None}
            return all(seen[name] == value for name, value in wanted_now.items())

        try:
            wait_until(arrived, f"{node} becomes {wanted}", timeout_s=timeout_s)
        except LabError as error:
            raise LabError(f"{error}; last seen: {seen}") from error
