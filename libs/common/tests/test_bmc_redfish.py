"""The Redfish driver against the simulated rack: contract, sessions, faults, secrets."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from steelyard_common.bmc import BmcDriver, NodeAccess, PowerAction, PowerState
from steelyard_common.bmc.line import PoolSettings
from steelyard_common.bmc.pool import BmcPool
from steelyard_common.errors import (
    DeviceRefused,
    DeviceUnreachable,
    InvalidRequest,
    OutcomeUnknown,
    SteelyardError,
)
from steelyard_rack.testing import RunningRack, running_rack

from tests.contract.bmc_driver import BmcDriverContract, arrives

MACHINE = "rack-0001"


@pytest.fixture(scope="module")
def rack() -> Iterator[RunningRack]:
    with running_rack(machines=3, protocols="redfish") as running:
        yield running


@pytest.fixture
def pool(rack: RunningRack) -> Iterator[BmcPool]:
    rack.clear_faults()
    pool = BmcPool(PoolSettings(calls_per_s=1000), open_secret=lambda text: text)
    yield pool
    rack.clear_faults()
    pool.close()


def access_of(rack: RunningRack, **changes: Any) -> NodeAccess:
    return NodeAccess(uuid="node", driver_info={**rack.nodes()[0]["driver_info"], **changes})


def sessions_opened(rack: RunningRack) -> int:
    return sum(
        str(entry["operation"]).startswith("POST") and "Sessions" in str(entry["operation"])
        for entry in rack.record(MACHINE)
    )


class TestRedfishDriver(BmcDriverContract):
    @pytest.fixture
    def driver(self, rack: RunningRack, pool: BmcPool) -> Iterator[BmcDriver]:
        with pool.driver("redfish", access_of(rack), timeout_s=120) as driver:
            yield driver


class TestRedfishDriverOfABmcThatWantsAllBootFields(BmcDriverContract):
    @pytest.fixture
    def driver(self, rack: RunningRack, pool: BmcPool) -> Iterator[BmcDriver]:
        rack.fault(MACHINE, whole_boot_patch=True, refuse_same_power=True)
        with pool.driver("redfish", access_of(rack), timeout_s=120) as driver:
            yield driver


class TestRedfishDriverOfABmcThatRefusesModeAndTargetTogether(BmcDriverContract):
    @pytest.fixture
    def driver(self, rack: RunningRack, pool: BmcPool) -> Iterator[BmcDriver]:
        rack.fault(MACHINE, split_boot_patch=True)
        with pool.driver("redfish", access_of(rack, redfish_auth_type="basic"), timeout_s=120) as driver:
            yield driver


def test_one_session_serves_many_conversations_and_is_given_back(rack: RunningRack, pool: BmcPool) -> None:
    rack.clear_record()

    for _ in range(5):
        with pool.driver("redfish", access_of(rack), timeout_s=30) as driver:
            driver.get_power()
    assert pool.report()[0]["session"] == "session"
    opened = sessions_opened(rack)
    pool.close()

    assert opened == 1
    assert any("DELETE" in str(entry["operation"]) for entry in rack.record(MACHINE))


def test_a_power_read_is_one_request(rack: RunningRack, pool: BmcPool) -> None:
    with pool.driver("redfish", access_of(rack), timeout_s=30) as driver:
        driver.get_power()
        rack.clear_record()

        driver.get_power()

    assert len(rack.record(MACHINE)) == 1


def test_where_no_session_is_left_basic_serves(rack: RunningRack, pool: BmcPool) -> None:
    rack.fault(MACHINE, session_limit=0)

    with pool.driver("redfish", access_of(rack), timeout_s=30) as driver:
        assert driver.get_power() in tuple(PowerState)

    report = pool.report()[0]
    assert report["session"] == "basic"
    assert report["failures"] == 0


def test_where_no_session_is_left_and_only_a_session_will_do_the_bmc_is_unreachable(
    rack: RunningRack, pool: BmcPool
) -> None:
    rack.fault(MACHINE, session_limit=0)

    with (
        pool.driver("redfish", access_of(rack, redfish_auth_type="session"), timeout_s=30) as driver,
        pytest.raises(DeviceUnreachable),
    ):
        driver.get_power()


@pytest.mark.parametrize("kind", ["auto", "session", "basic"])
def test_wrong_credentials_are_refused_and_not_named(rack: RunningRack, pool: BmcPool, kind: str) -> None:
    access = access_of(rack, redfish_password="canary-7f3a", redfish_auth_type=kind)

    with pool.driver("redfish", access, timeout_s=30) as driver, pytest.raises(DeviceRefused, match="cred") as caught:
        driver.get_power()

    assert "canary-7f3a" not in f"{caught.value!r} {caught.value.message} {caught.value.detail} {pool.report()}"


def test_no_log_line_holds_the_password_or_the_token(
    rack: RunningRack, pool: BmcPool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    access = access_of(rack)
    password = str(access.driver_info["redfish_password"])
    for kind in ("session", "basic"):
        changed = access_of(rack, redfish_auth_type=kind)
        with pool.driver("redfish", changed, timeout_s=30) as driver:
            driver.get_power()
            driver.set_boot_device("pxe", persistent=False)
            connection: Any = next(iter(pool._slots.values())).connection
            token = connection._auth.get_session_key() if kind == "session" else None
            assert repr(connection) == f"RedfishConnection({access.driver_info['redfish_address']})"
        text = caplog.text
        assert password not in text
        assert token is None or token not in text
    with (
        pool.driver("redfish", access_of(rack, redfish_password="canary-7f3a"), timeout_s=30) as driver,
        pytest.raises(SteelyardError),
    ):
        driver.get_power()
    assert "canary-7f3a" not in caplog.text


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_failing_bmc_is_unreachable_to_readers(rack: RunningRack, pool: BmcPool, status: int) -> None:
    with pool.driver("redfish", access_of(rack), timeout_s=30) as driver:
        driver.get_power()
        rack.fault(MACHINE, http_error=status)

        with pytest.raises(DeviceUnreachable, match=f"HTTP {status}"):
            driver.get_power()


def test_a_hung_bmc_holds_a_call_until_its_deadline_and_no_longer(rack: RunningRack, pool: BmcPool) -> None:
    rack.fault(MACHINE, hang=True)
    began = time.monotonic()

    with pool.driver("redfish", access_of(rack), timeout_s=1.0) as driver, pytest.raises(DeviceUnreachable):
        driver.get_power()

    assert 0.9 < time.monotonic() - began < 10


def test_a_change_without_an_answer_is_sent_once_and_its_outcome_unknown(rack: RunningRack, pool: BmcPool) -> None:
    with pool.driver("redfish", access_of(rack), timeout_s=120) as driver:
        driver.set_power(PowerAction.OFF)
        assert arrives(driver.get_power, PowerState.OFF)
    with pool.driver("redfish", access_of(rack), timeout_s=5) as driver:
        assert driver.get_power() is PowerState.OFF
        before = rack.power_actions()
        rack.fault(MACHINE, hang=True)

        with pytest.raises(OutcomeUnknown):
            driver._reset("On")  # type: ignore[attr-defined]  # without the look before, which would hang first

    rack.clear_faults()
    sent = sum(rack.power_actions().get(MACHINE, {}).values()) - sum(before.get(MACHINE, {}).values())
    assert sent <= 1


def test_a_node_that_is_so_already_is_sent_nothing(rack: RunningRack, pool: BmcPool) -> None:
    with pool.driver("redfish", access_of(rack), timeout_s=60) as driver:
        driver.set_power(PowerAction.OFF)
        assert arrives(driver.get_power, PowerState.OFF)
        rack.clear_record()

        driver.set_power(PowerAction.OFF)
        driver.set_power(PowerAction.SOFT_OFF)

    assert not any(entry["is_write"] for entry in rack.record(MACHINE))


def test_a_certificate_that_nobody_signed_is_not_trusted_unless_told(rack: RunningRack, pool: BmcPool) -> None:
    with (
        pool.driver("redfish", access_of(rack, redfish_verify_ca=True), timeout_s=30) as driver,
        pytest.raises(DeviceUnreachable, match="certificate"),
    ):
        driver.get_power()


def test_the_ca_of_the_rack_is_trusted_when_its_file_is_named(tmp_path: Any) -> None:
    pool = BmcPool(PoolSettings(), open_secret=lambda text: text)
    with running_rack(machines=1, protocols="redfish", tls="ca", data_dir=str(tmp_path)) as rack:
        assert rack.nodes()[0]["driver_info"]["redfish_verify_ca"].startswith(str(tmp_path))
        with pool.driver("redfish", access_of(rack), timeout_s=30) as driver:
            assert driver.get_power() is PowerState.OFF
        pool.close()


def test_systems_behind_one_bmc_share_its_session_and_are_told_apart() -> None:
    pool = BmcPool(PoolSettings(), open_secret=lambda text: text)
    with running_rack(machines=2, protocols="redfish", systems_per_bmc=2, path_prefix="/behind/a/proxy") as rack:
        first, second = (NodeAccess(uuid=str(n["name"]), driver_info=n["driver_info"]) for n in rack.nodes())
        with pool.driver("redfish", first, timeout_s=30) as driver:
            driver.set_power(PowerAction.ON)
            assert arrives(driver.get_power, PowerState.ON)
        with pool.driver("redfish", second, timeout_s=30) as driver:
            assert driver.get_power() is PowerState.OFF
        without = {key: value for key, value in first.driver_info.items() if key != "redfish_system_id"}
        with (
            pool.driver("redfish", NodeAccess(uuid="x", driver_info=without), timeout_s=30) as driver,
            pytest.raises(InvalidRequest, match="redfish_system_id"),
        ):
            driver.get_power()
        assert len(pool.report()) == 1
        assert sessions_opened(rack) == 1
        pool.close()


def test_a_bmc_with_one_system_needs_no_system_id(rack: RunningRack, pool: BmcPool) -> None:
    with pool.driver("redfish", access_of(rack, redfish_system_id=None), timeout_s=30) as driver:
        assert driver.get_power() in tuple(PowerState)


def test_a_system_that_is_not_there_is_named(rack: RunningRack, pool: BmcPool) -> None:
    access = access_of(rack, redfish_system_id="/redfish/v1/Systems/nine")

    with pool.driver("redfish", access, timeout_s=30) as driver, pytest.raises(InvalidRequest, match="Systems/nine"):
        driver.get_power()


def test_nothing_listening_is_unreachable_at_once(pool: BmcPool) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    access = NodeAccess(uuid="x", driver_info={"redfish_address": f"http://127.0.0.1:{port}"})
    began = time.monotonic()

    with (
        pool.driver("redfish", access, timeout_s=30) as driver,
        pytest.raises(DeviceUnreachable, match="nothing listens"),
    ):
        driver.get_power()

    assert time.monotonic() - began < 15
