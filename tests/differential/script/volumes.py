"""Volume connectors and targets."""

from __future__ import annotations

from typing import Any

from ..asking import Ask
from .words import ALPHA, BETA, CONNECTOR, FAKE, NOBODY, STRAY, TARGET, delete, get, other, patch, post, put

CONNECTORS, TARGETS = "/v1/volume/connectors", "/v1/volume/targets"
AN_IQN = {"node_uuid": ALPHA, "type": "iqn", "connector_id": "iqn.2020-01.org:x"}
A_DISK = {"node_uuid": ALPHA, "volume_type": "iscsi", "boot_index": 0, "volume_id": "v"}
SECRETS = {"auth_password": "p", "auth_username": "u", "target_lun": 1, "nested": {"password": "p"}}


def both(path: str, uuid: str) -> list[Ask]:
    """What is the same for either, once there is one."""
    return [
        *(get(path, f"1.{minor}") for minor in (31, 32, 115)),
        *(get(f"{path}?{query}") for query in (
            "detail=True", "detail=maybe", "detail=True&fields=uuid", "fields=uuid,node_uuid", "fields=bogus",
            "fields=extra", "node=alpha", f"node={ALPHA}", "node=nobody", f"node={NOBODY}", "limit=1", "limit=0",
            "limit=x", f"marker={NOBODY}", f"marker={uuid}", "marker=x", "sort_key=extra", "sort_key=bogus",
            "sort_key=created_at&sort_dir=desc", "sort_dir=up", "sort_key=node_uuid", "bogus=1",
        )),
        get(f"{path}/{uuid}"),
        get(f"{path}/{uuid}", "1.31"),
        get(f"{path}/{uuid}?fields=uuid"),
        get(f"{path}/{uuid}?fields=bogus"),
        get(f"{path}/{uuid}?bogus=1"),
        get(f"{path}/x"),
        get(f"{path}/{NOBODY}"),
        get(path.replace("/volume", f"/nodes/{ALPHA}/volume")),
        get(path.replace("/volume", f"/nodes/{ALPHA}/volume") + "?detail=True"),
        get(path.replace("/volume", f"/nodes/{NOBODY}/volume")),
        get(path.replace("/volume", f"/nodes/{ALPHA}/volume") + f"/{uuid}"),
        post(path.replace("/volume", f"/nodes/{ALPHA}/volume"), {}),
        delete(path.replace("/volume", f"/nodes/{ALPHA}/volume") + f"/{uuid}"),
        patch(f"{path}/{uuid}"),
        patch(f"{path}/{uuid}", ("add", "/extra/a", 1)),
        patch(f"{path}/{uuid}", ("remove", "/extra")),
        patch(f"{path}/{uuid}", ("remove", "/extra/nothing")),
        patch(f"{path}/{uuid}", ("remove", "/node_uuid")),
        *(patch(f"{path}/{uuid}", ("replace", f"/{name}", value)) for name, value in (
            ("uuid", "x"), ("bogus", 1), ("node_uuid", NOBODY), ("node_uuid", "x"), ("extra", []), ("links", []),
        )),
        patch(f"{path}/{NOBODY}", ("add", "/extra/a", 1)),
        patch(f"{path}/x", ("add", "/extra/a", 1)),
        patch(path, ("add", "/extra/a", 1)),
        other("PUT", f"{path}/{uuid}"),
        post(f"{path}/{uuid}", {}),
        delete(f"{path}/{uuid}", "1.31"),
        delete(f"{path}/x"),
        delete(path),
        delete(f"{path}/{NOBODY}"),
    ]  # fmt: skip


def changed(path: str, name: str, value: Any) -> Ask:
    return patch(path, ("replace", f"/{name}", value))


ROOT = [
    post("/v1/nodes", FAKE | {"uuid": ALPHA, "name": "alpha", "storage_interface": "external"}),
    post("/v1/nodes", FAKE | {"uuid": BETA, "name": "beta", "storage_interface": "bogus"}),
    post("/v1/nodes", FAKE | {"uuid": BETA, "name": "beta"}),
    put("/v1/nodes/alpha/states/power", {"target": "power off"}, "1.115", "alpha"),
    get("/v1/volume"),
    get("/v1/volume", "1.31"),
    get("/v1/volume/bogus"),
    get("/v1/nodes/alpha/volume"),
    get("/v1/nodes/alpha/volume", "1.31"),
    get(f"/v1/nodes/{NOBODY}/volume"),
    post("/v1/volume", {}),
    get(CONNECTORS),
    get(TARGETS),
]
A_CONNECTOR = [
    post(CONNECTORS, {}),
    post(CONNECTORS, []),
    post(CONNECTORS, AN_IQN, "1.31"),
    *(post(CONNECTORS, AN_IQN | {name: value}) for name, value in (
        ("node_uuid", NOBODY), ("node_uuid", "alpha"), ("node_uuid", 5), ("type", 5), ("type", None),
        ("connector_id", 5), ("connector_id", None), ("uuid", "x"), ("bogus", 1), ("extra", []), ("links", []),
    )),
    post(CONNECTORS, AN_IQN | {"uuid": CONNECTOR, "extra": {"a": 1}}),
    post(CONNECTORS, AN_IQN),
    post(CONNECTORS, AN_IQN | {"uuid": CONNECTOR, "connector_id": "y"}),
    post(CONNECTORS, AN_IQN | {"uuid": STRAY, "type": "bogus"}),
    delete(f"{CONNECTORS}/{STRAY}"),
    *both(CONNECTORS, CONNECTOR),
    changed(f"{CONNECTORS}/{CONNECTOR}", "connector_id", "q"),
    changed(f"{CONNECTORS}/{CONNECTOR}", "type", "wwpn"),
    patch(f"{CONNECTORS}/{CONNECTOR}", ("remove", "/connector_id")),
    patch(f"{CONNECTORS}/{CONNECTOR}", ("remove", "/type")),
    delete(f"{CONNECTORS}/{CONNECTOR}"),
    delete(f"{CONNECTORS}/{CONNECTOR}"),
]  # fmt: skip
A_TARGET = [
    post(TARGETS, {}),
    post(TARGETS, A_DISK, "1.31"),
    *(post(TARGETS, A_DISK | {name: value}) for name, value in (
        ("node_uuid", NOBODY), ("node_uuid", "alpha"), ("volume_type", 5), ("boot_index", "x"), ("boot_index", None),
        ("boot_index", 1.5), ("volume_id", 5), ("properties", []), ("extra", []), ("uuid", "x"), ("bogus", 1),
    )),
    post(TARGETS, A_DISK | {"uuid": TARGET, "properties": SECRETS}),
    post(TARGETS, A_DISK),
    post(TARGETS, A_DISK | {"uuid": TARGET, "boot_index": 4}),
    post(TARGETS, A_DISK | {"uuid": STRAY, "boot_index": "1"}),
    delete(f"{TARGETS}/{STRAY}"),
    *both(TARGETS, TARGET),
    get(f"{TARGETS}?sort_key=properties"),
    changed(f"{TARGETS}/{TARGET}", "boot_index", 2),
    changed(f"{TARGETS}/{TARGET}", "boot_index", "x"),
    changed(f"{TARGETS}/{TARGET}", "properties/target_lun", 2),
    changed(f"{TARGETS}/{TARGET}", "volume_type", "fibre_channel"),
    patch(f"{TARGETS}/{TARGET}", ("remove", "/volume_id")),
    patch(f"{TARGETS}/{TARGET}", ("remove", "/boot_index")),
    patch(f"{TARGETS}/{TARGET}", ("remove", "/properties")),
]  # fmt: skip
WHILE_ON = [
    put("/v1/nodes/alpha/states/power", {"target": "power on"}, "1.115", "alpha"),
    changed(f"{TARGETS}/{TARGET}", "volume_id", "w"),
    post(TARGETS, A_DISK | {"uuid": STRAY, "boot_index": 7}),
    delete(f"{TARGETS}/{STRAY}"),
    put("/v1/nodes/alpha/states/power", {"target": "power off"}, "1.115", "alpha"),
    delete(f"{TARGETS}/{TARGET}"),
    delete(f"{TARGETS}/{TARGET}"),
    delete("/v1/nodes/alpha"),
    delete("/v1/nodes/beta"),
]
REQUESTS = [*ROOT, *A_CONNECTOR, *A_TARGET, *WHILE_ON]
