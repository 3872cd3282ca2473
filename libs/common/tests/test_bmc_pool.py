"""The pool: turns, budget, back-off, idle closing, secrets, report. A BMC of recorded replies is enough for that."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from steelyard_common.bmc import NodeAccess, PowerState
from steelyard_common.bmc.deadline import Deadline
from steelyard_common.bmc.line import Line, PoolSettings
from steelyard_common.bmc.pool import BmcPool
from steelyard_common.bmc.tls import TlsContexts
from steelyard_common.errors import Busy, DeviceUnreachable, InvalidRequest
from steelyard_common.secrets import Sealer
from steelyard_common.testing import eventually

from libs.common.tests.replay_server import ReplayBmc, recorded, serving

SYSTEM = "/redfish/v1/Systems/1"
SESSIONS = "/redfish/v1/SessionService/Sessions"


class SetClock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def bmc() -> Iterator[ReplayBmc]:
    with serving(recorded("plain")) as running:
        yield running


def node(bmc: ReplayBmc, **info: Any) -> NodeAccess:
    return NodeAccess(
        uuid="node",
        driver_info={"redfish_address": bmc.url, "redfish_username": "u", "redfish_password": "p", **info},
    )


def plain_pool(**settings: Any) -> BmcPool:
    return BmcPool(PoolSettings(**settings), open_secret=lambda text: text)


def logins(bmc: ReplayBmc) -> int:
    return len([path for path, _ in bmc.of("POST") if path == SESSIONS])


def test_a_hundred_threads_share_one_session_and_never_talk_at_once(bmc: ReplayBmc) -> None:
    pool = plain_pool(calls_per_s=10_000)
    talking: list[int] = []
    most: list[int] = []

    def count(_handler: BaseHTTPRequestHandler, _method: str, path: str) -> bool:
        talking.append(1)
        most.append(len(talking))
        talking.pop()
        return False

    bmc.hook = count
    results: list[object] = []

    def read() -> None:
        with pool.driver("redfish", node(bmc), timeout_s=120) as driver:
            results.append(driver.get_power())

    threads = [threading.Thread(target=read) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pool.close()

    assert results == [PowerState.OFF] * 100
    assert logins(bmc) == 1
    assert max(most) == 1


def test_while_another_talks_the_impatient_leave_and_the_patient_wait_their_time(bmc: ReplayBmc) -> None:
    pool = plain_pool()
    with pool.driver("redfish", node(bmc), timeout_s=30):
        with pytest.raises(Busy), pool.driver("redfish", node(bmc), timeout_s=30, patient=False):
            pass
        began = time.monotonic()
        with pytest.raises(Busy), pool.driver("redfish", node(bmc), timeout_s=0.3):
            pass
        assert time.monotonic() - began >= 0.3
    pool.close()

    assert bmc.requests == []


def test_the_report_shows_who_waits_and_holds_no_secret(bmc: ReplayBmc) -> None:
    pool = plain_pool()
    access = node(bmc, redfish_password="canary-7f3a")

    def read() -> None:
        with pool.driver("redfish", access, timeout_s=30) as driver:
            driver.get_power()

    waiter = threading.Thread(target=read)
    with pool.driver("redfish", access, timeout_s=30) as driver:
        driver.get_power()
        waiter.start()
        eventually(lambda: pool.report()[0]["queue"] == 1)
        report = pool.report()[0]
    waiter.join()
    pool.close()

    assert report["address"] == bmc.url
    assert report["talking"] is True
    assert report["session"] == "session"
    assert report["calls"] >= 3
    assert "canary-7f3a" not in str(pool.report()) + repr(pool)


def test_background_reads_leave_a_failing_bmc_alone_and_commands_are_let_through() -> None:
    with serving(recorded("plain")) as bmc:
        gone = node(bmc)
    clock = SetClock()
    pool = BmcPool(PoolSettings(backoff_first_s=10, backoff_max_s=100), open_secret=str, clock=clock)
    with pool.driver("redfish", gone, timeout_s=5) as driver, pytest.raises(DeviceUnreachable):
        driver.get_power()

    with (
        pytest.raises(DeviceUnreachable, match="next try in"),
        pool.driver("redfish", gone, timeout_s=5, patient=False),
    ):
        pass
    with pool.driver("redfish", gone, timeout_s=5) as driver, pytest.raises(DeviceUnreachable, match="no connection"):
        driver.get_power()
    report = pool.report()[0]
    clock.now += report["backoff_s"] + 0.1
    with pool.driver("redfish", gone, timeout_s=5, patient=False) as driver, pytest.raises(DeviceUnreachable):
        driver.get_power()

    assert report["failures"] == 2
    assert 10 <= report["backoff_s"] <= 20
    assert gone.driver_info["redfish_address"] in report["last_error"]
    pool.close()


def test_backoff_doubles_to_its_limit_and_ends_with_the_first_answer() -> None:
    clock = SetClock()
    line = Line(PoolSettings(backoff_first_s=5, backoff_max_s=60), clock, rand=lambda: 1.0)
    waits = []
    for _ in range(7):
        line.failed(DeviceUnreachable("gone"))
        waits.append(line.backoff_until - clock.now)

    assert waits == [5, 10, 20, 40, 60, 60, 60]
    line.succeeded()
    line.refuse_in_backoff()
    assert line.last_error is None


def test_the_budget_lets_a_burst_through_and_then_its_rate() -> None:
    clock = SetClock()
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        clock.now += seconds

    line = Line(PoolSettings(calls_per_s=10, call_burst=5), clock, wait=wait)
    deadline = Deadline(60, clock)
    for _ in range(8):
        line.before_call(deadline)

    assert waits == pytest.approx([0.1] * 3)
    with pytest.raises(DeviceUnreachable, match="time ran out"):
        line.before_call(Deadline(0.01, clock))
    assert line.calls == 8


def test_changed_credentials_get_a_connection_of_their_own(bmc: ReplayBmc) -> None:
    pool = plain_pool()
    for password in ("p", "p", "other", "other"):
        with pool.driver("redfish", node(bmc, redfish_password=password), timeout_s=30) as driver:
            driver.get_power()

    assert [body["Password"] for path, body in bmc.of("POST") if path == SESSIONS] == ["p", "other"]
    assert len(bmc.of("DELETE")) == 1
    pool.close()


def test_the_same_password_sealed_twice_is_the_same_connection(bmc: ReplayBmc) -> None:
    sealer = Sealer.from_text(Sealer.new_key())
    pool = BmcPool(PoolSettings(), open_secret=sealer.open)
    for _ in range(3):
        info: dict[str, Any] = {"redfish_address": bmc.url, "redfish_username": "u", "redfish_password": "******"}
        access = NodeAccess(uuid="n", driver_info=info, sealed={"/redfish_password": sealer.seal("canary-7f3a")})
        with pool.driver("redfish", access, timeout_s=30) as driver:
            driver.get_power()
    pool.close()

    assert [body["Password"] for path, body in bmc.of("POST") if path == SESSIONS] == ["canary-7f3a"]


def test_a_secret_that_cannot_be_opened_sends_nothing(bmc: ReplayBmc) -> None:
    pool = BmcPool(PoolSettings(), open_secret=Sealer.from_text(Sealer.new_key()).open)
    access = node(bmc, redfish_password=Sealer.from_text(Sealer.new_key("other")).seal("p"))

    with pytest.raises(InvalidRequest), pool.driver("redfish", access, timeout_s=30):
        pass

    assert bmc.requests == []
    pool.close()


def test_idle_connections_give_their_session_back_and_come_again(bmc: ReplayBmc) -> None:
    clock = SetClock()
    pool = BmcPool(PoolSettings(idle_close_s=60), open_secret=str, clock=clock)
    with pool.driver("redfish", node(bmc), timeout_s=30) as driver:
        driver.get_power()

    clock.now += 61
    eventually(lambda: pool.report()[0]["session"] is None)
    with pool.driver("redfish", node(bmc), timeout_s=30) as driver:
        assert driver.get_power() is PowerState.OFF

    assert logins(bmc) == 2
    assert len(bmc.of("DELETE")) == 1
    pool.close()


def test_a_bmc_nobody_asks_for_is_forgotten(bmc: ReplayBmc) -> None:
    clock = SetClock()
    pool = BmcPool(PoolSettings(idle_close_s=60, forget_after_s=600), open_secret=str, clock=clock)
    with pool.driver("redfish", node(bmc), timeout_s=30) as driver:
        driver.get_power()

    clock.now += 601

    eventually(lambda: pool.report() == [])
    pool.close()


def test_closing_logs_out_everywhere_and_ends_the_service(bmc: ReplayBmc) -> None:
    pool = plain_pool()
    with pool.driver("redfish", node(bmc), timeout_s=30) as driver:
        driver.get_power()

    pool.close()

    assert [path for path, _ in bmc.of("DELETE")] == [f"{SESSIONS}/1"]
    with pytest.raises(DeviceUnreachable), pool.driver("redfish", node(bmc), timeout_s=30):
        pass


def test_an_error_of_the_caller_gives_the_turn_back(bmc: ReplayBmc) -> None:
    pool = plain_pool()
    with pytest.raises(ZeroDivisionError), pool.driver("redfish", node(bmc), timeout_s=30):
        raise ZeroDivisionError

    with pool.driver("redfish", node(bmc), timeout_s=1, patient=False) as driver:
        assert driver.get_power() is PowerState.OFF
    pool.close()


def test_an_unknown_kind_and_an_incomplete_driver_info_are_told_before_anything_is_sent(bmc: ReplayBmc) -> None:
    pool = plain_pool()
    for kind in ("redfish", "snmp", "ipmitool"):
        with pytest.raises(InvalidRequest), pool.driver(kind, NodeAccess(uuid="n", driver_info={}), timeout_s=1):
            pass
    assert pool.report() == []
    pool.close()


def test_a_hung_bmc_does_not_hold_up_the_others(bmc: ReplayBmc) -> None:
    released = threading.Event()
    with serving(recorded("plain")) as hung, ThreadPoolExecutor(1) as aside:
        hung.hook = lambda *_: not released.wait(120)
        pool = plain_pool()

        def read_hung() -> PowerState:
            with pool.driver("redfish", node(hung), timeout_s=60) as driver:
                return driver.get_power()

        read = aside.submit(read_hung)
        eventually(lambda: hung.requests)
        for _ in range(20):
            with pool.driver("redfish", node(bmc), timeout_s=30, patient=False) as driver:
                driver.get_power()
        assert not read.done(), "it still hangs"
        released.set()
        assert read.result() is PowerState.OFF
        pool.close()


def test_tls_contexts_are_shared_until_the_ca_file_changes(tmp_path: Any) -> None:
    contexts = TlsContexts()

    assert contexts.get(False) is contexts.get(False)
    assert contexts.get(True) is contexts.get(True)
    assert contexts.get(False) is not contexts.get(False, "1.3")
    with pytest.raises(InvalidRequest, match="cannot be read"):
        contexts.get(str(tmp_path / "nothing.pem"))
    with pytest.raises(InvalidRequest, match="ciphers"):
        contexts.get(False, None, "NO-SUCH-CIPHER")
