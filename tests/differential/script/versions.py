"""The edges of versions: each call of Ironic's reference, and each record with all its fields, at them and before.

What is asked is made from the reference that the compatibility page shows: that both sides agree here, and that
tests/contract/test_compatibility.py finds Steelyard where the page says, proves the page against a real Ironic.
"""

from __future__ import annotations

from typing import Any

from tests.contract import ironic_api

from ..asking import LATEST, Ask
from . import words
from .words import delete, get, post, put

NODE = words.OLD
STEP = {"interface": "bios", "step": "factory_reset", "args": {}}
OWNED = {"node_uuid": NODE}
# Resource → what makes one of it, in this order.
RECORDS: dict[str, dict[str, Any]] = {
    "nodes": {"uuid": NODE, **words.FAKE},
    "ports": {"uuid": words.PORT, **OWNED, "address": "02:00:00:00:ee:01"},
    "portgroups": {"uuid": words.GROUP, **OWNED},
    "chassis": {"uuid": words.CHASSIS},
    "volume/connectors": {"uuid": words.CONNECTOR, **OWNED, "type": "iqn", "connector_id": "iqn.x"},
    "volume/targets": {"uuid": words.TARGET, **OWNED, "volume_type": "iscsi", "boot_index": 0, "volume_id": "v"},
    "allocations": {"uuid": words.ALLOCATION, "resource_class": "none"},
    "deploy_templates": {"uuid": words.TEMPLATE, "name": "CUSTOM_T", "steps": [{**STEP, "priority": 1}]},
    "runbooks": {"uuid": words.RUNBOOK, "name": "CUSTOM_R", "steps": [{**STEP, "order": 1}]},
    "inspection_rules": {"uuid": words.RULE, "conditions": [], "actions": [{"op": "fail", "args": {"msg": "no"}}]},
}
NAMED_BY = {"drivers": "name", "conductors": "hostname"}
WRITES = ("POST", "PUT", "PATCH")
# What else a call needs, so that its version is all that can be wrong with it.
BODIES: dict[str, Any] = {
    "/nodes/{}/states/boot_mode": {"target": "uefi"},
    "/nodes/{}/states/secure_boot": {"target": True},
    "/nodes/{}/management/indicators/{}": {"state": "on"},
    "/nodes/{}/traits": {"traits": []},
    "/runbooks/{}/traits": {"traits": []},
    "/heartbeat/{}": {"callback_url": "http://192.0.2.1:9999"},
    "/continue_inspection": {"inventory": {"interfaces": [{"mac_address": "02:00:00:00:ee:0f"}]}},
}
PATHS = {
    "/nodes/validate": f"/nodes/validate?node={words.NOBODY}",
    "/nodes/{}/management/indicators/{}": f"/nodes/{words.NOBODY}/management/indicators/led@chassis",
}
# Of a parameter that needs it: what is asked for; else a word.
ASKED = {
    **dict.fromkeys(("instance_uuid", "chassis_uuid", "node_uuid", "parent_node"), words.NOBODY),
    "address": "02:00:00:00:ee:01", "provision_state": "active", "fault": "power%20failure", "type": "dynamic",
    "state": "active", "node": NODE, "portgroup": words.GROUP, "resource_class": "none",
    **dict.fromkeys(("associated", "maintenance", "retired", "sharded", "include_children", "detail"), "true"),
}  # fmt: skip


def _of_calls() -> list[Ask]:
    """Each call about what is not there: at its version, and one before."""
    asks = []
    for (method, path), since in ironic_api.routes().items():
        for minor in (since - 1, since) if since > 1 else (since,):
            body = BODIES.get(path, {}) if method in WRITES else None
            target = "/v1" + PATHS.get(path, path).replace("{}", words.NOBODY)
            asks.append(Ask(method=method, path=target, body=body, version=f"1.{minor}"))
    return asks


def _of_fields() -> list[Ask]:
    """Each record at each version at which it shows another field, and one before."""
    asks = []
    for resource, fields in ironic_api.fields().items():
        uuid = RECORDS[resource]["uuid"]
        edges = sorted({minor for since in fields.values() for minor in (since - 1, since) if minor > 0})
        asks += [get(f"/v1/{resource}/{uuid}", f"1.{minor}") for minor in edges]
    return asks


def _of_queries() -> list[Ask]:
    """Each list with each parameter that it may be asked for, at its version and one before."""
    asks = []
    for resource, names in ironic_api.queries().items():
        floor = ironic_api.routes()["GET", f"/{resource}"]
        for name, of_name in names.items():
            since = max(of_name, floor)
            value = NAMED_BY.get(resource, "uuid") if name == "fields" else ASKED.get(name, "x")
            path = f"/v1/{resource}?{name}={value}"
            asks += [get(path, f"1.{minor}") for minor in ((since - 1, since) if since > floor else (since,))]
    return asks


def _of_verbs() -> list[Ask]:
    """Each verb to a node in enroll, which takes none but manage: that is the last one."""
    asks = []
    for verb, since in sorted(ironic_api.verbs().items(), key=lambda each: each[0] == "manage"):
        for minor in (since - 1, since) if since > 1 else (since,):
            settle = (NODE,) if (verb, minor) == ("manage", since) else ()
            asks.append(put(f"/v1/nodes/{NODE}/states/provision", {"target": verb}, f"1.{minor}", *settle))
    return asks


def _settled(resource: str) -> tuple[str, ...]:
    return (f"/v1/allocations/{words.ALLOCATION}",) if resource == "allocations" else ()


REQUESTS = [
    *_of_calls(),
    *(post(f"/v1/{resource}", body, LATEST, *_settled(resource)) for resource, body in RECORDS.items()),
    *_of_fields(),
    *_of_queries(),
    *_of_verbs(),
    *(delete(f"/v1/{resource}/{RECORDS[resource]['uuid']}") for resource in reversed(RECORDS)),
]
