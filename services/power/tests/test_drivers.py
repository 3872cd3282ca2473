"""Conversations: the BMCs in memory keep the drivers' contract; noop; and real Redfish and IPMI through the rack."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from steelyard_common.bmc import BmcDriver, BootDevice, PowerAction, PowerState
from steelyard_common.bmc.line import PoolSettings
from steelyard_common.bmc.pool import BmcPool
from steelyard_common.errors import DeviceUnreachable, InvalidRequest, Unsupported
from steelyard_common.secrets import MASK, Sealer
from steelyard_common.testing import eventually
from steelyard_power.drivers.bmc import BmcConversations
from steelyard_power.drivers.noop import NoopManagement
from steelyard_power.drivers.simulated import SimulatedBmc
from steelyard_power.testing import node
from steelyard_rack.testing import RunningRack, running_rack

from tests.contract.bmc_driver import BmcDriverContract


class TestSimulatedBmc(BmcDriverContract):
    @pytest.fixture
    def driver(self) -> Iterator[BmcDriver]:
        yield from [SimulatedBmc(clock=lambda: datetime.now(UTC), takes_s=0.05)]


@pytest.fixture(scope="module")
def sealer() -> Sealer:
    return Sealer.from_text(Sealer.new_key())


@pytest.fixture
def through_pool(sealer: Sealer) -> Iterator[BmcConversations]:
    pool = BmcPool(PoolSettings(), sealer.open)
    yield BmcConversations(pool)
    pool.close()


def test_noop_management_accepts_boot_devices_and_nothing_else() -> None:
    noop = NoopManagement()

    noop.set_boot_device("disk", persistent=True)

    assert noop.get_boot_device() == BootDevice(device="pxe", persistent=True)
    assert (noop.list_indicators(), noop.read_sensors(), noop.get_health()) == ((), (), None)
    with pytest.raises(Unsupported):
        noop.set_boot_device("cdrom", persistent=False)
    with pytest.raises(Unsupported):
        noop.inject_nmi()


def test_the_interface_of_the_node_says_which_driver(through_pool: BmcConversations) -> None:
    on = node("fake", interfaces={"power": "fake", "management": "noop"}, power_state="power on")

    with through_pool.open(on, "power", timeout_s=1) as driver:
        assert driver.get_power() is PowerState.ON
    with through_pool.open(on, "management", timeout_s=1) as driver:
        assert isinstance(driver, NoopManagement)
    with pytest.raises(InvalidRequest), through_pool.open(on, "boot", timeout_s=1):
        pass


@pytest.fixture(scope="module")
def rack() -> Iterator[RunningRack]:
    with running_rack(machines=2) as rack:
        yield rack


def provider_node(body: dict[str, Any], sealer: Sealer) -> dict[str, Any]:
    """A node of the rack as a provider gets it: secrets sealed, and masked where they are shown."""
    shown, sealed = dict(body["driver_info"]), {}
    for key, value in body["driver_info"].items():
        if key.endswith("password"):
            shown[key], sealed[f"/{key}"] = MASK, sealer.seal(value)
    kind = "redfish" if body["driver"] == "redfish" else "ipmitool"
    return node(kind, uuid=str(uuid.uuid4()), driver=body["driver"], driver_info=shown, sealed=sealed)


@pytest.mark.parametrize("number", [0, 1])
def test_a_machine_of_the_rack_is_switched_on_with_its_sealed_password(
    rack: RunningRack, sealer: Sealer, through_pool: BmcConversations, number: int
) -> None:
    body = rack.nodes()[number]
    on = provider_node(body, sealer)

    with through_pool.open(on, "power", timeout_s=60) as driver:
        driver.set_power(PowerAction.ON)

    eventually(lambda: rack.power_of(body["name"]) == "On")
    with through_pool.open(on, "management", timeout_s=60) as driver:
        driver.set_boot_device("pxe", persistent=False)
        assert driver.get_boot_device().device == "pxe"


def test_a_hung_machine_is_unreachable_within_its_deadline_and_then_left_alone(
    rack: RunningRack, sealer: Sealer, through_pool: BmcConversations
) -> None:
    body = rack.nodes()[0]
    on = provider_node(body, sealer)
    rack.fault(body["name"], hang=True)

    try:
        for patient in (True, False):
            with (
                pytest.raises(DeviceUnreachable),
                through_pool.open(on, "power", timeout_s=1, patient=patient) as driver,
            ):
                driver.get_power()
    finally:
        rack.clear_faults()
    assert through_pool.report()[0]["backoff_s"] > 0
