"""The OpenAPI document: it knows every route, and is one by the standard's own rules."""

from __future__ import annotations

from pathlib import Path

import pytest
from openapi_spec_validator import validate
from steelyard_api_gateway.handlers.openapi.document import openapi
from steelyard_api_gateway.handlers.openapi.operations import OPERATIONS
from steelyard_api_gateway.handlers.openapi.page import api_page
from steelyard_api_gateway.main import TABLES
from steelyard_api_gateway.testing import make_api
from steelyard_api_gateway.testing_policy import CALLERS, NamedCallers
from steelyard_common.bus import MemoryBus

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "api.md"


def test_every_route_has_its_words_and_no_words_are_left_over() -> None:
    served = {f"{route.method} {route.path}" for routes, _ in TABLES.values() for route in routes}
    assert served == OPERATIONS.keys()


def test_the_document_is_valid_openapi() -> None:
    validate(openapi(TABLES, "1.0"))


def test_the_name_of_each_operation_is_used_once() -> None:
    document = openapi(TABLES, "1.0")
    names = [each["operationId"] for methods in document["paths"].values() for each in methods.values()]
    assert len(names) == len(set(names))


def test_the_page_for_people_is_up_to_date() -> None:
    assert PAGE.read_text() == api_page(TABLES), "run `make docs`"


@pytest.mark.parametrize("name", ["openapi", "asyncapi"])
@pytest.mark.parametrize("version", ["1.1", "1.115"])
def test_both_documents_are_there_for_everybody(bus: MemoryBus, name: str, version: str) -> None:
    api = make_api(bus, sign_in=NamedCallers(CALLERS))

    answer = api("GET", f"/v1/{name}.json", version=version)

    assert answer.status_code == 200, answer.data
    assert answer.get_json()[name].startswith("3.")
    assert api("GET", "/v1/nodes", version=version).status_code == 401
    assert api("POST", f"/v1/{name}.json", {}, version=version).status_code == 401


def test_the_document_of_messages_names_this_site(bus: MemoryBus) -> None:
    document = make_api(bus, site="lab7")("GET", "/v1/asyncapi.json").get_json()

    assert document["components"]["parameters"]["site"]["default"] == "lab7"
