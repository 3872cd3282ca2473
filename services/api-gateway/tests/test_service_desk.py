"""Use cases: the desk that tokens are shown at. How long a verdict is trusted, and what a flood may cost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from steelyard_api_gateway.service import desk as desk_room
from steelyard_api_gateway.service.call import Caller
from steelyard_api_gateway.service.desk import REFUSED_S, REMEMBERED, Accepted, Desk
from steelyard_api_gateway.service.identity import Credentials
from steelyard_common.errors import Unauthenticated, Unavailable
from steelyard_common.testing import eventually

REMEMBER_S = 60.0
NOBODY = Credentials()


class Source:
    """Who knows the tokens: those of ``good`` are; all wait at the gate."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.good = {"ann", "bob"}
        self.ends_in_s = 3600.0
        self.is_away = False
        self.is_broken = False
        self.gate = threading.Event()
        self.gate.set()
        self.asked = 0

    def ask(self, credentials: Credentials) -> Accepted:
        self.asked += 1
        assert self.gate.wait(120)
        if self.is_broken:
            raise RuntimeError("a bug")
        if self.is_away:
            raise Unavailable("away")
        if credentials.token not in self.good:
            raise Unauthenticated("no such token")
        return Accepted(caller=Caller(user=credentials.token), ends_in_s=self.ends_in_s)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def desk(source: Source) -> Desk:
    return Desk(source.ask, remember_s=REMEMBER_S, line=4, clock=lambda: source.now)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def show(desk: Desk, token: str) -> str | None:
    return desk.identify(token, Credentials(token=token)).user


def test_a_good_token_is_asked_about_once(desk: Desk, source: Source) -> None:
    assert [show(desk, "ann") for _ in range(100)] == ["ann"] * 100
    assert source.asked == 1


def test_a_revoked_token_is_let_in_for_the_time_that_verdicts_last_and_no_longer(desk: Desk, source: Source) -> None:
    show(desk, "ann")
    source.good.clear()
    source.now += REMEMBER_S / 2 - 1
    assert show(desk, "ann") == "ann"

    source.now += 1

    with pytest.raises(Unauthenticated):
        show(desk, "ann")


def test_when_it_cannot_be_asked_anew_a_token_lasts_its_whole_time_and_no_longer(desk: Desk, source: Source) -> None:
    show(desk, "ann")
    source.is_away = True
    source.now += REMEMBER_S - 1
    assert show(desk, "ann") == "ann"

    source.now += 1

    with pytest.raises(Unavailable):
        show(desk, "ann")


def test_while_it_cannot_be_asked_anew_a_token_in_use_is_asked_about_once_a_second(desk: Desk, source: Source) -> None:
    show(desk, "ann")
    source.is_away = True
    source.now += REMEMBER_S / 2

    for _ in range(50):
        show(desk, "ann")

    assert source.asked == 2


def test_a_token_that_ends_by_itself_is_not_trusted_beyond_that(desk: Desk, source: Source) -> None:
    source.ends_in_s = 5
    show(desk, "ann")
    source.is_away = True

    source.now += 5

    with pytest.raises(Unavailable):
        show(desk, "ann")


def test_a_token_that_has_ended_is_never_remembered(desk: Desk, source: Source) -> None:
    source.ends_in_s = -1

    show(desk, "ann")
    show(desk, "ann")

    assert source.asked == 2


def test_a_refused_token_is_remembered_for_a_short_time(desk: Desk, source: Source) -> None:
    for _ in range(10):
        with pytest.raises(Unauthenticated, match="no such token"):
            show(desk, "eve")
    assert source.asked == 1

    source.good.add("eve")
    source.now += REFUSED_S

    assert show(desk, "eve") == "eve"


def test_forgetting_ends_every_verdict_even_one_that_is_being_made(
    desk: Desk, source: Source, pool: ThreadPoolExecutor
) -> None:
    show(desk, "ann")
    source.gate.clear()
    being_made = pool.submit(show, desk, "bob")
    eventually(lambda: source.asked == 2)

    desk.forget()
    source.gate.set()
    being_made.result(120)
    source.good.clear()

    for token in ("ann", "bob"):
        with pytest.raises(Unauthenticated):
            show(desk, token)


def test_strangers_wait_in_a_short_line_and_keep_nobody_out_who_is_known(
    desk: Desk, source: Source, pool: ThreadPoolExecutor
) -> None:
    show(desk, "ann")
    source.gate.clear()
    flood = [pool.submit(show, desk, f"bad {number}") for number in range(4)]
    eventually(lambda: source.asked == 5)

    with pytest.raises(Unavailable):
        show(desk, "one more")
    assert show(desk, "ann") == "ann"
    source.now += REMEMBER_S + 1  # a known token whose time is over does not stand in the strangers' line
    known = pool.submit(show, desk, "ann")
    eventually(lambda: source.asked == 6)

    source.gate.set()
    assert known.result(120) == "ann"
    assert all(isinstance(each.exception(120), Unauthenticated) for each in flood)


def test_one_token_that_comes_many_times_at_once_is_asked_about_once(source: Source, pool: ThreadPoolExecutor) -> None:
    desk = Desk(source.ask, remember_s=REMEMBER_S, line=None, clock=lambda: source.now)
    source.gate.clear()

    several = [pool.submit(show, desk, token) for token in ["ann"] * 7 + ["bad"] * 7]
    eventually(lambda: source.asked == 2 and _running(several) == 14)
    source.gate.set()

    assert [each.result(120) for each in several[:7]] == ["ann"] * 7
    assert all(isinstance(each.exception(120), Unauthenticated) for each in several[7:])
    assert source.asked == 2


def _running(futures: list[Future[str | None]]) -> int:
    return sum(each.running() for each in futures)


def test_while_one_request_asks_anew_the_others_go_on(desk: Desk, source: Source, pool: ThreadPoolExecutor) -> None:
    show(desk, "ann")
    source.now += REMEMBER_S / 2
    source.gate.clear()
    renewing = pool.submit(show, desk, "ann")
    eventually(lambda: source.asked == 2)

    assert show(desk, "ann") == "ann"

    source.gate.set()
    assert renewing.result(120) == "ann"
    assert source.asked == 2


def test_a_bug_in_asking_lets_nobody_wait_for_ever(source: Source, pool: ThreadPoolExecutor) -> None:
    desk = Desk(source.ask, remember_s=REMEMBER_S, line=None, clock=lambda: source.now)
    source.is_broken = True
    source.gate.clear()

    both = [pool.submit(show, desk, "ann") for _ in range(2)]
    eventually(lambda: source.asked == 1 and _running(both) == 2)
    source.gate.set()

    kinds = {type(each.exception(120)) for each in both}
    assert kinds <= {RuntimeError, Unavailable}
    source.is_broken = False
    assert show(desk, "ann") == "ann"


def test_memory_is_bounded_and_refused_tokens_do_not_push_out_good_ones(
    desk: Desk, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert REMEMBERED <= 10_000
    monkeypatch.setattr(desk_room, "REMEMBERED", 10)
    show(desk, "ann")

    for number in range(50):
        with pytest.raises(Unauthenticated):
            show(desk, f"bad {number}")
    asked = source.asked
    assert show(desk, "ann") == "ann"
    assert source.asked == asked
    for number in range(50):
        source.good.add(f"good {number}")
        show(desk, f"good {number}")

    assert len(desk._known) == len(desk._refused) == 10
