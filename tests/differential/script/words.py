"""Short words for requests, and the script's UUIDs."""

from __future__ import annotations

from typing import Any

from ..asking import LATEST, OWN_UUID, VERSION_HEADER, Ask

ALPHA = f"{OWN_UUID}000000000001"
BETA = f"{OWN_UUID}000000000002"
GAMMA = f"{OWN_UUID}000000000003"
CHILD = f"{OWN_UUID}000000000004"
OLD = f"{OWN_UUID}000000000005"
PORT = f"{OWN_UUID}0000000000a1"
PORT2 = f"{OWN_UUID}0000000000a2"
STRAY = f"{OWN_UUID}0000000000dd"
NOBODY = f"{OWN_UUID}0000000000ff"
INSTANCE = f"{OWN_UUID}0000000000ee"
CHASSIS = f"{OWN_UUID}0000000000c1"
GROUP = f"{OWN_UUID}0000000000c2"
CONNECTOR = f"{OWN_UUID}0000000000c3"
TARGET = f"{OWN_UUID}0000000000c4"
TEMPLATE = f"{OWN_UUID}0000000000b1"
RUNBOOK = f"{OWN_UUID}0000000000b2"
RULE = f"{OWN_UUID}0000000000b3"
ALLOCATION = f"{OWN_UUID}0000000000b4"
FAKE = {"driver": "fake-hardware"}


def get(path: str, version: str | None = LATEST, **headers: str) -> Ask:
    return Ask(method="GET", path=path, version=version, headers=_named(headers))


def post(path: str, body: Any, version: str | None = LATEST, *settle: str) -> Ask:
    return Ask(method="POST", path=path, body=body, version=version, settle=settle)


def put(path: str, body: Any = None, version: str | None = LATEST, *settle: str) -> Ask:
    return Ask(method="PUT", path=path, body=body, version=version, settle=settle)


def patch(path: str, *operations: Any, version: str | None = LATEST) -> Ask:
    """Operations as ("add", "/a", value) or ("remove", "/a"); anything else goes as it is."""
    return Ask(method="PATCH", path=path, body=[_operation(each) for each in operations], version=version)


def delete(path: str, version: str | None = LATEST, body: Any = None) -> Ask:
    return Ask(method="DELETE", path=path, version=version, body=body)


def other(method: str, path: str, version: str | None = LATEST) -> Ask:
    return Ask(method=method, path=path, version=version)


def raw(method: str, path: str, body: bytes, **headers: str) -> Ask:
    return Ask(method=method, path=path, body=body, headers=_named(headers))


def _operation(each: Any) -> Any:
    if not isinstance(each, tuple):
        return each
    op, path, *value = each
    return {"op": op, "path": path} | ({"value": value[0]} if value else {})


def _named(headers: dict[str, str]) -> dict[str, str]:
    """generic=… is OpenStack-API-Version; own=… is Ironic's; the rest keep their names with dashes."""
    names = {"generic": "OpenStack-API-Version", "own": VERSION_HEADER}
    return {names.get(name, name.replace("_", "-")): value for name, value in headers.items()}
