"""The gateway over the bus twin, for tests and bench: other services answer with canned replies, at the bus border."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from flask.testing import FlaskClient
from steelyard_common.bus import Endpoint, MemoryBus, Request
from steelyard_common.errors import NotFound, SteelyardError
from steelyard_common.secrets import Sealer
from werkzeug.test import TestResponse

from .main import create_app
from .service.identity import SignIn
from .settings import Settings

SITE = "local"
SEAL_KEY = Sealer.new_key()
QUERIES = {
    "inventory": [
        "access", "owners", "usage", "quotas", "node-tags", "nodes", "node", "node-states", "node-console",
        "validate-node",
        "traits", "ports", "port", "drivers", "driver", "conductors", "conductor", "all-chassis", "chassis",
        "portgroups", "portgroup", "volume-connectors", "volume-connector", "volume-targets", "volume-target",
        "shards", "vifs", "node-children",
        "node-bios", "node-bios-setting", "node-firmware", "node-history", "node-history-entry", "node-inventory",
        "deploy-templates", "deploy-template", "runbooks", "runbook", "runbook-traits",
        "operations", "operation", "operation-nodes", "operation-targets",
        "webhooks", "webhook", "webhook-deliveries",
        "inspection-rules", "inspection-rule", "allocations", "allocation", "node-allocation",
        "node-timeline", "node-explain", "node-steps", "node-workflows", "workflow", "plan",
    ],
    "boot": ["artifacts", "artifact", "boot-attempts", "boot-attempt"],
    "power": [
        "boot-device", "supported-boot-devices", "indicators", "indicator", "vendor-methods", "virtual-media",
    ],
}  # fmt: skip
COMMANDS = {
    "inventory": [
        "create-node", "update-node", "delete-node", "set-quotas", "delete-quotas", "set-tags", "set-maintenance",
        "set-traits", "create-port", "update-port", "delete-port", "create-chassis", "update-chassis", "delete-chassis",
        "create-portgroup", "update-portgroup", "delete-portgroup", "create-volume-connector",
        "update-volume-connector",
        "delete-volume-connector", "create-volume-target", "update-volume-target", "delete-volume-target",
        "attach-vif", "detach-vif", "set-power", "set-provision", "set-boot-mode", "set-secure-boot",
        "set-target-raid", "set-console",
        "create-operation", "retry-operation", "abort-operation", "create-webhook", "update-webhook",
        "delete-webhook", "test-webhook", "redeliver-webhook", "take-deliveries", "settle-deliveries",
        "create-deploy-template", "update-deploy-template", "delete-deploy-template", "create-runbook",
        "update-runbook", "delete-runbook", "set-runbook-traits", "create-inspection-rule", "update-inspection-rule",
        "delete-inspection-rule", "create-allocation", "update-allocation", "delete-allocation",
        "delete-node-allocation", "create-plan", "apply-plan",
    ],
    "boot": ["agent-lookup", "agent-heartbeat", "fetch-artifact", "delete-artifact"],
    "inspector": ["take-inspection"],
    "power": [
        "set-boot-device", "inject-nmi", "set-indicator", "call-vendor", "attach-virtual-media",
        "detach-virtual-media",
    ],
}  # fmt: skip
_LAMP = {"name": "led@chassis", "component": "chassis", "readonly": False, "states": ["on", "off"]}
INDICATORS = orjson.dumps({"indicators": [_LAMP]})


@dataclass
class Others:
    """Inventory and power as the gateway sees them. ``asked``: (subject's end, body, headers) in order."""

    bus: MemoryBus
    asked: list[tuple[str, dict[str, Any], Mapping[str, str]]] = field(default_factory=list)
    replies: dict[str, bytes] = field(default_factory=lambda: {"qry.indicators": INDICATORS})
    errors: dict[str, SteelyardError] = field(default_factory=dict)
    nodes: frozenset[str] | None = None  # when set, only these exist

    def serve(self) -> None:
        for kind, verbs in (("qry", QUERIES), ("cmd", COMMANDS)):
            for service, names in verbs.items():
                subjects = [f"{SITE}.{service}.{kind}.{name}" for name in names]
                self.bus.serve(service, [Endpoint(subject=subject, handler=self._answer) for subject in subjects])

    def _answer(self, request: Request) -> bytes | None:
        name = request.subject.split(".", 2)[2]
        self.asked.append((name, request.body, request.headers))
        if name in self.errors:
            raise self.errors[name]
        if self.nodes is not None and request.body.get("ident") not in self.nodes:
            raise NotFound(f"Node {request.body.get('ident')} could not be found.")
        return self.replies.get(name, b'{"canned": "' + name.encode() + b'"}')

    @property
    def last(self) -> tuple[str, dict[str, Any]]:
        name, body, _ = self.asked[-1]
        return name, body

    @property
    def last_headers(self) -> Mapping[str, str]:
        return self.asked[-1][2]


@dataclass
class Api:
    """A client that speaks one version unless told otherwise."""

    client: FlaskClient
    version: str | None = "1.115"

    def __call__(self, method: str, path: str, json: Any = None, version: str | None = "", **more: Any) -> TestResponse:
        headers = dict(more.pop("headers", {}))
        spoken = self.version if version == "" else version
        if spoken is not None:
            headers["X-OpenStack-Ironic-API-Version"] = spoken
        if json is not None:
            more["data"] = orjson.dumps(json)
            more.setdefault("content_type", "application/json")
        return self.client.open(path, method=method, headers=headers, **more)


def fault(response: TestResponse) -> dict[str, Any]:
    """The inner JSON of an error."""
    inner: dict[str, Any] = orjson.loads(response.get_json()["error_message"])
    return inner


def message(response: TestResponse) -> str:
    inner = fault(response)
    text: str = inner["faultstring"] if "faultstring" in inner else inner["description"]
    return text


def make_api(bus: MemoryBus, *, sign_in: SignIn | None = None, **settings: Any) -> Api:
    given: dict[str, Any] = {"site": SITE, "seal_keys": SEAL_KEY, "project_rate": 0.0} | settings
    whole = Settings(**given)
    return Api(create_app(whole, bus, sign_in).test_client())
