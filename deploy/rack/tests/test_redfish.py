"""The Redfish BMC, asked by sushy as it is used in the field; TLS is verified against the rack's authority."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import sushy
from steelyard_common.testing import eventually
from steelyard_rack.testing import RunningRack, running_rack


@pytest.fixture(scope="module")
def module_rack() -> Iterator[RunningRack]:
    with running_rack(machines=2, protocols="redfish", tls="ca") as rack:
        yield rack


@pytest.fixture
def rack(module_rack: RunningRack) -> RunningRack:
    """The rack as new."""
    module_rack.renew()
    return module_rack


@pytest.fixture
def connect(rack: RunningRack) -> Iterator[Callable[..., Any]]:
    """A function that logs in to the first machine's BMC."""
    opened: list[Any] = []

    def make(auth: Any = sushy.auth.BasicAuth, target: RunningRack = rack, node: int = 0) -> Any:
        info = target.nodes()[node]["driver_info"]
        address, _, path = info["redfish_address"].partition("//")
        host, slash, prefix = path.partition("/")
        opened.append(
            sushy.Sushy(
                f"{address}//{host}",
                auth=auth(info["redfish_username"], info["redfish_password"]),
                verify=info["redfish_verify_ca"],
                root_prefix=f"{slash}{prefix}/redfish/v1/",
                server_side_retries=0,
            )
        )
        return opened[-1]

    yield make
    for client in opened:
        client._conn.close()


def powered(system: Any, state: Any) -> Callable[[], bool]:
    def check() -> bool:
        system.refresh(force=True)
        return bool(system.power_state == state)

    return check


def operations(rack: RunningRack, **query: Any) -> list[str]:
    return [entry["operation"] for entry in rack.record(**query)]


@pytest.mark.parametrize("auth", [sushy.auth.BasicAuth, sushy.auth.SessionAuth, sushy.auth.SessionOrBasicAuth])
def test_each_way_to_log_in_shows_the_system(connect: Callable[..., Any], auth: Any) -> None:
    system = connect(auth).get_system()

    assert system.power_state == sushy.PowerState.OFF
    assert (system.manufacturer, system.model) == ("Steelyard", "Simulated R1")
    assert system.status.health == sushy.Health.OK


def test_power_on_is_seen_on_its_way(rack: RunningRack, connect: Callable[..., Any]) -> None:
    rack.fault("rack-0001", slow_power=1000)
    system = connect().get_system()

    system.reset_system(sushy.ResetType.ON)
    system.refresh(force=True)

    assert system.power_state == sushy.PowerState.POWERING_ON


def test_power_on_is_on_record_once(rack: RunningRack, connect: Callable[..., Any]) -> None:
    system = connect().get_system()

    system.reset_system(sushy.ResetType.ON)

    eventually(powered(system, sushy.PowerState.ON))
    assert rack.power_actions() == {"rack-0001": {"Reset On": 1}}
    assert operations(rack, only_writes=True) == ["Reset On"]


def test_a_graceful_shutdown_ends_in_off(rack: RunningRack, connect: Callable[..., Any]) -> None:
    rack.press("rack-0001", "on")
    system = connect().get_system()

    system.reset_system(sushy.ResetType.GRACEFUL_SHUTDOWN)

    eventually(powered(system, sushy.PowerState.OFF))


def test_a_boot_device_for_once_is_read_back_and_used_up(rack: RunningRack, connect: Callable[..., Any]) -> None:
    system = connect().get_system()

    system.set_system_boot_options(sushy.BootSource.PXE, enabled=sushy.BootSourceOverrideEnabled.ONCE)
    system.refresh(force=True)
    assert system.boot.target == sushy.BootSource.PXE

    system.reset_system(sushy.ResetType.ON)
    system.refresh(force=True)
    assert system.boot.enabled == sushy.BootSourceOverrideEnabled.DISABLED
    assert rack.machine("rack-0001")["booted"]["device"] == "Pxe"


def test_boot_mode_secure_boot_and_leds_can_be_set(rack: RunningRack, connect: Callable[..., Any]) -> None:
    system = connect().get_system()

    system.set_system_boot_options(mode=sushy.BootSourceOverrideMode.UEFI)
    system.secure_boot.set_enabled(True)
    system.set_indicator_led(sushy.IndicatorLED.BLINKING)
    system.chassis[0].set_indicator_led(sushy.IndicatorLED.LIT)
    system.reset_system(sushy.ResetType.ON)

    machine = rack.machine("rack-0001")
    assert machine["leds"] == {"system": "Blinking", "chassis": "Lit"}
    assert machine["booted"]["secure_boot"] is True
    system.secure_boot.refresh(force=True)
    assert system.secure_boot.current_boot == sushy.SecureBootCurrentBoot.ENABLED


def test_sensors_nics_bios_and_manager_can_be_read(rack: RunningRack, connect: Callable[..., Any]) -> None:
    client = connect()
    system = client.get_system()

    assert {t.name for t in system.chassis[0].thermal.temperatures} >= {"Inlet Temp", "CPU1 Temp"}
    assert system.chassis[0].power.power_supplies[0].status.health == sushy.Health.OK
    assert set(system.ethernet_interfaces.summary) == set(rack.machine("rack-0001")["macs"])
    assert system.bios.attributes["BootMode"] in ("Uefi", "Bios")
    assert client.get_manager().firmware_version == "1.0.0"


def test_a_session_limit_holds_until_a_session_ends(rack: RunningRack, connect: Callable[..., Any]) -> None:
    rack.fault("rack-0001", session_limit=1)
    first = connect(sushy.auth.SessionAuth)

    with pytest.raises(sushy.exceptions.ServerSideError, match="as many sessions"):
        connect(sushy.auth.SessionAuth)

    first._auth.close()
    assert connect(sushy.auth.SessionAuth).get_system().identity == "1"


def test_a_token_of_an_ended_session_is_refused(rack: RunningRack, connect: Callable[..., Any]) -> None:
    info = rack.nodes()[0]["driver_info"]
    client = connect(sushy.auth.SessionAuth)
    token = client._auth.get_session_key()
    client._auth.close()

    answer = requests.get(
        f"{info['redfish_address']}/redfish/v1/Systems",
        headers={"X-Auth-Token": token},
        verify=info["redfish_verify_ca"],
        timeout=60,
    )

    assert answer.status_code == 401


def test_no_password_and_no_token_is_on_record(rack: RunningRack, connect: Callable[..., Any]) -> None:
    client = connect(sushy.auth.SessionAuth)
    password = rack.nodes()[0]["driver_info"]["redfish_password"]

    on_record = str(rack.record())

    assert "SessionService/Sessions" in on_record
    assert password not in on_record
    assert client._auth.get_session_key() not in on_record


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/Systems/9", None, 404),
        ("GET", "/Systems/1/EthernetInterfaces/9", None, 404),
        ("PATCH", "/Systems/1", b"{", 400),
        ("PATCH", "/Systems/1", b"[" * 5000, 400),
        ("PATCH", "/Systems/1", b'{"Boot": 1}', 400),
        ("PATCH", "/Systems/1", b'{"Boot": {"BootSourceOverrideTarget": "Tape"}}', 400),
        ("PATCH", "/Systems/1", b'{"SerialNumber": "x"}', 400),
        ("PATCH", "/Systems/1/SecureBoot", b'{"SecureBootEnable": "yes"}', 400),
        ("POST", "/Systems/1/Actions/ComputerSystem.Reset", b'{"ResetType": "Explode"}', 400),
        ("POST", "/Systems/1/Actions/ComputerSystem.Reset", b'{"ResetType": "Nmi"}', 409),
        ("POST", "/Systems/9/Actions/ComputerSystem.Reset", b'{"ResetType": "On"}', 404),
        ("POST", "/Systems/1", b"{}", 405),
        ("POST", "/Systems/1", b" " * 70_000, 413),
        ("DELETE", "/SessionService/Sessions/77", None, 404),
    ],
)
def test_bad_requests_are_refused_with_a_redfish_error(
    rack: RunningRack, method: str, path: str, body: bytes | None, status: int
) -> None:
    info = rack.nodes()[0]["driver_info"]

    answer = requests.request(
        method,
        f"{info['redfish_address']}/redfish/v1{path}",
        data=body,
        auth=(info["redfish_username"], info["redfish_password"]),
        verify=info["redfish_verify_ca"],
        timeout=60,
    )

    assert answer.status_code == status
    assert answer.json()["error"]["@Message.ExtendedInfo"][0]["MessageId"].startswith("Base.")


def test_several_systems_stand_behind_one_bmc_below_a_prefix(connect: Callable[..., Any]) -> None:
    with running_rack(
        machines=4, protocols="redfish", systems_per_bmc=2, path_prefix="/bmc", tls="none", address="127.0.0.51"
    ) as blades:
        client = connect(target=blades, node=3)
        with pytest.raises(sushy.exceptions.SushyError):
            client.get_system()  # which of the two?

        client.get_system("/bmc/redfish/v1/Systems/2").reset_system(sushy.ResetType.ON)

        eventually(lambda: blades.power_of("rack-0004") == "On")
        assert blades.power_of("rack-0003") == "Off"
        assert blades.power_actions() == {"rack-0004": {"Reset On": 1}}
        blades.fault("rack-0004", http_error=500, drop_power=True)
        assert blades.machine("rack-0003")["faults"] == {"http_error": 500}


def test_media_go_into_slots_that_are_empty_and_out_again(rack: RunningRack, connect: Callable[..., Any]) -> None:
    slots = {slot.identity: slot for slot in connect().get_system().virtual_media.get_members()}
    disc = slots["Cd"]

    disc.insert_media("http://127.0.0.1:1/a.iso")
    disc.refresh(force=True)
    assert (disc.inserted, disc.image) == (True, "http://127.0.0.1:1/a.iso")
    assert rack.machine("rack-0001")["media"] == {"Cd": "http://127.0.0.1:1/a.iso", "Usb": None}
    with pytest.raises(sushy.exceptions.HTTPError):
        disc.insert_media("http://127.0.0.1:1/b.iso")
    with pytest.raises(sushy.exceptions.BadRequestError):
        slots["Usb"].insert_media("ftp://127.0.0.1/b.iso")
    disc.eject_media()
    assert rack.machine("rack-0001")["media"] == {"Cd": None, "Usb": None}
