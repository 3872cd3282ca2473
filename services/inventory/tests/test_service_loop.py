"""The loop of a thread that looks at what is due: when it looks, what wakes it, and that nothing ends it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from steelyard_common.errors import Unavailable
from steelyard_common.testing import eventually
from steelyard_inventory.service.loop import Loop


def now() -> datetime:
    return datetime.now(UTC)


class Looks:
    """What a loop did. ``wait_s``: what each look answers; ``raises``: instead."""

    def __init__(self) -> None:
        self.wait_s = 3600.0
        self.raises: Exception | None = None
        self.count = 0
        self.during: Callable[[], object] = int
        self.looked = threading.Semaphore(0)

    def __call__(self) -> float:
        self.count += 1
        self.looked.release()
        self.during()
        if self.raises is not None:
            raise self.raises
        return self.wait_s

    def wait(self) -> None:
        assert self.looked.acquire(timeout=20), "it did not look"


@pytest.fixture
def looks() -> Looks:
    return Looks()


@pytest.fixture
def loop(looks: Looks) -> Iterator[Loop]:
    made = Loop("test", looks, now, again_s=0.01)
    yield made
    made.stop()


def test_it_looks_at_the_start_and_as_soon_as_there_may_be_something_again(loop: Loop, looks: Looks) -> None:
    looks.wait_s = 0.01
    loop.start()
    for _ in range(3):
        looks.wait()


def test_it_sleeps_until_something_is_due_that_it_was_told_of(loop: Loop, looks: Looks) -> None:
    loop.start()
    looks.wait()
    loop.wake(None)
    loop.wake(now() + timedelta(hours=2))
    assert not looks.looked.acquire(timeout=0.1)
    began = now()
    loop.wake(began + timedelta(seconds=0.2))
    looks.wait()
    assert now() - began >= timedelta(seconds=0.2)


def test_what_comes_while_it_looks_is_looked_at_next(loop: Loop, looks: Looks) -> None:
    looks.during = lambda: loop.wake(now()) if looks.count == 1 else None
    loop.start()
    for _ in range(2):
        looks.wait()


@pytest.mark.parametrize("error", [Unavailable("the database is away"), ValueError("a bug")])
def test_a_look_that_fails_is_made_again(
    loop: Loop, looks: Looks, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    looks.raises = error
    loop.start()
    for _ in range(3):
        looks.wait()
    assert any(record.getMessage().startswith("test ") for record in caplog.records)


def test_it_leaves_at_once_from_its_sleep_and_from_a_look_at_the_next_good_place(loop: Loop, looks: Looks) -> None:
    loop.start()
    looks.wait()
    loop.stop()
    loop.wake(now())
    assert not looks.looked.acquire(timeout=0.1)

    def look() -> float:
        eventually(lambda: other.is_stopping)
        return 0.0

    other = Loop("other", look, now)
    other.start().stop()
    assert not any(thread.name == "other" for thread in threading.enumerate())


def test_one_that_never_began_can_be_stopped(loop: Loop) -> None:
    loop.stop()
    assert loop.is_stopping
