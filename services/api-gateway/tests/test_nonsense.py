"""Bad input of any kind gets a documented status, never a 5xx (issue: Must show 5)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from steelyard_api_gateway.testing import Api, Others, make_api
from steelyard_common.bus import MemoryBus
from steelyard_common.contracts.api import NODE_FIELDS, PORT_FIELDS

UUID = "8ac951e5-0800-43ec-be85-0af36c7d306c"
ALLOWED = {200, 201, 202, 204, 400, 403, 404, 405, 406, 413}
FIELD_NAMES = sorted(NODE_FIELDS.keys() | PORT_FIELDS.keys() | {"node_ident", "target", "traits", "bogus"})
scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=40)
)
json_values = st.recursive(
    scalars | st.sampled_from([UUID, UUID.upper(), "\x00", "sealed:k1:x", "******", "1", "yes"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from(FIELD_NAMES) | st.text(max_size=8), json_values, max_size=8)
operations = st.fixed_dictionaries(
    {},
    optional={
        "op": st.sampled_from(["add", "replace", "remove", "test", "move", "ADD"]) | json_values,
        "path": st.sampled_from([f"/{name}" for name in FIELD_NAMES])
        | st.from_regex(r"(/[\w~.-]{0,6}){0,4}", fullmatch=True)
        | json_values,
        "value": json_values,
        "from": json_values,
    },
)
BAD_TEXT = b'"\\ud800"'
bodies = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [b"", b"null", b"{", b"[" * 30, b"[" * 5000, b'{"a":' * 30 + b"1" + b"}" * 30, b'"\\ud800"', b"1e999"]
    ),
    json_values.map(orjson.dumps),
    objects.map(orjson.dumps),
    st.lists(operations, max_size=4).map(orjson.dumps),
)
known_idents = st.sampled_from(
    [UUID, UUID.upper(), UUID.replace("-", ""), "n1", "n1.json", "detail", "validate", "a b"]
)
idents = known_idents | st.text(min_size=1, max_size=30)
versions = st.sampled_from(["1.1", "1.4", "1.8", "1.9", "1.50", "1.90", "1.115", "latest", None]) | st.text(
    st.characters(min_codepoint=32, max_codepoint=126), max_size=8
)
PATHS = [
    "/v1/nodes", "/v1/nodes/{}", "/v1/nodes/{}/states/power", "/v1/nodes/{}/states/provision",
    "/v1/nodes/{}/states/boot_mode", "/v1/nodes/{}/states/secure_boot", "/v1/nodes/{}/maintenance",
    "/v1/nodes/{}/traits", "/v1/nodes/{}/traits/{}", "/v1/nodes/{}/management/boot_device",
    "/v1/nodes/{}/management/indicators/{}", "/v1/nodes/{}/ports", "/v1/nodes/{}/{}", "/v1/nodes/{}/validate",
    "/v1/ports", "/v1/ports/{}", "/v1/drivers/{}", "/v1/conductors/{}", "/{}", "/v1/{}/{}",
]  # fmt: skip


@pytest.fixture(scope="module")
def nonsense_api() -> Api:
    bus = MemoryBus()
    Others(bus).serve()
    return make_api(bus)


def _headers(version: str | None) -> dict[str, str]:
    return {} if version is None else {"X-OpenStack-Ironic-API-Version": version}


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]),
    path=st.sampled_from(PATHS),
    parts=st.lists(idents, min_size=2, max_size=2),
    body=bodies,
    version=versions,
)
def test_no_body_and_no_path_makes_a_server_error(
    nonsense_api: Api, method: str, path: str, parts: list[str], body: bytes, version: str | None
) -> None:
    url = path.format(*(quote(part, safe="") for part in parts))

    response = nonsense_api.client.open(url, method=method, data=body, headers=_headers(version))

    assert response.status_code in ALLOWED, (response.status_code, response.data)


@settings(max_examples=300, deadline=None)
@given(body=objects, target=st.sampled_from(["/v1/nodes", "/v1/ports"]), minor=st.integers(1, 115))
def test_no_object_of_known_fields_makes_a_server_error(
    nonsense_api: Api, body: dict[str, Any], target: str, minor: int
) -> None:
    whole = {"driver": "fake-hardware", "address": "aa:bb:cc:dd:ee:ff", "node_uuid": UUID} | body

    response = nonsense_api("POST", target, whole, version=f"1.{minor}")

    assert response.status_code in ALLOWED, response.data


@settings(max_examples=300, deadline=None)
@given(patch=st.lists(operations, max_size=5), target=st.sampled_from(["/v1/nodes/n1", "/v1/ports/p1"]))
def test_no_patch_makes_a_server_error(nonsense_api: Api, patch: list[Any], target: str) -> None:
    response = nonsense_api("PATCH", target, patch)

    assert response.status_code in ALLOWED, response.data


@settings(max_examples=300, deadline=None)
@given(
    target=st.sampled_from(["/v1/nodes", "/v1/nodes/detail", "/v1/ports", "/v1/nodes/n1/ports", "/v1/conductors"]),
    query=st.dictionaries(
        st.sampled_from(["limit", "marker", "sort_key", "sort_dir", "fields", "detail", "associated", "node", "shard"])
        | st.text(max_size=6),
        st.text(max_size=20),
        max_size=4,
    ),
)
def test_no_query_string_makes_a_server_error(nonsense_api: Api, target: str, query: dict[str, str]) -> None:
    response = nonsense_api("GET", target, query_string=query)

    assert response.status_code in ALLOWED, response.data
