"""Calls at the same time share a batch, fail alone, and none is forgotten."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from steelyard_common.combining import Combiner
from steelyard_common.errors import Conflict, InvalidRequest, SteelyardError, Unavailable
from steelyard_common.testing import eventually


def test_calls_that_come_while_one_works_share_the_next_batch() -> None:
    begun, go_on = threading.Event(), threading.Event()
    batches: list[list[int]] = []

    def handle(batch: list[int]) -> list[SteelyardError | None]:
        batches.append(batch)
        begun.set()
        go_on.wait(60)
        return [None] * len(batch)

    combiner = Combiner(handle, linger_s=0)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(combiner.submit, 0)
        begun.wait(60)
        others = [pool.submit(combiner.submit, number) for number in range(1, 9)]
        eventually(lambda: len(combiner._queue) == 8)
        go_on.set()
        for call in [first, *others]:
            call.result(60)

    assert batches[0] == [0]
    assert sorted(batches[1]) == list(range(1, 9))


@pytest.mark.parametrize("most", [1, 3, 100])
def test_every_call_gets_its_own_answer(most: int) -> None:
    def handle(batch: list[int]) -> list[SteelyardError | None]:
        assert len(batch) <= most
        return [Conflict(str(number)) if number % 3 == 0 else None for number in batch]

    combiner = Combiner(handle, most=most, linger_s=0.001)
    with ThreadPoolExecutor(16) as pool:
        calls = [pool.submit(combiner.submit, number) for number in range(300)]
        errors = [call.exception(60) for call in calls]

    for number, error in enumerate(errors):
        assert (str(error) if error else None) == (str(number) if number % 3 == 0 else None)


def test_what_cannot_be_stored_fails_alone() -> None:
    def handle(batch: list[int]) -> list[SteelyardError | None]:
        if 7 in batch:
            raise InvalidRequest("seven")
        return [None] * len(batch)

    combiner = Combiner(handle, linger_s=0.001)
    with ThreadPoolExecutor(16) as pool:
        errors = [call.exception(60) for call in [pool.submit(combiner.submit, number) for number in range(16)]]

    assert [number for number, error in enumerate(errors) if error] == [7]


def test_an_outage_is_told_to_all_of_the_batch() -> None:
    def handle(_batch: list[int]) -> list[SteelyardError | None]:
        raise Unavailable

    combiner = Combiner(handle)

    with pytest.raises(Unavailable):
        combiner.submit(1)
    with pytest.raises(Unavailable):
        combiner.submit(2)
