"""Makes the reference pages that come from code: ``python -m docs.generate`` (``make docs``). Tests compare them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from steelyard_api_gateway.handlers import asyncapi
from steelyard_api_gateway.handlers.openapi.page import api_page
from steelyard_api_gateway.handlers.policy_page import policy_page
from steelyard_api_gateway.main import TABLES
from steelyard_inventory.domain import diagram
from steelyard_local.asyncapi import asyncapi_text
from steelyard_local.messages import messages_page
from steelyard_local.reference import settings_page

from tests.contract import compatibility
from tests.differential import differences

# page below docs/ → what makes its text
PAGES: dict[str, Callable[[], str]] = {
    "reference/api.md": lambda: api_page(TABLES),
    "reference/api-differences.md": differences.page,
    "reference/compatibility.md": compatibility.page,
    "reference/policy.md": policy_page,
    "reference/states.md": diagram.states_page,
    "reference/workflows.md": diagram.workflows_page,
    "reference/messages.md": messages_page,
    "reference/settings.md": settings_page,
}


def main() -> None:
    asyncapi.SOURCE.write_text(asyncapi_text())
    for name, make in PAGES.items():
        (Path(__file__).parent / name).write_text(make())


if __name__ == "__main__":
    main()
