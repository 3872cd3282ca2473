"""The fake driver keeps the contract and answers what a live Ironic's fake interfaces answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from steelyard_common.bmc import BmcDriver, BootDevice, NodeAccess, PowerState
from steelyard_common.bmc.line import PoolSettings
from steelyard_common.bmc.pool import BmcPool
from steelyard_common.errors import Unsupported

from tests.contract.bmc_driver import BmcDriverContract


def fake_driver(power_state: str | None = None) -> Iterator[BmcDriver]:
    pool = BmcPool(PoolSettings(), open_secret=lambda text: text)
    access = NodeAccess(uuid="node", driver_info={}, power_state=power_state)
    with pool.driver("fake", access, timeout_s=1) as driver:
        yield driver


class TestFakeDriver(BmcDriverContract):
    keeps_what_is_set = False

    @pytest.fixture
    def driver(self) -> Iterator[BmcDriver]:
        yield from fake_driver()


@pytest.mark.parametrize(
    ("recorded", "seen"), [("power on", PowerState.ON), ("power off", PowerState.OFF), (None, PowerState.OFF)]
)
def test_the_fake_says_the_power_state_on_record(recorded: str | None, seen: PowerState) -> None:
    assert next(fake_driver(recorded)).get_power() is seen


def test_the_fake_boots_from_pxe_and_nothing_else() -> None:
    driver = next(fake_driver())

    assert driver.get_boot_device() == BootDevice(device="pxe", persistent=False)
    assert driver.supported_boot_devices() == ("pxe",)
    with pytest.raises(Unsupported):
        driver.set_boot_device("disk", persistent=True)


def test_the_fake_has_the_two_lamps_of_ironic() -> None:
    names = [f"{lamp.name}@{lamp.component}" for lamp in next(fake_driver()).list_indicators()]

    assert names == ["led-0@chassis", "led@system"]
