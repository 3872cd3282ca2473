"""What every BMC driver keeps (steelyard_common.bmc). A driver's test subclasses this and supplies ``driver``."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

import pytest
from steelyard_common.bmc import BmcDriver, BootDevice, Indicator, PowerAction, PowerState, Sensor
from steelyard_common.errors import InvalidRequest, NotFound, Unsupported

ARRIVES_WITHIN_S = 60.0
HEALTHS = (None, "OK", "Warning", "Critical")


def arrives(look: Callable[[], object], wanted: object) -> bool:
    """Whether ``look`` gives ``wanted`` before long: hardware takes its time."""
    end = time.monotonic() + ARRIVES_WITHIN_S
    pause = time.sleep  # between looks at something that has no event to wait for
    while look() != wanted:
        if time.monotonic() > end:
            return False
        pause(0.02)
    return True


class BmcDriverContract:
    """The contract. ``keeps_what_is_set``: false for a driver that forgets (fake). ``reads_as``: devices that a BMC
    keeps under another's name."""

    keeps_what_is_set = True
    reads_as: Mapping[str, str] = {}

    @abstractmethod
    @pytest.fixture
    def driver(self) -> Iterator[BmcDriver]:
        """A driver of a node that may be switched, in a conversation of at least a minute."""
        raise NotImplementedError

    def test_the_power_state_is_one_of_ours(self, driver: BmcDriver) -> None:
        assert driver.get_power() in tuple(PowerState)

    def test_a_node_is_switched_on_and_off_and_may_be_told_twice(self, driver: BmcDriver) -> None:
        for action, state in ((PowerAction.ON, PowerState.ON), (PowerAction.OFF, PowerState.OFF)):
            driver.set_power(action)
            driver.set_power(action)
            assert arrives(driver.get_power, state)
            driver.set_power(action)
            assert driver.get_power() == state

    def test_a_node_that_is_asked_politely_goes_off(self, driver: BmcDriver) -> None:
        driver.set_power(PowerAction.ON)
        assert arrives(driver.get_power, PowerState.ON)

        driver.set_power(PowerAction.SOFT_OFF)

        assert arrives(driver.get_power, PowerState.OFF)

    def test_a_reset_ends_with_the_node_on_whatever_it_was_before(self, driver: BmcDriver) -> None:
        for action, state in ((PowerAction.OFF, PowerState.OFF), (PowerAction.ON, PowerState.ON)):
            driver.set_power(action)
            assert arrives(driver.get_power, state)
            driver.set_power(PowerAction.RESET)
            assert arrives(driver.get_power, PowerState.ON)

    def test_the_last_reset_is_told_the_same_until_there_is_another_one(self, driver: BmcDriver) -> None:
        driver.set_power(PowerAction.ON)
        assert arrives(driver.get_power, PowerState.ON)
        before = driver.get_last_reset()

        assert driver.get_last_reset() == before
        if before is not None:
            next_second = time.monotonic() + 1.1  # it is told in whole seconds
            assert arrives(lambda: time.monotonic() > next_second, wanted=True)
            driver.set_power(PowerAction.RESET)
            assert arrives(lambda: driver.get_last_reset() != before, wanted=True)

    def test_on_and_off_are_among_the_supported_actions(self, driver: BmcDriver) -> None:
        assert {PowerAction.ON, PowerAction.OFF} <= set(driver.supported_actions())

    def test_every_supported_boot_device_can_be_set_once_and_for_good(self, driver: BmcDriver) -> None:
        assert "pxe" in driver.supported_boot_devices()
        for device in driver.supported_boot_devices():
            for persistent in (False, True):
                driver.set_boot_device(device, persistent=persistent)
                seen = driver.get_boot_device()
                wanted = BootDevice(device=self.reads_as.get(device, device), persistent=persistent)
                assert seen == wanted or not self.keeps_what_is_set, (seen, wanted)

    def test_an_unknown_boot_device_is_unsupported(self, driver: BmcDriver) -> None:
        with pytest.raises(Unsupported):
            driver.set_boot_device("wanboot", persistent=False)

    def test_setting_the_boot_device_leaves_the_boot_mode_alone(self, driver: BmcDriver) -> None:
        before = driver.get_boot_mode()

        driver.set_boot_device("pxe", persistent=False)

        assert driver.get_boot_mode() == before

    def test_the_boot_mode_is_set_where_it_is_told(self, driver: BmcDriver) -> None:
        if driver.get_boot_mode() is None:
            with pytest.raises(Unsupported):
                driver.set_boot_mode("uefi")
            return
        for mode in ("bios", "uefi", "uefi"):
            driver.set_boot_mode(mode)
            assert driver.get_boot_mode() == mode

    def test_an_unknown_boot_mode_is_refused(self, driver: BmcDriver) -> None:
        with pytest.raises((InvalidRequest, Unsupported)):
            driver.set_boot_mode("openfirmware")

    def test_secure_boot_is_set_where_it_is_told(self, driver: BmcDriver) -> None:
        if driver.get_secure_boot() is None:
            with pytest.raises(Unsupported):
                driver.set_secure_boot(True)
            return
        driver.set_boot_mode("uefi")
        for enabled in (True, False, False):
            driver.set_secure_boot(enabled)
            assert driver.get_secure_boot() is enabled

    def test_every_lamp_can_be_read_and_those_that_are_not_read_only_switched(self, driver: BmcDriver) -> None:
        lamps = driver.list_indicators()
        assert len({(lamp.component, lamp.name) for lamp in lamps}) == len(lamps)
        for lamp in lamps:
            assert isinstance(lamp, Indicator)
            assert driver.get_indicator(lamp.component, lamp.name) in (*lamp.states, "unknown")
            for state in () if lamp.readonly else ("on", "off"):
                driver.set_indicator(lamp.component, lamp.name, state)
                seen = driver.get_indicator(lamp.component, lamp.name)
                assert seen == state or not self.keeps_what_is_set

    def test_a_lamp_that_is_not_there_is_not_found(self, driver: BmcDriver) -> None:
        with pytest.raises(NotFound):
            driver.get_indicator("power", "nowhere")
        with pytest.raises(NotFound):
            driver.set_indicator("power", "nowhere", "on")

    def test_a_state_no_lamp_has_is_refused(self, driver: BmcDriver) -> None:
        for lamp in driver.list_indicators():
            with pytest.raises(InvalidRequest):
                driver.set_indicator(lamp.component, lamp.name, "dancing")

    def test_an_nmi_is_injected_or_unsupported(self, driver: BmcDriver) -> None:
        driver.set_power(PowerAction.ON)
        assert arrives(driver.get_power, PowerState.ON)
        with suppress(Unsupported):
            driver.inject_nmi()
        assert driver.get_power() in tuple(PowerState)

    def test_vendor_and_health_are_words_we_know(self, driver: BmcDriver) -> None:
        vendor = driver.get_vendor()
        assert vendor is None or vendor.strip() == vendor != ""
        assert driver.get_health() in HEALTHS

    def test_sensors_have_a_kind_a_name_and_a_health_we_know(self, driver: BmcDriver) -> None:
        for sensor in driver.read_sensors():
            assert isinstance(sensor, Sensor)
            assert sensor.kind
            assert sensor.name
            assert sensor.health in HEALTHS
            assert sensor.value is None or isinstance(sensor.value, (float, str))
