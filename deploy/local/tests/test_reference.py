"""The pages made from code are what the code says, and the table of events is what the services tell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from steelyard_common.contracts.facts import FACTS
from steelyard_local.messages import messages_page
from steelyard_local.reference import settings_page

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "docs" / "reference"
_TOLD = re.compile(r"""(?:Fact\(\s*name=|\bfact = |cloud_event\([^"()]*(?:"\w+"|self\._service), )"([a-z-]+)\"""")


def test_the_settings_page_is_up_to_date() -> None:
    assert (REFERENCE / "settings.md").read_text() == settings_page(), "run `make docs`"


def test_the_messages_page_is_up_to_date() -> None:
    assert (REFERENCE / "messages.md").read_text() == messages_page(), "run `make docs`"


def _code(service: str) -> str:
    folder = ROOT / "services" / service / "src"
    return "\n".join(file.read_text() for file in sorted(folder.rglob("*.py")) if file.name != "timeline.py")


@pytest.mark.parametrize("service", FACTS)
def test_each_fact_that_a_service_tells_is_in_the_contract(service: str) -> None:
    told = set(_TOLD.findall(_code(service)))

    assert told
    assert told <= set(FACTS[service])


@pytest.mark.parametrize("service", FACTS)
def test_each_fact_of_the_contract_is_told_by_its_service(service: str) -> None:
    code = _code(service)

    for fact in FACTS[service]:
        thing, _, verb = fact.rpartition("-")
        begun = f'"{thing}"' in code or f'"{thing}-{{' in code  # f"{thing}-{verb}"
        assert f'"{fact}"' in code or (begun and f'"{verb}"' in code), fact
