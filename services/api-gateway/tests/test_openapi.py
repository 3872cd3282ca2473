"""The OpenAPI document: it knows every route, and is one by the standard's own rules."""

from __future__ import annotations

from pathlib import Path

from openapi_spec_validator import validate
from steelyard_api_gateway.handlers.openapi.document import openapi
from steelyard_api_gateway.handlers.openapi.operations import OPERATIONS
from steelyard_api_gateway.handlers.openapi.page import api_page
from steelyard_api_gateway.main import TABLES

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
