"""Tags, usage, quotas, placement and the rate of a project, over HTTP."""

from __future__ import annotations

import orjson
import pytest
from steelyard_api_gateway.service.rates import Rates
from steelyard_api_gateway.testing import Api, Others, make_api, message
from steelyard_api_gateway.testing_policy import CALLERS, OTHER, OWNER, NamedCallers
from steelyard_common.bus import MemoryBus
from steelyard_common.errors import TooManyRequests

N1 = "/v1/nodes/n1"


def test_tags_are_answered_as_the_guideline_says(api: Api, others: Others) -> None:
    others.replies |= {
        "qry.node-tags": b'{"tags": ["a"]}',
        "cmd.set-tags": b'{"tags": ["a", "b"], "changed": true}',
    }

    assert api("GET", f"{N1}/tags").get_json() == {"tags": ["a"]}
    assert api("PUT", f"{N1}/tags", {"tags": ["b", "a", "b"]}).get_json() == {"tags": ["a", "b"]}
    assert others.last[1]["tags"] == ["b", "a"]
    assert api("GET", f"{N1}/tags/a").status_code == 204
    assert api("GET", f"{N1}/tags/x").status_code == 404
    created = api("PUT", f"{N1}/tags/b")
    assert (created.status_code, created.headers["Location"][-17:]) == (201, "/v1/nodes/n1/tags/b"[-17:])
    others.replies["cmd.set-tags"] = b'{"tags": ["a", "b"], "changed": false}'
    assert api("PUT", f"{N1}/tags/b").status_code == 204
    assert api("DELETE", f"{N1}/tags/b").status_code == 204
    assert api("DELETE", f"{N1}/tags").status_code == 204
    assert (others.last[1]["mode"], others.last[1]["tags"]) == ("replace", [])


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", f"{N1}/tags", {"tags": ["x" * 61]}),
        ("PUT", f"{N1}/tags", {"tags": [1]}),
        ("PUT", f"{N1}/tags", {"tags": [str(number) for number in range(81)]}),
        ("PUT", f"{N1}/tags", {}),
        ("PUT", f"{N1}/tags/a,b", None),
        ("PUT", f"{N1}/tags/a", {"x": 1}),
        ("GET", "/v1/nodes?tags=", None),
        ("GET", f"/v1/nodes?tags-any={'x' * 61}", None),
        ("PUT", "/v1/quotas/p", {"limits": {}}),
        ("POST", "/v1/allocations", {"resource_class": "x", "affinity": "rack"}),
    ],
)
def test_what_is_wrong_is_refused_here(api: Api, others: Others, method: str, path: str, body: object) -> None:
    assert api(method, path, body).status_code == 400
    assert others.asked == []


def test_nodes_are_listed_by_tags(api: Api, others: Others) -> None:
    api("GET", "/v1/nodes?tags=a,b&not-tags-any=c&fields=name,tags", version="1.8")

    body = others.last[1]
    assert body["filters"] == {"tags": ["a", "b"], "not-tags-any": ["c"]}
    assert body["query"] == {"tags": "a,b", "not-tags-any": "c"}


def test_a_place_is_handed_on(api: Api, others: Others) -> None:
    place = {"affinity": {"key": "rack", "group": "g"}, "availability_zone": "z"}

    assert api("POST", "/v1/allocations", {"resource_class": "x", **place}).status_code == 201

    assert {name: others.last[1]["record"][name] for name in place} == place


def test_a_project_sees_its_own_usage_and_quotas(bus: MemoryBus, others: Others) -> None:
    api = make_api(bus, sign_in=NamedCallers(CALLERS))
    mine = {"X-Auth-Token": "owner reader"}

    assert api("GET", "/v1/usage", headers=mine).status_code == 200
    assert others.last[1]["project"] == OWNER
    assert api("GET", f"/v1/usage?project={OTHER}", headers=mine).status_code == 403
    assert api("GET", f"/v1/quotas/{OWNER}", headers=mine).status_code == 200
    assert api("GET", f"/v1/quotas/{OTHER}", headers=mine).status_code == 403
    assert api("GET", f"/v1/usage?project={OTHER}", headers={"X-Auth-Token": "system reader"}).status_code == 200
    assert others.last[1]["project"] == OTHER


def test_a_project_that_asks_too_often_is_told_when_to_come_again_and_others_are_not(
    bus: MemoryBus, others: Others
) -> None:
    api = make_api(bus, sign_in=NamedCallers(CALLERS), project_rate=0.5, project_burst=3.0)
    answers = [api("GET", "/v1/nodes", headers={"X-Auth-Token": "owner reader"}) for _ in range(5)]

    assert [each.status_code for each in answers[-2:]] == [429, 429]
    assert "asks more than 0.5 times a second" in message(answers[-1])
    assert int(answers[-1].headers["Retry-After"]) >= 1
    for other in ("owner admin", "lessee member", "system reader"):
        status = api("GET", "/v1/nodes", headers={"X-Auth-Token": other}).status_code
        assert status == (429 if other == "owner admin" else 200)


def test_a_bucket_fills_at_its_rate_and_large_requests_cost_more() -> None:
    now = [0.0]
    rates = Rates(10, 5, clock=lambda: now[0])
    for _ in range(5):
        rates.take("p")
        rates.settle("p", cpu_s=0.001, received=100, sent=1_000)
    with pytest.raises(TooManyRequests) as refused:
        rates.take("p")
    assert refused.value.retry_after_s == 1

    now[0] = 0.1
    rates.take("p")
    rates.settle("p", cpu_s=0.005, received=50_000, sent=100_000)  # two tokens more, by debt
    with pytest.raises(TooManyRequests, match=r"try again in 0\.3 s"):
        rates.take("p")
    rates.settle("p", cpu_s=10, received=0, sent=0)  # the debt is no deeper than a burst
    now[0] = 0.75
    rates.take("p")
    rates.take("q")
    assert not Rates(0, 5).is_on


def test_what_a_project_is_sent_counts(bus: MemoryBus, others: Others) -> None:
    api = make_api(bus, sign_in=NamedCallers(CALLERS), project_rate=0.001, project_burst=10.0)
    others.replies["qry.nodes"] = b'{"nodes": ["' + b"x" * 4_000_000 + b'"]}'

    first, second = (api("GET", "/v1/nodes", headers={"X-Auth-Token": "owner reader"}) for _ in range(2))

    assert (first.status_code, second.status_code) == (200, 429)


def test_conditions_and_refusals_are_json(bus: MemoryBus, others: Others) -> None:
    api = make_api(bus, sign_in=NamedCallers(CALLERS), project_rate=0.1, project_burst=1.0)
    for _ in range(2):
        answer = api("GET", "/v1/nodes", headers={"X-Auth-Token": "owner reader"})

    assert orjson.loads(answer.get_json()["error_message"])["faultcode"] == "Client"
