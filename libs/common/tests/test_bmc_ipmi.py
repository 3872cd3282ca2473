"""The IPMI driver, against the simulated rack, and against sockets that never answer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from steelyard_common.bmc import BmcDriver, NodeAccess, PowerAction, PowerState
from steelyard_common.bmc.line import PoolSettings
from steelyard_common.bmc.pool import BmcPool
from steelyard_common.errors import DeviceRefused, DeviceUnreachable, OutcomeUnknown, SteelyardError
from steelyard_rack.testing import RunningRack, running_rack

from tests.contract.bmc_driver import BmcDriverContract, arrives

MACHINE = "rack-0001"


@pytest.fixture(scope="module")
def rack() -> Iterator[RunningRack]:
    with running_rack(machines=1, protocols="ipmi") as running:
        yield running


@pytest.fixture
def pool(rack: RunningRack) -> Iterator[BmcPool]:
    rack.clear_faults()
    pool = BmcPool(PoolSettings(calls_per_s=1000), open_secret=lambda text: text)
    yield pool
    pool.close()


def access_of(rack: RunningRack, **changes: Any) -> NodeAccess:
    return NodeAccess(uuid="node", driver_info={**rack.nodes()[0]["driver_info"], **changes})


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A UDP socket that hears everything and says nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        yield deaf.getsockname()[1]


def silent(port: int) -> NodeAccess:
    info = {"ipmi_address": "127.0.0.1", "ipmi_port": port, "ipmi_username": "admin", "ipmi_password": "x"}
    return NodeAccess(uuid="silent", driver_info=info)


class TestIpmiDriver(BmcDriverContract):
    reads_as = {"safe": "disk"}  # noqa: RUF012

    @pytest.fixture
    def driver(self, rack: RunningRack, pool: BmcPool) -> Iterator[BmcDriver]:
        with pool.driver("ipmitool", access_of(rack), timeout_s=120) as driver:
            yield driver


def test_the_session_is_kept_between_conversations(rack: RunningRack, pool: BmcPool) -> None:
    rack.clear_record()

    for _ in range(5):
        with pool.driver("ipmitool", access_of(rack), timeout_s=30) as driver:
            driver.get_power()

    operations = [entry["operation"] for entry in rack.record(MACHINE)]
    assert operations.count("login") == 1
    assert operations.count("chassis status") == 5
    assert pool.report()[0]["session"] == "cipher suite 17"


def test_a_bmc_that_refuses_cipher_suite_17_is_spoken_to_with_3_and_that_is_remembered(
    rack: RunningRack, pool: BmcPool
) -> None:
    rack.fault(MACHINE, cipher_3_only=True)

    with pool.driver("ipmitool", access_of(rack), timeout_s=30) as driver:
        assert driver.get_power() in tuple(PowerState)

    assert pool.report()[0]["session"] == "cipher suite 3"


def test_a_forced_cipher_suite_is_not_left(rack: RunningRack, pool: BmcPool) -> None:
    rack.fault(MACHINE, cipher_3_only=True)

    with (
        pool.driver("ipmitool", access_of(rack, ipmi_cipher_suite="17"), timeout_s=30) as driver,
        pytest.raises(DeviceUnreachable, match="cipher suite 17"),
    ):
        driver.get_power()


def test_a_wrong_password_is_refused_and_not_named(rack: RunningRack, pool: BmcPool) -> None:
    with (
        pool.driver("ipmitool", access_of(rack, ipmi_password="canary-7f3a"), timeout_s=30) as driver,
        pytest.raises(DeviceRefused, match="credentials") as caught,
    ):
        driver.get_power()

    assert "canary-7f3a" not in f"{caught.value!r} {caught.value.message} {caught.value.detail} {pool.report()}"


def test_every_call_to_a_silent_bmc_ends_by_its_deadline(silent_port: int, pool: BmcPool) -> None:
    began = time.monotonic()

    with pool.driver("ipmitool", silent(silent_port), timeout_s=1.5) as driver, pytest.raises(DeviceUnreachable):
        driver.get_power()

    assert time.monotonic() - began < 6


def test_a_host_without_a_bmc_is_noticed_before_the_deadline(pool: BmcPool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        free_port = taken.getsockname()[1]
    began = time.monotonic()

    with pool.driver("ipmitool", silent(free_port), timeout_s=60) as driver, pytest.raises(DeviceUnreachable):
        driver.get_power()

    assert time.monotonic() - began < 30


def test_many_silent_bmcs_do_not_slow_a_good_one(rack: RunningRack, pool: BmcPool) -> None:
    deaf = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(40)]
    errors: list[SteelyardError] = []

    def call(port: int) -> None:
        with pool.driver("ipmitool", silent(port), timeout_s=60) as driver:
            try:
                driver.get_power()
            except SteelyardError as error:
                errors.append(error)

    for quiet in deaf:
        quiet.bind(("127.0.0.1", 0))
    callers = [threading.Thread(target=call, args=(quiet.getsockname()[1],)) for quiet in deaf]
    for caller in callers:
        caller.start()
    for _ in range(20):
        with pool.driver("ipmitool", access_of(rack), timeout_s=30) as driver:
            driver.get_power()
    assert errors == [], "none of them was waited for"
    for quiet in deaf:
        quiet.close()
    for caller in callers:
        caller.join()

    assert len(errors) == 40
    assert {type(error) for error in errors} == {DeviceUnreachable}


def test_a_session_the_bmc_has_forgotten_is_replaced(rack: RunningRack, pool: BmcPool) -> None:
    with pool.driver("ipmitool", access_of(rack), timeout_s=30) as driver:
        driver.get_power()
        slot = next(iter(pool._slots.values()))
        session = slot.connection._session  # type: ignore[union-attr]
        session.sessionid ^= 0xFFFF  # what we send now belongs to no session the BMC knows

        assert driver.get_power() in tuple(PowerState)


def test_a_change_without_an_answer_is_sent_once_and_its_outcome_unknown(rack: RunningRack, pool: BmcPool) -> None:
    with pool.driver("ipmitool", access_of(rack), timeout_s=60) as driver:
        driver.set_power(PowerAction.OFF)
        assert arrives(driver.get_power, PowerState.OFF)
        connection = next(iter(pool._slots.values())).connection
        rack.clear_record()
        rack.fault(MACHINE, hang=True)

        with pytest.raises(OutcomeUnknown):
            connection.tell(0, 2, (1,))  # type: ignore[union-attr]

    rack.clear_faults()
    assert sum(rack.power_actions().get(MACHINE, {}).values()) <= 1


def test_a_node_that_is_so_already_is_sent_nothing(rack: RunningRack, pool: BmcPool) -> None:
    with pool.driver("ipmitool", access_of(rack), timeout_s=60) as driver:
        driver.set_power(PowerAction.OFF)
        assert arrives(driver.get_power, PowerState.OFF)
        rack.clear_record()

        driver.set_power(PowerAction.OFF)
        driver.set_power(PowerAction.SOFT_OFF)

    assert not any(entry["is_power"] for entry in rack.record(MACHINE))


def test_sensors_are_read_with_their_units(rack: RunningRack, pool: BmcPool) -> None:
    with pool.driver("ipmitool", access_of(rack), timeout_s=30) as driver:
        units = {(sensor.kind, sensor.unit) for sensor in driver.read_sensors()}

    assert {("Temperature", "Celsius"), ("Fan", "RPM"), ("Voltage", "Volts")} <= units
