"""The config drive of an instance, in its three forms (facts §9): text as it came, a URL, or an object to build from.

Pure. The object's files; who makes an image of them is a driver.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from steelyard_common.errors import InvalidRequest
from steelyard_common.secrets import PREFIX

LABEL = "config-2"
FOLDER = "openstack/latest"
MOST_BYTES = 64 << 20


def opened(value: Any, open_: Callable[[str], str]) -> Any:
    """``value`` with every sealed text opened; an object that was sealed as a whole becomes one again."""
    if isinstance(value, Mapping):
        return {key: opened(item, open_) for key, item in value.items()}
    if isinstance(value, list):
        return [opened(item, open_) for item in value]
    if not isinstance(value, str):
        return value
    text = open_(value) if value.startswith(PREFIX) else value
    return orjson.loads(text) if text.startswith("{") else text


def files(drive: Mapping[str, Any], node: Mapping[str, Any]) -> dict[str, bytes]:
    """Path → content. What everybody's instance must know is put in where it is missing. Errors: InvalidRequest."""
    meta = dict(drive.get("meta_data") or {})
    meta.setdefault("uuid", node.get("instance_uuid") or node["uuid"])
    info = node.get("instance_info") or {}
    name = node.get("instance_name") or info.get("display_name") or node.get("name")
    if name:
        meta.setdefault("name", name)
        meta.setdefault("hostname", name)
    made = {f"{FOLDER}/meta_data.json": orjson.dumps(meta)}
    network = drive.get("network_data") or node.get("network_data")
    if network:
        made[f"{FOLDER}/network_data.json"] = orjson.dumps(network)
    user = drive.get("user_data")
    if user:
        made[f"{FOLDER}/user_data"] = user.encode() if isinstance(user, str) else orjson.dumps(user)
    if drive.get("vendor_data"):
        made[f"{FOLDER}/vendor_data2.json"] = orjson.dumps(drive["vendor_data"])
    if sum(map(len, made.values())) > MOST_BYTES:
        raise InvalidRequest(f"the config drive is larger than {MOST_BYTES >> 20} MiB")
    return made
