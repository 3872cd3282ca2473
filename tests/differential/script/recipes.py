"""Deploy templates, runbooks, inspection rules."""

from __future__ import annotations

from typing import Any

from ..asking import Ask
from .words import NOBODY, RULE, RUNBOOK, STRAY, TEMPLATE, delete, get, other, patch, post, put

STEP = {"interface": "raid", "step": "create", "args": {"password": "x", "size": 1}, "priority": 10}
RUN = {"interface": "raid", "step": "create", "args": {}, "order": 1}
ACTION = {"op": "set-attribute", "args": {"path": "/extra/a", "value": "b"}}
CONDITION = {"op": "eq", "args": {"values": ["{node.uuid}", "x"]}}
TEMPLATES, RUNBOOKS, RULES = "/v1/deploy_templates", "/v1/runbooks", "/v1/inspection_rules"


def resource(here: str, since: int, uuid: str, body: dict[str, Any], bad: list[dict[str, Any]]) -> list[Ask]:
    """What is the same for each of them (and for allocations)."""
    there, old = f"{here}/{uuid}", f"1.{since - 1}"
    return [
        get(here, old), get(there, old), post(here, body, old), delete(there, old),
        patch(there, ("add", "/extra/a", 1), version=old),
        get(here), get(there), get(here, f"1.{since}"),
        *(get(f"{here}?{query}") for query in (
            "fields=bogus", "bogus=1", "sort_key=extra", "sort_key=bogus", "sort_dir=up", f"marker={NOBODY}",
            "marker=x", "limit=-1", "limit=0", "limit=x", "detail=maybe",
        )),
        *(post(here, body | more) for more in bad),
        post(here, {}), post(here, []), post(here, body | {"links": []}),
        post(here, body | {"uuid": uuid}, "1.115", *((there,) if "allocations" in here else ())),
        post(here, body | {"uuid": uuid}),
        get(here), get(there), get(f"{here}?fields=uuid"), get(f"{there}?fields=uuid,created_at"),
        get(f"{there}?fields=bogus"), get(f"{there}?bogus=1"),
        get(f"{here}?limit=1"), get(f"{here}?sort_key=updated_at&sort_dir=desc"), get(f"{here}?detail=True"),
        get(f"{here}?detail=True&fields=uuid"),
        patch(there), patch(there, ("remove", "/bogus")), patch(there, ("add", "/bogus", 1)),
        patch(there, ("replace", "/created_at", "x")), patch(there, ("test", "/uuid", uuid)),
        patch(here, ("add", "/extra/a", 1)), patch(f"{here}/{NOBODY}"),
        delete(f"{here}/{NOBODY}"), delete(here), other("PUT", there), post(there, {}),
        get(f"{here}/{NOBODY}"), get(f"{here}/no%20body"),
        get(f"{there}/extra"), get(f"{there}/uuid"), get(f"{there}/bogus"),
    ]  # fmt: skip


def changed(path: str, name: str, value: Any, version: str = "1.115") -> Ask:
    return patch(path, ("replace", f"/{name}", value), version=version)


DEPLOY_TEMPLATES = [
    *resource(TEMPLATES, 55, TEMPLATE, {"name": "CUSTOM_T", "steps": [STEP]}, [
        {"name": "gold"}, {"name": ""}, {"name": 5}, {"name": "CUSTOM_" + "A" * 250}, {"steps": []}, {"steps": {}},
        {"steps": [STEP, STEP]}, {"steps": [STEP | {"interface": "boot"}]}, {"steps": [STEP | {"priority": -1}]},
        {"steps": [STEP | {"priority": "x"}]}, {"steps": [STEP | {"more": 1}]}, {"steps": [{"step": "create"}]},
        {"steps": [STEP | {"args": []}]}, {"bogus": 1}, {"extra": []}, {"description": "d" * 256},
    ]),
    *(patch(f"{TEMPLATES}/{TEMPLATE}", operation) for operation in (
        ("replace", "/steps/0/priority", 3), ("remove", "/steps"), ("remove", "/name"), ("remove", "/steps/0"),
        ("add", "/steps/-", STEP), ("add", "/steps/-", STEP | {"step": "other"}), ("replace", "/steps/0/priority", -1),
        ("remove", "/extra"), ("replace", "/name", "gold"), ("replace", "/uuid", NOBODY),
    )),
    patch(f"{TEMPLATES}/CUSTOM_T", ("add", "/extra/a", 1)),
    patch(f"{TEMPLATES}/{NOBODY}", ("add", "/extra/a", 1)),
    get(f"{TEMPLATES}/CUSTOM_T"),
    get(f"{TEMPLATES}/CUSTOM_U"),
    changed(f"{TEMPLATES}/{TEMPLATE}", "name", "HW_CPU_X86_VMX"),
    delete(f"{TEMPLATES}/HW_CPU_X86_VMX"),
    delete(f"{TEMPLATES}/{TEMPLATE}"),
]  # fmt: skip
R = f"{RUNBOOKS}/{RUNBOOK}"
SOME_RUNBOOKS = [
    *resource(RUNBOOKS, 92, RUNBOOK, {"name": "CUSTOM_R", "steps": [RUN]}, [
        {"name": ""}, {"name": "a b"}, {"name": 5}, {"steps": []}, {"steps": [RUN, RUN]}, {"traits": ["CUSTOM_A"]},
        {"steps": [RUN | {"order": -1}]}, {"steps": [RUN | {"order": "x"}]}, {"steps": [RUN | {"interface": "boot"}]},
        {"steps": [RUN | {"priority": 1}]}, {"bogus": 1}, {"extra": []}, {"public": "maybe"},
        {"disable_ramdisk": "maybe"}, {"owner": "o" * 256}, {"description": "d" * 256},
    ]),
    post(RUNBOOKS, {"name": "free-name", "steps": [RUN]}, "1.111"),
    post(RUNBOOKS, {"name": "CUSTOM_D", "steps": [RUN], "description": "d"}, "1.111"),
    get(R, "1.111"),
    get(f"{R}/traits", "1.111"),
    get(f"{R}/traits"),
    put(f"{R}/traits", {"traits": ["CUSTOM_B", "CUSTOM_A"]}),
    put(f"{R}/traits", {"traits": ["gold"]}),
    put(f"{R}/traits", {"traits": "CUSTOM_A"}),
    put(f"{R}/traits", {}),
    put(f"{R}/traits"),
    get(f"{R}/traits"),
    get(R),
    get(f"{RUNBOOKS}?detail=True"),
    put(f"{R}/traits/CUSTOM_C"),
    put(f"{R}/traits/gold"),
    put(f"{R}/traits/CUSTOM_C", {"a": 1}),
    put(f"{R}/traits/CUSTOM_C", None, "1.111"),
    delete(f"{R}/traits/CUSTOM_C"),
    delete(f"{R}/traits/CUSTOM_C"),
    delete(f"{R}/traits"),
    get(f"{R}/traits"),
    get(f"{RUNBOOKS}/{NOBODY}/traits"),
    put(f"{RUNBOOKS}/{NOBODY}/traits", {"traits": []}),
    post(f"{R}/traits", {}),
    *(patch(R, operation) for operation in (
        ("add", "/owner", "ann"), ("add", "/public", True), ("replace", "/public", "maybe"), ("remove", "/public"),
        ("replace", "/disable_ramdisk", True), ("remove", "/disable_ramdisk"), ("add", "/description", "d"),
        ("replace", "/steps/0/order", 3), ("replace", "/steps/0/order", -1), ("remove", "/steps"), ("remove", "/name"),
        ("add", "/steps/-", RUN), ("remove", "/extra"), ("replace", "/uuid", NOBODY), ("add", "/traits", ["CUSTOM_A"]),
        ("replace", "/name", "a b"),
    )),
    patch(R, ("add", "/description", "d"), version="1.111"),
    patch(R, ("add", "/owner", "ann"), ("add", "/public", True)),
    patch(f"{RUNBOOKS}/{NOBODY}", ("add", "/extra/a", 1)),
    get(f"{RUNBOOKS}?project=ann"),
    changed(f"{RUNBOOKS}/CUSTOM_R", "name", "free-name"),
    get(f"{RUNBOOKS}/free-name"),
    delete(f"{RUNBOOKS}/free-name"),
    delete(R),
]  # fmt: skip
ONE_RULE = f"{RULES}/{RULE}"
INSPECTION_RULES = [
    *resource(RULES, 96, RULE, {"actions": [ACTION], "conditions": [CONDITION]}, [
        {"actions": []}, {"actions": {}}, {"actions": [{"op": "bogus", "args": []}]}, {"actions": [{"op": "fail"}]},
         {"priority": -1}, {"priority": "x"}, {"phase": "x" * 17}, {"phase": 5},
        {"conditions": {}}, {"conditions": [{"op": "bogus", "args": []}]}, {"sensitive": "maybe"}, {"bogus": 1},
        {"conditions": [CONDITION | {"multiple": "bogus"}]}, {"description": "d" * 256},
        {"conditions": [{"op": "eq", "args": 5}]}, {"actions": [{"op": "set-attribute", "args": {}}]},
    ]),
    *(request for fields in (
        {"uuid": "x"}, {"conditions": [{"op": "eq", "args": ["{node.uuid}", "x"]}]},
        {"actions": [ACTION | {"more": 1}]},
    ) for request in (
        post(RULES, {"uuid": STRAY, "actions": [ACTION]} | fields), delete(f"{RULES}/{fields.get('uuid', STRAY)}"),
    )),
    get(f"{RULES}?phase=main"),
    get(f"{RULES}?phase=other"),
    *(patch(ONE_RULE, operation) for operation in (
        ("replace", "/priority", 7), ("replace", "/priority", -1), ("replace", "/description", "d"),
        ("remove", "/description"), ("remove", "/actions"), ("remove", "/conditions"), ("replace", "/phase", "x" * 17),
        ("add", "/conditions/-", CONDITION | {"op": "!eq"}), ("remove", "/priority"),
        ("replace", "/sensitive", "maybe"), ("replace", "/sensitive", True), ("replace", "/sensitive", False),
    )),
    get(ONE_RULE),
    delete(f"{RULES}/x"),
    delete(ONE_RULE),
    delete(ONE_RULE),
]  # fmt: skip
REQUESTS = [*DEPLOY_TEMPLATES, *SOME_RUNBOOKS, *INSPECTION_RULES]
