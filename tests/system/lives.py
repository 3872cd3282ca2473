"""One node's life after the other, by a client that looks before it asks: a lost answer cannot mislead it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from .operator import PASSING, Operator, Unexpected

# verb → from which states, and what it leads to
VERBS = {
    "manage": ({"enroll", "available"}, "manageable"),
    "provide": ({"manageable"}, "available"),
    "adopt": ({"manageable"}, "active"),
    "active": ({"available"}, "active"),
    "deleted": ({"active"}, "available"),
}
# What a node goes through, verbs and power changes. A machine is adopted: deploying it would need a ramdisk's agent.
LIFE_OF_A_FAKE = ("manage", "provide", "active", "deleted")
LIFE_OF_A_MACHINE = (
    "manage", "power on", "provide", "power off", "manage", "adopt", "power on", "deleted",  # which switches it off
)  # fmt: skip
LOOK_S = 0.5
REACHED_S = 180.0
FAKES = {f"{name}_interface": "fake" for name in ("bios", "boot", "deploy", "inspect", "raid", "rescue", "vendor")}
POWER_ACTIONS_OF_A_LIFE = 4  # of a machine


def fake_body(name: str) -> dict[str, Any]:
    """A node without a machine, cleaned on its way."""
    return {"name": name, "driver": "fake-hardware", "automated_clean": True, **FAKES}


def rack_body(body: dict[str, Any]) -> dict[str, Any]:
    """A machine of the rack, not cleaned: that, too, would need an agent."""
    bare = {key: value for key, value in body.items() if key != "ports"}
    return {**bare, "automated_clean": False, "instance_info": {"image_source": "http://images.test/installed.img"}}


class Lives:
    """All lives of one node. Raises Unexpected when a life does not go on as it should, and when all are ``over``."""

    def __init__(self, operator: Operator, body: dict[str, Any], over: threading.Event, *, has_machine: bool) -> None:
        self._operator, self._body, self._over, self._has_machine = operator, body, over, has_machine
        self.name = str(body["name"])

    def live(self) -> None:
        """enroll → manageable → available → active → available, and out of the records."""
        self.begin()
        for what in LIFE_OF_A_MACHINE if self._has_machine else LIFE_OF_A_FAKE:
            self.power(what) if what.startswith("power") else self.go(what)
        self.end()

    def begin(self) -> None:
        self._until(lambda: self._look() is not None, lambda: ("POST", "/v1/nodes", self._body), "be enrolled")

    def end(self) -> None:
        path = f"/v1/nodes/{self.name}"
        self._until(lambda: self._look() is None, lambda: ("DELETE", path, None), "leave the records")

    def go(self, verb: str) -> None:
        begins, ends = VERBS[verb]
        self._reach(
            f"/v1/nodes/{self.name}/states/provision", verb, verb,
            is_there=lambda node: node["provision_state"] == ends,
            may_ask=lambda node: node["provision_state"] in begins,
        )  # fmt: skip

    def power(self, target: str) -> None:
        self._reach(
            f"/v1/nodes/{self.name}/states/power", target, target,
            is_there=lambda node: node["power_state"] == target and not node["target_power_state"],
            may_ask=lambda node: not node["target_power_state"],
        )  # fmt: skip

    def _reach(
        self, path: str, target: str, what: str, *, is_there: Callable[[dict[str, Any]], bool],
        may_ask: Callable[[dict[str, Any]], bool],
    ) -> None:  # fmt: skip
        node: dict[str, Any] = {}

        def there() -> bool:
            nonlocal node
            node = self._look() or {}
            if not node:
                raise Unexpected(f"{self.name} is lost")
            if node["provision_state"] == "error" or "failed" in node["provision_state"] or node["last_error"]:
                raise Unexpected(f"{self.name} failed to {what}: {node['provision_state']}: {node['last_error']}")
            return node["reservation"] is None and is_there(node)

        def ask() -> tuple[str, str, Any] | None:
            return ("PUT", path, {"target": target}) if node["reservation"] is None and may_ask(node) else None

        self._until(there, ask, what)

    def _until(self, there: Callable[[], bool], ask: Callable[[], tuple[str, str, Any] | None], what: str) -> None:
        """Look; ask if that makes sense; look again. A refusal counts only if the look before it still holds."""
        end = time.monotonic() + REACHED_S
        refusals = 0
        while not there():
            if time.monotonic() > end:
                raise Unexpected(f"{self.name} is stuck: it did not {what} in {REACHED_S:.0f} s: {self._look()}")
            request = ask()
            if request is not None:
                status, answer = self._operator.call(*request)
                refusals += status not in PASSING and status >= 400
                if refusals > 3:  # a first asking whose answer was lost may have got there in between
                    raise Unexpected(f"{self.name} may not {what}: {status} {answer}")
            if self._over.wait(LOOK_S):
                raise Unexpected(f"{self.name} was left alone, because another node's life went wrong")

    def _look(self) -> dict[str, Any] | None:
        """The node as the API shows it; None: there is none."""
        end = time.monotonic() + REACHED_S
        while True:
            status, node = self._operator.call("GET", f"/v1/nodes/{self.name}")
            if status == 200:
                assert isinstance(node, dict)
                return node
            if status == 404:
                return None
            if (status not in PASSING and status != 0) or time.monotonic() > end:
                raise Unexpected(f"{self.name} cannot be looked at: {status} {node}")
            self._over.wait(LOOK_S)
