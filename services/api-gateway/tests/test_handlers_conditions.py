"""Conditional requests over HTTP: ETag, If-Match, If-None-Match."""

from __future__ import annotations

import orjson
import pytest
from steelyard_api_gateway.domain import conditions
from steelyard_api_gateway.testing import Api, Others, message
from steelyard_common.bus.types import Tagged
from steelyard_common.errors import InvalidRequest, PreconditionFailed

UUID = "8ac951e5-0800-43ec-be85-0af36c7d306c"
ONE = Tagged.of(b'{"uuid": "%b"}' % UUID.encode(), '"7-115"')


def test_one_record_comes_with_its_tag_and_a_list_without(api: Api, others: Others) -> None:
    others.replies |= {"qry.node": ONE, "cmd.update-node": ONE, "cmd.create-node": ONE}

    assert api("GET", f"/v1/nodes/{UUID}").headers["ETag"] == '"7-115"'
    assert api("PATCH", f"/v1/nodes/{UUID}", []).headers["ETag"] == '"7-115"'
    assert api("POST", "/v1/nodes", {"driver": "ipmi"}).headers["ETag"] == '"7-115"'
    assert "ETag" not in api("GET", "/v1/nodes").headers


@pytest.mark.parametrize(
    ("known", "status"), [('"7-115"', 304), ('"6-115", W/"7-115"', 304), ("*", 304), ('"7-1"', 200)]
)
def test_who_knows_a_record_is_not_sent_it_again(api: Api, others: Others, known: str, status: int) -> None:
    others.replies["qry.node"] = ONE

    answer = api("GET", f"/v1/nodes/{UUID}", headers={"If-None-Match": known})

    assert (answer.status_code, answer.headers["ETag"]) == (status, '"7-115"')
    assert bool(answer.data) == (status == 200)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", f"/v1/nodes/{UUID}", []),
        ("DELETE", f"/v1/nodes/{UUID}", None),
        ("PUT", f"/v1/nodes/{UUID}/states/provision", {"target": "manage"}),
        ("PUT", f"/v1/nodes/{UUID}/tags/a", None),
        ("DELETE", f"/v1/volume/targets/{UUID}", None),
        ("PATCH", "/v1/runbooks/CUSTOM_R", []),
    ],
)
def test_the_versions_of_if_match_are_handed_on(
    api: Api, others: Others, method: str, path: str, body: object
) -> None:  # fmt: skip
    api(method, path, body, headers={"If-Match": '"7-115", "8-1-ab"'})
    told = orjson.loads(others.last_headers["Steelyard-Caller"])
    assert told["if_match"] == ["7", "8"]

    for header in ({"If-Match": "*"}, {}):
        api(method, path, body, headers=header)
        assert "if_match" not in orjson.loads(others.last_headers["Steelyard-Caller"])


def test_what_was_changed_meanwhile_is_answered_412(api: Api, others: Others) -> None:
    others.errors["cmd.update-node"] = PreconditionFailed("changed")

    answer = api("PATCH", f"/v1/nodes/{UUID}", [], headers={"If-Match": '"1-115"'})

    assert (answer.status_code, message(answer)) == (412, "changed")


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/nodes"), ("PUT", f"/v1/nodes/{UUID}/management/inject_nmi")]
)
def test_where_a_condition_cannot_be_kept_it_is_refused(api: Api, others: Others, method: str, path: str) -> None:
    before = len(others.asked)

    answer = api(method, path, {}, headers={"If-Match": '"1-115"'})

    assert (answer.status_code, len(others.asked)) == (400, before)


@pytest.mark.parametrize("header", ["7", '"7', '"7" "8"', '"a\nb"'])
def test_what_is_no_list_of_tags_is_refused(header: str) -> None:
    with pytest.raises(InvalidRequest, match="an ETag in quotes"):
        conditions.versions(header, "PATCH", "/nodes/<ident>")
