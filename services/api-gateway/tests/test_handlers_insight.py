"""Timeline, explain, steps, workflows and plans over HTTP; and what is told of calls that are refused."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from steelyard_api_gateway.domain.refusals import told
from steelyard_api_gateway.main import TABLES
from steelyard_api_gateway.service import refusals
from steelyard_api_gateway.service.call import Call
from steelyard_api_gateway.service.refusals import Refusal, Refusals
from steelyard_api_gateway.testing import SEAL_KEY, Api, Others, message
from steelyard_common.bus import MemoryBus
from steelyard_common.errors import Busy, InvalidRequest, NotFound
from steelyard_common.password_hash import hashed
from steelyard_common.secrets import Sealer
from steelyard_common.testing import eventually

UUID = "8ac951e5-0800-43ec-be85-0af36c7d306c"
N1 = "/v1/nodes/n1"
CANARY = "canary-In-Mine-7731"
CALLS: list[tuple[str, str, Any, int, str, dict[str, Any]]] = [
    ("GET", f"{N1}/timeline?kind=step,power&limit=5&since=2026-03-01T12:00:00Z", None, 200, "qry.node-timeline",
     {"kinds": ["step", "power"], "limit": 5, "since": "2026-03-01T12:00:00+00:00"}),
    ("GET", f"{N1}/timeline?marker={UUID}", None, 200, "qry.node-timeline", {"marker": UUID, "limit": 100}),
    ("GET", f"{N1}/explain", None, 200, "qry.node-explain", {"ident": "n1"}),
    ("GET", f"{N1}/steps", None, 200, "qry.node-steps", {"ident": "n1"}),
    ("GET", f"{N1}/workflows?limit=2", None, 200, "qry.node-workflows", {"limit": 2}),
    ("GET", f"/v1/workflows/{UUID}", None, 200, "qry.workflow", {"uuid": UUID}),
    ("GET", f"{N1}/boots?limit=2&marker={UUID}", None, 200, "qry.boot-attempts", {"ident": "n1", "limit": 2}),
    ("GET", f"{N1}/boots/{UUID}", None, 200, "qry.boot-attempt", {"ident": "n1", "attempt": UUID}),
    ("POST", f"{N1}/plans", {"target": "manage"}, 201, "cmd.create-plan", {"target": "manage", "params": {}}),
    ("GET", f"{N1}/plans/{UUID}", None, 200, "qry.plan", {"plan": UUID}),
    ("POST", f"{N1}/plans/{UUID}/apply", None, 202, "cmd.apply-plan", {"plan": UUID}),
]  # fmt: skip
PLAN = orjson.dumps({"uuid": UUID})


@pytest.mark.parametrize(("method", "path", "body", "status", "verb", "asked"), CALLS, ids=[c[1] for c in CALLS])
def test_each_route_asks_inventory(
    api: Api, others: Others, method: str, path: str, body: Any, status: int, verb: str, asked: dict[str, Any]
) -> None:
    others.replies |= {"cmd.create-plan": PLAN, "cmd.apply-plan": b'{"applied": true}'}

    # Without a version, names would be unknown; only what is to be planned is Ironic's, and has versions.
    for version in ("1.15", *(["1.1"] if method == "GET" else [])):
        response = api(method, path, body, version=version)

        assert response.status_code == status
        assert others.last[0] == verb
        assert {name: others.last[1][name] for name in asked} == asked


def test_every_route_of_this_table_is_among_the_calls_above() -> None:
    tried = {(method, re.sub(r"\?.*", "", path)) for method, path, *_ in CALLS}
    for route in TABLES["insight"][0]:
        pattern = re.compile("/v1" + re.sub(r"<\w+>", "[^/]+", route.path))
        assert any(method == route.method and pattern.fullmatch(path) for method, path in tried), route


def test_a_plan_says_where_it_is_and_one_that_no_longer_fits_is_a_conflict(api: Api, others: Others) -> None:
    others.replies |= {"cmd.create-plan": PLAN, "cmd.apply-plan": b'{"applied": false, "differences": ["x"]}'}

    made, applied = api("POST", f"{N1}/plans", {"target": "manage"}), api("POST", f"{N1}/plans/{UUID}/apply")

    assert made.headers["Location"].endswith(f"/v1/nodes/n1/plans/{UUID}")
    assert (applied.status_code, applied.get_json()["differences"]) == (409, ["x"])


@pytest.mark.parametrize(
    "path",
    [f"{N1}/timeline?kind=weather", f"{N1}/timeline?since=yesterday", f"{N1}/timeline?limit=0", f"{N1}/timeline?x=1",
     f"{N1}/timeline?marker=x", f"{N1}/workflows?sort_key=x", f"{N1}/explain?x=1", "/v1/workflows/x"],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_here(api: Api, others: Others, path: str) -> None:
    assert api("GET", path).status_code in (400, 404)
    assert others.asked == []


def test_secrets_of_a_plan_leave_sealed(api: Api, others: Others) -> None:
    others.replies["cmd.create-plan"] = PLAN

    api("POST", f"{N1}/plans", {"target": "rescue", "rescue_password": CANARY})

    assert others.last[1]["params"]["rescue_password"].startswith("sealed:")


def test_a_rescue_password_leaves_as_a_hash_that_is_sealed(api: Api, others: Others) -> None:
    others.replies["cmd.set-provision"] = b""

    api("PUT", f"{N1}/states/provision", {"target": "rescue", "rescue_password": CANARY})

    found = Sealer.from_text(SEAL_KEY).open(others.last[1]["rescue_password"])
    assert found == hashed(CANARY, found.split("$")[2])


def test_a_config_drive_leaves_sealed_as_a_whole(api: Api, others: Others) -> None:
    others.replies["cmd.set-provision"] = b""
    drive = {"meta_data": {"motd": CANARY, "n": 1, "none": None}, "user_data": CANARY}

    response = api("PUT", f"{N1}/states/provision", {"target": "active", "configdrive": drive})

    assert response.status_code == 202
    sent = others.last[1]["configdrive"]
    assert orjson.loads(Sealer.from_text(SEAL_KEY).open(sent)) == drive
    assert CANARY not in orjson.dumps(others.last[1]).decode()


# ---- refused calls


def refused(bus: MemoryBus) -> list[dict[str, Any]]:
    return [
        {"subject": each.subject, **orjson.loads(each.body)}
        for each in bus.published
        if ".evt.call-refused." in each.subject
    ]


@pytest.mark.parametrize(("ident", "ends"), [(UUID, UUID), ("n1", "by-name")])
def test_a_change_that_is_refused_is_told_with_who_asked_and_why(
    api: Api, others: Others, ident: str, ends: str
) -> None:
    others.errors["cmd.set-power"] = Busy("Node is locked by host x")

    response = api("PUT", f"/v1/nodes/{ident}/states/power", {"target": "power on"})

    assert response.status_code == 409
    eventually(lambda: refused(others.bus))
    (event,) = refused(others.bus)
    assert event["subject"] == ends
    data = event["data"]
    assert (data["method"], data["path"]) == ("PUT", "/v1/nodes/{ident}/states/power")
    assert (data["status"], data["code"], data["outcome"]) == (409, "busy", "refused")
    assert data.get("node_name") == (None if ident == UUID else "n1")
    assert 0 <= data["duration_s"] < 10
    assert orjson.loads(event["cause"])["request_id"] == response.headers["Openstack-Request-Id"]


def test_reads_and_nodes_that_there_are_not_are_not_told(api: Api, others: Others) -> None:
    others.errors |= {"qry.node": InvalidRequest("no"), "cmd.set-power": NotFound("Node n1 could not be found.")}

    api("GET", N1)
    api("PUT", f"{N1}/states/power", {"target": "power on"})
    others.errors["cmd.set-power"] = Busy("locked")
    api("PUT", f"{N1}/states/power", {"target": "power on"})

    eventually(lambda: refused(others.bus))
    assert [event["data"]["code"] for event in refused(others.bus)] == ["busy"]


def test_no_value_of_a_refused_body_is_told(api: Api, others: Others) -> None:
    others.errors["cmd.update-node"] = InvalidRequest(f"'{CANARY}' is not of type 'object'")

    api("PATCH", N1, [{"op": "add", "path": "/driver_info/x", "value": CANARY}])

    eventually(lambda: refused(others.bus))
    (event,) = refused(others.bus)
    assert event["data"]["message"] == "'…' is not of type 'object'"
    assert CANARY not in orjson.dumps(event).decode()


def test_words_that_name_something_stay_in_a_message() -> None:
    body = {"target": "manage", "clean_steps": [{"interface": "raid", "step": "x", "args": {"key": "hush-hush"}}]}

    assert told("manage: raid.x takes no hush-hush", body) == "manage: raid.x takes no …"


def test_telling_is_never_in_the_way(api: Api, others: Others, monkeypatch: pytest.MonkeyPatch) -> None:
    others.errors["cmd.set-power"] = Busy("locked")
    publish = others.bus.publish
    monkeypatch.setattr(others.bus, "publish", lambda messages: (_ for _ in ()).throw(Busy("away")))

    assert api("PUT", f"{N1}/states/power", {"target": "power on"}).status_code == 409
    monkeypatch.setattr(others.bus, "publish", publish)
    assert message(api("PUT", f"{N1}/states/power", {"target": "power on"})) == "locked"
    eventually(lambda: refused(others.bus))


def test_what_does_not_fit_into_the_queue_is_dropped(memory_bus: MemoryBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "MOST_WAITING", 2)
    queue = Refusals(memory_bus, "here", "api-gateway")
    monkeypatch.setattr(queue, "_thread", object())
    call = Call(minor=1, base_url="http://x", request_id="req-1")
    one = Refusal(
        call=call, ident=UUID, method="PUT", path="/", status=409, code="busy", message="m", duration_s=0.1
    )  # fmt: skip
    for _ in range(5):
        queue.note(one)

    assert queue.tell_waiting() == 2
    assert queue.tell_waiting() == 0
