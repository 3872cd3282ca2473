"""docs/reference/compatibility.md is true: every route and field is asked for, below its version and at it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from steelyard_api_gateway.handlers.routes import Route
from steelyard_api_gateway.testing import Api, message
from steelyard_common.contracts.api import MAX_MINOR, MIN_MINOR

from . import compatibility, ironic_api

NOBODY = "5c217000-0000-4000-8000-00000000dead"
TOO_OLD = ("There is no such path", "is supported starting with", "minimal required API version")
SAMPLES = {"string": "x", "bool": True, "object": {"a": 1}, "list": ["x"], "integer": 1}
# Where not any value of its kind will do: what is judged before the version is.
VALUES: dict[str, Any] = {
    "network_data": {"links": [], "networks": [], "services": []},
    "local_link_connection": {"port_id": "1", "switch_id": "02:00:00:00:ee:ff"},
    "portgroup_uuid": NOBODY,
}
SAMPLE_OF: dict[str, Any] = {
    "configdrive": "http://192.0.2.1/drive",
    "deploy_steps": [{"interface": "bios", "step": "factory_reset", "args": {}, "priority": 10}],
    "clean_steps": [{"interface": "bios", "step": "factory_reset"}],
    "service_steps": [{"interface": "bios", "step": "factory_reset"}],
    "runbook": "CUSTOM_R",
    "disable_ramdisk": True,
    "rescue_password": "word",
}
STEP = {"interface": "bios", "step": "factory_reset", "args": {}}
CONTINUE = ("POST", "/continue_inspection")


def _asked(api: Api, method: str, path: str, minor: int) -> tuple[int, str]:
    """(status, what is said) of a call about something that is not there."""
    target = "/v1" + path.replace("{}", NOBODY)
    answer = api(method, target, {} if method in ("POST", "PUT", "PATCH") else None, version=f"1.{minor}")
    return answer.status_code, message(answer) if answer.status_code >= 400 else ""


def _is_too_old(status: int, said: str) -> bool:
    return status == 405 or (status in (404, 406) and any(words in said for words in TOO_OLD))


def test_every_route_is_refused_below_its_version_and_served_at_it(api: Api) -> None:
    wrong = []
    for key, route in compatibility.served().items():
        since = ironic_api.routes()[key] if key == CONTINUE else route.since
        wrong += _misplaced(api, key, route, since)

    assert wrong == []


def _misplaced(api: Api, key: tuple[str, str], route: Route, since: int) -> list[str]:
    wrong = []
    status, said = _asked(api, *key, since)
    # Of our own routes some are answered by services that are not here.
    is_away = status == 503 and said.endswith("service is away") and key not in ironic_api.routes()
    if (status >= 500 and not is_away) or _is_too_old(status, said):
        wrong.append(f"{key} at 1.{since}: {status} {said}")
    if since > MIN_MINOR:
        status, said = _asked(api, *key, since - 1)
        if status != route.too_old or not _is_too_old(status, said):
            wrong.append(f"{key} at 1.{since - 1}: {status} {said}")
    return wrong


def test_our_tables_and_ironics_reference_agree_on_every_version() -> None:
    ours, theirs = compatibility.served(), ironic_api.routes()

    assert theirs.keys() <= ours.keys()
    assert {key for key, since in theirs.items() if ours[key].since != since} == {CONTINUE}
    assert ironic_api.microversions().keys() == set(range(MIN_MINOR + 1, MAX_MINOR + 1))
    for name, fields in ironic_api.fields().items():
        resource = compatibility.RESOURCES[name]
        here = {each: field.since for each, field in resource.fields.items()} | dict(resource.links) | {"links": 1}
        floor = resource.since
        assert {k: max(v, floor) for k, v in here.items()} == {k: max(v, floor) for k, v in fields.items()}, name


def test_every_difference_in_the_table_is_about_a_row_that_is_there() -> None:
    rows = {f"{method} {path}" for method, path in ironic_api.routes()}
    rows |= {f"{name}.{field}" for name, fields in ironic_api.fields().items() for field in fields}

    assert compatibility.DIFFERENT.keys() <= rows


@pytest.fixture
def records(api: Api) -> dict[str, str]:
    """Resource → the path of one of its kind."""
    node = _made(api, "nodes", {"driver": "fake-hardware"})
    owned = {"node_uuid": node}
    bodies: dict[str, Any] = {
        "ports": owned | {"address": "02:00:00:00:ee:01"},
        "portgroups": owned,
        "chassis": {},
        "volume/connectors": owned | {"type": "iqn", "connector_id": "iqn.x"},
        "volume/targets": owned | {"volume_type": "iscsi", "boot_index": 0, "volume_id": "v"},
        "allocations": {"resource_class": "none"},
        "deploy_templates": {"name": "CUSTOM_T", "steps": [STEP | {"priority": 1}]},
        "runbooks": {"name": "CUSTOM_R", "steps": [STEP | {"order": 1}]},
        "inspection_rules": {"actions": [{"op": "fail", "args": {"msg": "no"}}]},
    }
    return {"nodes": f"nodes/{node}"} | {name: f"{name}/{_made(api, name, body)}" for name, body in bodies.items()}


def _made(api: Api, resource: str, body: dict[str, Any]) -> str:
    answer = api("POST", f"/v1/{resource}", body)
    assert answer.status_code == 201, answer.data
    uuid: str = answer.get_json()["uuid"]
    return uuid


def test_every_field_is_hidden_below_its_version_and_shown_at_it(api: Api, records: dict[str, str]) -> None:
    assert records.keys() == compatibility.RESOURCES.keys()
    for name, fields in ironic_api.fields().items():
        resource, path = compatibility.RESOURCES[name], f"/v1/{records[name]}"
        for field, of_field in fields.items():
            since = max(of_field, resource.since)
            assert field in api("GET", path, version=f"1.{since}").get_json(), f"{name}.{field} at 1.{since}"
            if since > resource.since:
                below = f"1.{since - 1}"
                assert field not in api("GET", path, version=below).get_json(), f"{name}.{field} at {below}"


def test_a_field_is_asked_for_and_written_only_from_its_version(api: Api, records: dict[str, str]) -> None:
    for name, resource in compatibility.RESOURCES.items():
        collection = f"/v1/{name}"
        for field in resource.fields.values():
            at = max(field.since, resource.since, 8)  # fields= came with 1.8
            chosen = api("GET", f"{collection}?fields={field.name}", version=f"1.{at}")
            assert chosen.status_code == 200, f"{name}.{field.name} at 1.{at}: {chosen.data!r}"
            if field.since <= resource.since:
                continue
            below = f"1.{field.since - 1}"
            chosen = api("GET", f"{collection}?fields={field.name}", version=below)
            assert chosen.status_code == 406, f"{name}.{field.name} at {below}: {chosen.data!r}"
            if field.create:
                body = {field.name: VALUES.get(field.name, SAMPLES[field.kind])}
                written = api("POST", collection, _whole(name, records) | body, version=below)
                assert written.status_code == 406, f"{name}.{field.name} written at {below}: {written.data!r}"


def _whole(name: str, records: dict[str, str]) -> dict[str, Any]:
    """What such a body cannot do without."""
    node = records["nodes"].partition("/")[2]
    needed: dict[str, dict[str, Any]] = {
        "nodes": {"driver": "fake-hardware"},
        "ports": {"node_uuid": node, "address": "02:00:00:00:ee:02"},
        "portgroups": {"node_uuid": node},
        "allocations": {"resource_class": "none"},
        "runbooks": {"name": "CUSTOM_S", "steps": [STEP | {"order": 1}]},
    }
    return needed[name]


# What each parameter of a list takes; else a word.
ASKED = {
    "instance_uuid": NOBODY, "chassis_uuid": NOBODY, "node_uuid": NOBODY, "parent_node": NOBODY, "node": NOBODY,
    "portgroup": NOBODY, "address": "02:00:00:00:ee:01", "provision_state": "active", "fault": "power%20failure",
    "type": "dynamic", "state": "active", "fields": "uuid",
    **dict.fromkeys(("associated", "maintenance", "retired", "sharded", "include_children", "detail"), "true"),
}  # fmt: skip
IDENTITY = {"drivers": "name", "conductors": "hostname"}


def test_every_parameter_of_a_list_is_refused_below_its_version_and_taken_at_it(api: Api) -> None:
    wrong = []
    for resource, names in ironic_api.queries().items():
        floor = ironic_api.routes()["GET", f"/{resource}"]
        for name, of_name in names.items():
            since, value = max(of_name, floor), ASKED.get(name, "x")
            value = IDENTITY.get(resource, value) if name == "fields" else value
            at = _asked(api, "GET", f"/{resource}?{name}={value}", since)
            below = _asked(api, "GET", f"/{resource}?{name}={value}", since - 1) if since > floor else (406, "")
            # Something that is not there may be named: 400 and 404 are about that, not about the version.
            if at[0] not in (200, 400, 404) or "Unexpected arguments" in at[1] or "supported starting" in at[1]:
                wrong.append((resource, name, since, at))
            if below[0] != 406 and not (name == "detail" and below[0] == 400):
                wrong.append((resource, name, since - 1, below))

    assert wrong == []


def _states() -> list[tuple[str, dict[str, Any], int]]:
    """(what is set, body, since)"""
    verbs = [("provision", {"target": name}, since) for name, since in ironic_api.verbs().items()]
    power = [("power", {"target": name}, since) for name, since in ironic_api.POWER.items()]
    beside = [
        ("provision", {"target": target, parameter: SAMPLE_OF[parameter]}, since)
        for parameter, targets in ironic_api.PARAMETERS.items()
        for target, since in targets.items()
    ]
    return verbs + power + beside


def test_a_verb_and_what_stands_beside_it_are_taken_from_their_version_on(api: Api) -> None:
    wrong = []
    for path, body, since in _states():
        node = _made(api, "nodes", {"driver": "fake-hardware"})
        target = f"/v1/nodes/{node}/states/{path}"
        if since > MIN_MINOR and not _is_newer(api("PUT", target, body, version=f"1.{since - 1}")):
            wrong.append((body, since - 1))
        if _is_newer(api("PUT", target, body, version=f"1.{since}")):
            wrong.append((body, since))

    assert wrong == []


def _is_newer(answer: Any) -> bool:
    """Refused for its version, and for nothing else."""
    return answer.status_code == 406 or "starting with" in answer.get_data(as_text=True)


def test_the_page_is_what_the_tables_say() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "compatibility.md"

    assert page.read_text() == compatibility.page(), "run make docs"
