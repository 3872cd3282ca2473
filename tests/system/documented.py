"""Each operation of the OpenAPI document as a test, whose cases are made when it runs.

Made where tests are collected, as ``schema.parametrize()`` does it, they are half of the time that it takes to collect
all tests of the project, in each process that runs any of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import load_all_checks
from schemathesis.core.errors import InvalidSchema
from schemathesis.core.result import Ok, Result
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test
from schemathesis.python._constants.orchestrator import make_constants_value_source
from steelyard_api_gateway.handlers.openapi.document import openapi
from steelyard_api_gateway.main import TABLES

T = TypeVar("T")


def _good(found: Result[T, InvalidSchema]) -> T:
    """Errors: AssertionError for what the document says wrongly."""
    assert isinstance(found, Ok), found
    return found.ok()


# The stream of events never ends; test_event_stream.py reads it.
_schema = schemathesis.openapi.from_dict(openapi(TABLES, "test")).exclude(path="/v1/events/stream")
_operations = {operation.label: operation for operation in map(_good, _schema.get_all_operations())}
_feedback = FeedbackSources(constants_value_source=make_constants_value_source(_schema))
each_operation = pytest.mark.parametrize("operation", list(_operations))


def run(operation: str, test: Callable[..., None], examples: int) -> None:
    """``test(case)`` for the cases that cover each part of the operation's document, and for ``examples`` at random."""
    load_all_checks()
    wanted = settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    build_operation_test(  # what ``parametrize()`` calls; it has no public name
        config=_schema.config, operation=_operations[operation], test_func=test, given_kwargs={}, feedback=_feedback,
        explicit_settings=wanted,
    )()  # fmt: skip


def dice_of(case: Any) -> random.Random:
    """They fall alike for the same case, so that what fails fails again. Hypothesis sets the common ones anew for each
    case: they fall alike for all."""
    return random.Random(repr((case.operation.label, case.path_parameters, case.query, case.body)))  # noqa: S311
