"""`/v1/artifacts`: what reaches boot, sealed where it is secret."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from steelyard_api_gateway.main import TABLES
from steelyard_api_gateway.testing import SEAL_KEY, Api, Others
from steelyard_common.secrets import Sealer

SUM = "a" * 64


def asked(others: Others, verb: str) -> dict[str, Any]:
    return next(body for name, body, _ in others.asked if name == verb)


def test_artifacts_are_listed_by_kind_and_in_pages(api: Api, others: Others) -> None:
    others.replies["qry.artifacts"] = b'{"artifacts": []}'
    assert api("GET", f"/v1/artifacts?kind=image&limit=5&marker={SUM}").json == {"artifacts": []}
    body = asked(others, "qry.artifacts")
    assert (body["kind"], body["limit"], body["marker"]) == ("image", 5, SUM)


@pytest.mark.parametrize("query", ["kind=toaster", "marker=x", "limit=0", "colour=red"])
def test_a_listing_that_makes_no_sense_is_refused(api: Api, others: Others, query: str) -> None:
    assert api("GET", f"/v1/artifacts?{query}").status_code == 400


def test_something_is_fetched_and_what_authorizes_it_is_sealed(api: Api, others: Others) -> None:
    others.replies["cmd.fetch-artifact"] = b'{"status": "fetching", "progress": 0.5, "text": "half"}'
    wish = {"url": "https://h/i.img", "kind": "image", "checksum": f"sha256:{SUM}", "authorization": "user:word"}
    answer = api("POST", "/v1/artifacts", wish)

    assert (answer.status_code, orjson.loads(answer.data)["status"]) == (202, "fetching")
    body = asked(others, "cmd.fetch-artifact")
    assert Sealer.from_text(SEAL_KEY).open(body["authorization"]) == "user:word"
    assert "word" not in str({**body, "authorization": body["authorization"].replace("word", "")})
    assert (body["url"], body["kind"], body["checksum"]) == (wish["url"], "image", f"sha256:{SUM}")


@pytest.mark.parametrize(
    "body", [{}, {"url": "https://h/i"}, {"url": 5, "kind": "image"}, {"url": "https://h/i", "kind": "x"},
             {"url": "https://h/i", "kind": "image", "colour": "red"}, [], {"url": "u", "kind": ["image"]}],
)  # fmt: skip
def test_a_wish_that_makes_no_sense_is_refused(api: Api, others: Others, body: Any) -> None:
    assert api("POST", "/v1/artifacts", body).status_code == 400


def test_one_is_shown_and_deleted_by_its_checksum(api: Api, others: Others) -> None:
    others.replies["qry.artifact"] = orjson.dumps({"sha256": SUM})
    assert api("GET", f"/v1/artifacts/{SUM}").json == {"sha256": SUM}
    assert api("DELETE", f"/v1/artifacts/{SUM}").status_code == 204
    assert asked(others, "cmd.delete-artifact")["sha256"] == SUM
    for name in ("x", SUM.upper(), f"{SUM}0"):
        assert api("GET", f"/v1/artifacts/{name}").status_code == 404


def test_every_route_of_this_table_is_called_above() -> None:
    assert {(route.method, route.path) for route in TABLES["artifacts"][0]} == {
        ("GET", "/artifacts"), ("POST", "/artifacts"), ("GET", "/artifacts/<sha256>"), ("DELETE", "/artifacts/<sha256>")
    }  # fmt: skip
