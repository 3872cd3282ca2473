"""A lookup whose answer was lost: the same request is told the same token, and nobody else is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from sqlalchemy import text
from steelyard_common.bus import CALLER, MemoryBus
from steelyard_common.db import Database
from steelyard_common.secrets import MASK
from steelyard_common.testing import SetClock

from services.boot.tests.agent_ground import NODE, SEALER, Ground

FIRST, SECOND = "req-1", "req-2"


@pytest.fixture
def ground(database: Database, memory_bus: MemoryBus, clock: SetClock) -> Ground:
    return Ground(database, memory_bus, clock)


def row_version(ground: Ground) -> str:
    """It changes with each write of the node's row."""
    with ground.database.read() as connection:
        return str(connection.execute(text("SELECT xmin::text FROM agents")).scalar_one())


def test_a_request_that_is_told_again_gets_the_same_token_from_any_replica(ground: Ground) -> None:
    other_replica = Ground(ground.database, MemoryBus(), ground.clock)
    token = ground.token(request_id=FIRST)
    before = row_version(ground)

    assert token != MASK
    assert other_replica.token(request_id=FIRST) == token
    assert ground.token(request_id=FIRST) == token

    assert row_version(ground) == before
    assert (ground.came, other_replica.came) == ([(NODE, "lookup")], [])
    assert ground.inventory.refused == other_replica.inventory.refused == []
    ground.beat(token)


def test_another_request_is_told_nothing_and_takes_nothing_from_the_first(ground: Ground) -> None:
    token = ground.token(request_id=FIRST)

    assert ground.token(request_id=SECOND) == MASK
    assert [each["node"] for each in ground.inventory.refused] == [NODE]
    assert ground.token(request_id=SECOND) == MASK
    assert ground.token(request_id=FIRST) == token


def test_once_its_agent_was_heard_of_nobody_is_told_the_token_again(ground: Ground) -> None:
    ground.beat(ground.token(request_id=FIRST))

    assert ground.token(request_id=FIRST) == MASK
    assert ground.inventory.refused == [], "it is the same request, come late"


@pytest.mark.parametrize("head", [None, "{}", '{"request_id": ""}', '{"request_id": null}'])
def test_a_request_without_an_id_is_never_taken_for_the_same(ground: Ground, head: str | None) -> None:
    headers = {CALLER: head} if head is not None else {}

    told = [ground.lookup(headers=headers)["config"]["agent_token"] for _ in range(2)]

    assert (told[0] == MASK, told[1]) == (False, MASK)
    assert len(ground.inventory.refused) == 1


def test_a_token_that_came_with_the_medium_is_told_to_no_request(ground: Ground) -> None:
    ground.agents.expect(NODE, ground.agents.sealed_token())

    assert [ground.token(request_id=FIRST) for _ in range(2)] == [MASK, MASK]


def test_what_a_request_was_told_is_forgotten_with_the_boot_the_preparation_and_the_work(ground: Ground) -> None:
    told = [ground.token(request_id=FIRST)]
    ends: list[Callable[[], object]] = [
        partial(ground.inventory.switch_off, NODE), partial(ground.agents.expect, NODE),
        partial(ground.agents.forget, NODE),
    ]  # fmt: skip
    for forget in ends:
        forget()
        assert ground.lookup(minor=61)["config"]["agent_token"] is None
        session = ground.agents.session(NODE)
        assert session is not None
        assert (session.token, session.issued_to) == (None, None)
        told.append(ground.token(request_id=FIRST))

    assert len(set(told)) == 4
    assert MASK not in told


def test_of_many_requests_that_are_told_many_times_at_once_one_gets_the_token_each_time(ground: Ground) -> None:
    requests = [f"req-{number % 6}" for number in range(36)]

    with ThreadPoolExecutor(12) as pool:
        told = list(pool.map(lambda request: (request, ground.token(request_id=request)), requests))

    good = [(request, token) for request, token in told if token != MASK]
    assert len(good) == 6
    assert len(set(good)) == 1
    session = ground.agents.session(NODE)
    assert session is not None
    assert session.token is not None
    assert (session.issued_to, SEALER.open(session.token)) == good[0]
