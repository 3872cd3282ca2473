"""The IPMI BMC, asked by pyghmi's own client and, where it is installed, by ipmitool."""

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

import pytest
from pyghmi.exceptions import IpmiException
from pyghmi.ipmi.command import Command
from pyghmi.ipmi.private.session import Session
from steelyard_common.testing import eventually
from steelyard_rack.testing import RunningRack, running_rack


@pytest.fixture(scope="module")
def module_rack() -> Iterator[RunningRack]:
    with running_rack(machines=3, protocols="ipmi", address="127.0.0.61") as rack:
        yield rack


@pytest.fixture
def rack(module_rack: RunningRack) -> RunningRack:
    """The rack as new."""
    module_rack.renew()
    return module_rack


@pytest.fixture
def connect(rack: RunningRack) -> Iterator[Callable[..., Any]]:
    """A function that logs in to a machine's BMC."""
    opened: list[Any] = []

    def make(node: int = 0, **other: Any) -> Any:
        # pyghmi 1.6.19 forgets to take a session out of this table and would hand out the one that was logged out.
        Session.initting_sessions.clear()
        info = rack.nodes()[node]["driver_info"]
        names = {"bmc": "ipmi_address", "userid": "ipmi_username", "password": "ipmi_password", "port": "ipmi_port"}
        opened.append(Command(**{name: info[key] for name, key in names.items()} | other))
        return opened[-1]

    yield make
    for client in opened:
        client.ipmi_session.logout()


def wait_for_power(client: Any, state: str) -> None:
    eventually(lambda: client.get_power()["powerstate"] == state)


def logins(rack: RunningRack) -> list[str]:
    """What a client sent again, because no answer came soon, is there once."""
    told = [entry["operation"] for entry in rack.record() if entry["operation"].startswith("open session")]
    return [each for each, _ in groupby(told)]


def test_pyghmi_logs_in_with_sha256(rack: RunningRack, connect: Callable[..., Any]) -> None:
    assert connect().get_power() == {"powerstate": "off"}
    assert logins(rack) == ["open session, cipher suite 17"]


def test_a_bmc_that_knows_cipher_3_only_is_reached_at_the_second_attempt(
    rack: RunningRack, connect: Callable[..., Any]
) -> None:
    rack.fault("rack-0002", cipher_3_only=True)

    assert connect(1).get_power() == {"powerstate": "off"}
    assert logins(rack) == ["open session", "open session, cipher suite 3"]


def test_power_goes_on_and_softly_off_and_each_is_on_record_once(
    rack: RunningRack, connect: Callable[..., Any]
) -> None:
    client = connect()

    client.set_power("on")
    wait_for_power(client, "on")
    client.set_power("shutdown")
    wait_for_power(client, "off")

    wanted = {"chassis control power up": 1, "chassis control soft shutdown": 1}
    assert rack.power_actions() == {"rack-0001": wanted}


def test_reset_and_nmi_reach_a_running_machine(rack: RunningRack, connect: Callable[..., Any]) -> None:
    rack.press("rack-0001", "on")
    boots = rack.machine("rack-0001")["boots"]
    client = connect()

    client.set_power("reset")
    client.set_power("diag")

    machine = rack.machine("rack-0001")
    assert (machine["boots"] - boots, machine["nmis"]) == (1, 1)


def test_a_reset_while_off_is_refused(connect: Callable[..., Any]) -> None:
    with pytest.raises(IpmiException):
        connect().set_power("reset")


@pytest.mark.parametrize(
    ("device", "persist", "uefi", "told"), [("network", False, True, "network"), ("optical", True, False, "optical")]
)
def test_a_boot_device_is_read_back_with_its_flags(
    connect: Callable[..., Any], device: str, persist: bool, uefi: bool, told: str
) -> None:
    client = connect()

    client.set_bootdev(device, persist=persist, uefiboot=uefi)

    assert client.get_bootdev() == {"bootdev": told, "persistent": persist, "uefimode": uefi}


def test_a_boot_device_for_once_is_used_up_by_power_on(rack: RunningRack, connect: Callable[..., Any]) -> None:
    client = connect()
    client.set_bootdev("network", uefiboot=True)

    client.set_power("on")
    wait_for_power(client, "on")

    assert client.get_bootdev()["bootdev"] == "default"
    assert rack.machine("rack-0001")["booted"] == {"device": "Pxe", "mode": "UEFI", "secure_boot": False}


def test_the_light_can_be_switched(rack: RunningRack, connect: Callable[..., Any]) -> None:
    client = connect()

    client.set_identify(True)
    assert rack.machine("rack-0001")["leds"]["system"] == "Lit"

    client.set_identify(False)
    assert rack.machine("rack-0001")["leds"]["system"] == "Off"


def test_sensors_have_names_values_and_units(rack: RunningRack, connect: Callable[..., Any]) -> None:
    rack.press("rack-0001", "on")

    found = {reading.name: reading for reading in connect().get_sensor_data()}

    assert found["CPU1 Temp"].units == "°C"
    assert 20 < found["CPU1 Temp"].value < 95
    assert found["Fan 1"].value > 1000
    assert found["12V"].value == pytest.approx(12, abs=0.3)


def test_a_wrong_password_and_a_wrong_name_are_told_apart(connect: Callable[..., Any]) -> None:
    with pytest.raises(IpmiException, match="Incorrect password"):
        connect(password="nonsense")
    with pytest.raises(IpmiException, match="Unauthorized name"):
        connect(1, userid="nobody")


def test_wrong_credentials_refuse_the_right_password(rack: RunningRack, connect: Callable[..., Any]) -> None:
    rack.fault("rack-0001", wrong_credentials=True)

    with pytest.raises(IpmiException, match="Incorrect password"):
        connect()


def test_a_session_limit_holds_until_a_session_ends(rack: RunningRack, connect: Callable[..., Any]) -> None:
    rack.fault("rack-0003", session_limit=0)
    with pytest.raises(IpmiException, match="Insufficient resources"):
        connect(2)

    rack.fault("rack-0003", session_limit=1)
    connect(2).ipmi_session.logout()
    assert connect(2).get_power() == {"powerstate": "off"}


def test_a_busy_bmc_answers_so_and_does_nothing(rack: RunningRack, connect: Callable[..., Any]) -> None:
    client = connect()
    rack.fault("rack-0001", http_error=503)

    answer = client.raw_command(netfn=0, command=2, data=[1])

    assert answer["code"] == 0xC0
    assert rack.power_of("rack-0001") == "Off"


def test_a_request_that_comes_twice_is_done_once(rack: RunningRack, connect: Callable[..., Any]) -> None:
    rack.press("rack-0001", "on")
    boots = rack.machine("rack-0001")["boots"]
    client = connect()
    session = client.ipmi_session
    client.get_power()
    rack.fault("rack-0001", latency_s=2.0)  # longer than pyghmi waits before it sends again

    client.raw_command(netfn=0, command=2, data=[3])

    assert rack.machine("rack-0001")["boots"] - boots == 1
    assert rack.power_actions() == {"rack-0001": {"chassis control hard reset": 1}}
    assert session.logged


def test_a_dead_bmc_answers_nothing_and_has_nothing_on_record(rack: RunningRack) -> None:
    rack.fault("rack-0001", dead=True)
    machine = rack.machine("rack-0001")
    ask = bytes.fromhex("0600ff07 00 00000000 00000000 09 2018c8 81 00 38 8e04 b5")

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.3)
        client.sendto(ask, (machine["ipmi_address"], machine["ipmi_port"]))
        with pytest.raises(TimeoutError):
            client.recv(100)
        client.settimeout(60)
        rack.fault("rack-0001", dead=None)
        client.sendto(ask, (machine["ipmi_address"], machine["ipmi_port"]))
        assert client.recv(100)[:4] == b"\x06\x00\xff\x07"

    assert rack.record("rack-0001") == []


def test_noise_on_the_port_harms_nothing(rack: RunningRack, connect: Callable[..., Any]) -> None:
    machine = rack.machine("rack-0001")
    noise = [b"", b"\x06", bytes(16), b"\x06\x00\xff\x07" + b"\xff" * 60]
    noise += [
        b"\x06\x00\xff\x07\x06" + bytes([kind]) + bytes(length) for kind in (0, 16, 18, 20) for length in (10, 40)
    ]
    noise += [b"\x06\x00\xff\x07\x00" + bytes(9) + b"\x20\x18\xc8\x81\x00\x54\x0e"]

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for packet in noise:
            client.sendto(packet, (machine["ipmi_address"], machine["ipmi_port"]))

    assert connect().get_power() == {"powerstate": "off"}


@pytest.mark.skipif(shutil.which("ipmitool") is None, reason="ipmitool is not installed")
@pytest.mark.parametrize("suite", ["3", "17"])
def test_ipmitool_works_with_either_cipher_suite(rack: RunningRack, suite: str) -> None:
    info = rack.nodes()[1]["driver_info"]
    command = ["ipmitool", "-I", "lanplus", "-C", suite, "-H", info["ipmi_address"], "-p", str(info["ipmi_port"])]
    command += ["-U", info["ipmi_username"], "-P", info["ipmi_password"]]

    def run(*words: str) -> str:
        return subprocess.run([*command, *words], check=True, capture_output=True, text=True, timeout=120).stdout

    assert "is off" in run("chassis", "power", "status")
    run("chassis", "bootdev", "pxe", "options=efiboot")
    assert "Force PXE" in run("chassis", "bootparam", "get", "5")
    run("chassis", "power", "on")
    assert "CPU1 Temp" in run("sdr", "list")
    assert "IPMI Version              : 2.0" in run("mc", "info")
    assert logins(rack)[0] == f"open session, cipher suite {suite}"
