"""Steelyard and a real Ironic 39 answer the script alike, but for what differences.toml says. `make differential`."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from steelyard_local.testing import running_suite

from .asking import Ask, Server
from .comparing import Difference, differences
from .differences import ALLOWED, page, unexplained
from .real_ironic import running_ironic
from .script import PARTS, REQUESTS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "api-differences.md"
FEWEST = 1900  # requests that a script must have to be this one


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One request, and how the two answers to it differ."""

    ask: Ask
    found: list[Difference]


@pytest.fixture(scope="module")
def compared() -> Iterator[list[Compared]]:
    """The whole script, sent in order to both sides at once."""
    with ExitStack() as running, ThreadPoolExecutor(2) as pool:
        ironic = pool.submit(running.enter_context, running_ironic())
        suite = running.enter_context(running_suite())
        ours, theirs = pool.map(Server, (suite.url, ironic.result()))
        results = []
        for ask in REQUESTS:
            one, other = pool.map(lambda server: server.ask(ask), (ours, theirs))  # noqa: B023 - read before the next
            results.append(Compared(ask=ask, found=differences(one, other)))
        yield results


@pytest.mark.slow
@pytest.mark.parametrize("part", range(len(PARTS)), ids=[part.__name__.rpartition(".")[2] for part in PARTS])
def test_both_answer_alike_or_the_difference_has_a_reason(compared: list[Compared], part: int) -> None:
    start = sum(len(each.REQUESTS) for each in PARTS[:part])
    asked = compared[start : start + len(PARTS[part].REQUESTS)]

    unexpected = [
        "\n    ".join([str(each.ask)[:300], *map(str, left)])
        for each in asked
        if (left := unexplained(each.ask, each.found))
    ]

    assert not unexpected, "\n".join(unexpected)


@pytest.mark.slow
def test_every_difference_that_is_listed_is_still_there(compared: list[Compared]) -> None:
    met = {row for row in ALLOWED for each in compared for found in each.found if row.covers(each.ask, found)}

    stale = [row.request for row in ALLOWED if row.match and row not in met]

    assert not stale


def test_the_page_of_differences_is_made_from_the_list() -> None:
    assert PAGE.read_text() == page(), "run `make docs`"


def test_the_script_is_whole() -> None:
    assert len(REQUESTS) >= FEWEST
