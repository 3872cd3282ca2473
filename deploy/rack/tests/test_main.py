"""The command line, the process and the control API of a rack."""

import argparse
import hashlib
import http.client
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from steelyard_rack.client import ControlError, RackClient
from steelyard_rack.faults import MEANINGS
from steelyard_rack.main import main, register
from steelyard_rack.testing import RackDidNotStart, RunningRack, running_rack

HOWTO = Path(__file__).parents[3] / "docs" / "howto" / "use-the-simulated-rack.md"


@pytest.fixture(scope="module")
def rack() -> Iterator[RunningRack]:
    with running_rack(machines=4, address="127.0.0.81") as running:
        yield running


def test_half_of_the_nodes_are_redfish_and_half_ipmi(rack: RunningRack) -> None:
    nodes = rack.nodes()

    assert [node["driver"] for node in nodes] == ["redfish", "ipmi", "redfish", "ipmi"]
    assert set(nodes[0]["driver_info"]) == {
        "redfish_address",
        "redfish_system_id",
        "redfish_username",
        "redfish_password",
        "redfish_verify_ca",
    }
    assert set(nodes[1]["driver_info"]) == {"ipmi_address", "ipmi_port", "ipmi_username", "ipmi_password"}
    assert all(len(node["ports"]) == 2 for node in nodes)


def test_the_list_shows_every_machine(rack: RunningRack, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--control", rack.url]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["NAME", "POWER", "REDFISH", "IPMI", "BOOTS", "FAULTS"]
    assert [line.split()[0] for line in lines[1:]] == ["rack-0001", "rack-0002", "rack-0003", "rack-0004"]


def test_faults_are_set_and_cleared_from_the_command_line(
    rack: RunningRack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fault", "rack-0001", "hang", "latency-s=2", "--control", rack.url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"rack-0001": {"latency_s": 2.0, "hang": True}}

    assert main(["fault", "rack-0001", "hang=off", "--control", rack.url]) == 0
    assert rack.machine("rack-0001")["faults"] == {"latency_s": 2.0}

    assert main(["fault", "all", "--clear", "--control", rack.url]) == 0
    assert all(not machine["faults"] for machine in rack.machines())


def test_the_button_and_the_cord_work_and_are_not_on_the_bmcs_record(
    rack: RunningRack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["power", "rack-0002", "on", "--control", rack.url]) == 0
    assert capsys.readouterr().out == "rack-0002: On\n"
    assert main(["power", "rack-0002", "pull", "--control", rack.url]) == 0

    assert rack.power_of("rack-0002") == "Off"
    assert rack.record("rack-0002") == []


def test_the_record_is_shown_and_cleared(rack: RunningRack, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", "--writes", "--control", rack.url]) == 0
    assert capsys.readouterr().out.split() == ["TIME", "MACHINE", "PROTOCOL", "OPERATION", "OUTCOME"]
    assert main(["record", "--clear", "--control", rack.url]) == 0
    assert main(["record", "--power", "--json", "--control", rack.url]) == 0
    assert json.loads(capsys.readouterr().out) == {}


@pytest.mark.parametrize(
    "arguments", [["show", "rack-9999"], ["fault", "rack-9999", "hang"], ["fault", "rack-0001", "explode"]]
)
def test_what_is_not_there_is_said_with_status_1(
    rack: RunningRack, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main([*arguments, "--control", rack.url]) == 1

    assert "there is no" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nowhere", "", 404),
        ("PATCH", "/machines/rack-0001/faults", "{", 400),
        ("PATCH", "/machines/rack-0001/faults", "[]", 400),
        ("PATCH", "/faults", "{}", 400),
        ("POST", "/machines/rack-0001/power", '{"action": "kick"}', 400),
        ("GET", "/record?since=yesterday", "", 400),
    ],
)
def test_the_control_api_refuses_nonsense(rack: RunningRack, method: str, path: str, body: str, status: int) -> None:
    connection = http.client.HTTPConnection(rack.url.removeprefix("http://"), timeout=60)
    connection.request(method, path, body)

    assert connection.getresponse().status == status

    connection.close()


def test_the_group_can_be_mounted_in_another_command_line() -> None:
    parser = argparse.ArgumentParser()
    register(parser.add_subparsers())

    options = parser.parse_args(["rack", "list", "--json"])

    assert callable(options.run)


def test_without_a_rack_the_commands_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--control", "127.0.0.1:1"]) == 1

    assert "no rack answers at http://127.0.0.1:1" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong", [["--machines=0"], ["--control=192.0.2.1:0"], ["--base-address=192.0.2.1"], ["--control=nowhere"]]
)
def test_a_rack_that_cannot_run_says_why(capsys: pytest.CaptureFixture[str], wrong: list[str]) -> None:
    assert main(["serve", *wrong]) == 1

    assert "The rack cannot run: " in capsys.readouterr().err


def test_a_taken_port_keeps_the_rack_from_starting(rack: RunningRack) -> None:
    machine = rack.machine("rack-0001")
    port = int(machine["redfish_url"].rpartition(":")[2])

    with (
        pytest.raises(RackDidNotStart, match="status 1"),
        running_rack(machines=1, protocols="redfish", address="127.0.0.81", redfish_port=port),
    ):
        pass


def test_two_racks_run_side_by_side_on_the_same_ports() -> None:
    with running_rack(machines=1, name="left", address="127.0.0.91") as left:
        port = left.nodes()[0]["driver_info"]["redfish_address"].rpartition(":")[2]
        with running_rack(machines=1, name="right", address="127.0.0.92", redfish_port=port) as right:
            assert left.machines()[0]["name"] == "left-0001"
            assert right.machines()[0]["name"] == "right-0001"


def test_a_rack_stops_on_sigterm() -> None:
    with running_rack(machines=2) as stopped:
        os.kill(stopped.process.pid, signal.SIGTERM)

        assert stopped.process.wait(60) == 0
        with pytest.raises(ControlError):
            RackClient(stopped.url).about()


def test_the_authority_is_found_again_at_the_next_start(tmp_path: Path) -> None:
    seen = []
    for _ in range(2):
        with running_rack(machines=1, tls="ca", data_dir=tmp_path) as again:
            seen.append(Path(again.nodes()[0]["driver_info"]["redfish_verify_ca"]).read_bytes())

    assert seen[0] == seen[1]
    assert (tmp_path / "rack-ca.key").stat().st_mode & 0o077 == 0


def test_the_how_to_names_every_fault() -> None:
    text = HOWTO.read_text()

    assert [fault for fault in MEANINGS if f"`{fault}`" not in text] == []


def test_a_rack_serves_a_ramdisk_and_an_image_of_a_whole_disk(rack: RunningRack) -> None:
    files = rack.files()

    assert set(files) == {"agent.kernel", "agent.ramdisk", "instance.img"}
    for name, told in files.items():
        content = requests.get(f"{rack.url}/files/{name}", timeout=60).content
        assert (len(content), hashlib.sha256(content).hexdigest()) == (told["bytes"], told["sha256"])
    assert content[510:512] == b"\x55\xaa", "firmware finds a boot sector"
    assert requests.get(f"{rack.url}/files/other", timeout=60).status_code == 404
