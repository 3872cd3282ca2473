"""Each fault as a client sees it, over Redfish; faults of the machine alone are in test_machine.py."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from steelyard_common.testing import eventually
from steelyard_rack.client import ControlError
from steelyard_rack.faults import BMC_FAULTS, HEALTHY, MEANINGS, BadFault, changed, parsed
from steelyard_rack.testing import RunningRack, running_rack

NAME = "rack-0001"
Call = Callable[..., requests.Response]


@pytest.fixture(scope="module")
def module_rack() -> Iterator[RunningRack]:
    with running_rack(machines=2, protocols="redfish", tls="ca", address="127.0.0.71") as rack:
        yield rack


@pytest.fixture
def rack(module_rack: RunningRack) -> RunningRack:
    """The rack as new."""
    module_rack.renew()
    return module_rack


@pytest.fixture
def call(rack: RunningRack) -> Iterator[Call]:
    """A function that sends one request to the first machine's BMC."""
    info = rack.nodes()[0]["driver_info"]
    with requests.Session() as session:
        session.trust_env = False

        def make(method: str = "GET", below: str = "", json: Any = None, **other: Any) -> requests.Response:
            settings = {
                "auth": (info["redfish_username"], info["redfish_password"]),
                "verify": info["redfish_verify_ca"],
                "timeout": 60,
            } | other
            url = other.pop("base", info["redfish_address"]) + info["redfish_system_id"] + below
            settings.pop("base", None)
            return session.request(method, url, json=json, **settings)

        yield make


def reset(call: Call, kind: str) -> int:
    return call("POST", "/Actions/ComputerSystem.Reset", {"ResetType": kind}).status_code


def test_latency_makes_every_answer_late(rack: RunningRack, call: Call) -> None:
    rack.fault(NAME, latency_s=0.4)

    started = time.monotonic()

    assert call().status_code == 200
    assert time.monotonic() - started >= 0.4


def test_a_hung_bmc_takes_the_request_and_never_answers(rack: RunningRack, call: Call) -> None:
    rack.fault(NAME, hang=True)

    with pytest.raises(requests.exceptions.ReadTimeout):
        call("POST", "/Actions/ComputerSystem.Reset", {"ResetType": "On"}, timeout=(60, 0.3))

    (entry,) = eventually(lambda: rack.record(NAME))
    assert (entry["operation"], entry["outcome"]) == ("Reset On", "no answer")
    assert rack.power_of(NAME) == "Off"


def test_a_slow_bmc_does_what_it_was_told_even_if_the_client_left(rack: RunningRack, call: Call) -> None:
    rack.fault(NAME, latency_s=2)

    with pytest.raises(requests.exceptions.ReadTimeout):
        call("POST", "/Actions/ComputerSystem.Reset", {"ResetType": "On"}, timeout=(60, 0.2))

    eventually(lambda: rack.power_actions() == {NAME: {"Reset On": 1}})


def test_a_late_answer_comes_after_what_was_told_is_done_and_on_record(rack: RunningRack, call: Call) -> None:
    rack.fault(NAME, late_answer_s=600)

    with pytest.raises(requests.exceptions.ReadTimeout):
        call("POST", "/Actions/ComputerSystem.Reset", {"ResetType": "On"}, timeout=(60, 1))

    eventually(lambda: rack.power_actions() == {NAME: {"Reset On": 1}})
    assert call().status_code == 200  # only changes are answered late


def test_a_hung_bmc_leaves_the_others_alone(rack: RunningRack, call: Call) -> None:
    rack.fault("rack-0002", hang=True)

    assert call().status_code == 200


def test_an_http_error_answers_everything_and_nothing_is_done(rack: RunningRack, call: Call) -> None:
    rack.fault(NAME, http_error=503)

    assert call().status_code == 503
    assert reset(call, "On") == 503
    assert rack.power_of(NAME) == "Off"
    assert rack.power_actions() == {}
    assert rack.power_actions(refused_too=True) == {NAME: {"Reset On": 1}}


def test_wrong_credentials_refuse_the_right_password(rack: RunningRack, call: Call) -> None:
    rack.fault(NAME, wrong_credentials=True)

    assert call().status_code == 401
    rack.fault(NAME, wrong_credentials=None)
    assert call().status_code == 200


def test_a_dead_bmc_refuses_connections_until_it_lives_again(rack: RunningRack, call: Call) -> None:
    assert call().status_code == 200
    rack.fault(NAME, dead=True)

    with pytest.raises(requests.exceptions.ConnectionError):
        call()
    assert len(rack.record(NAME)) == 1

    rack.clear_faults(NAME)
    assert call().status_code == 200


def test_a_self_signed_certificate_cannot_be_verified(rack: RunningRack, call: Call) -> None:
    rack.fault(NAME, tls="self-signed")

    with pytest.raises(requests.exceptions.SSLError):
        call()


def test_a_bmc_can_fall_back_to_plain_http(rack: RunningRack, call: Call) -> None:
    rack.fault(NAME, tls="none")

    with pytest.raises(requests.exceptions.ConnectionError):
        call()
    plain = rack.machine(NAME)["redfish_url"].replace("https", "http")
    assert call(base=plain).status_code == 200


BOOT = {"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Once"}
BOOT_WITH_MODE = BOOT | {"BootSourceOverrideMode": "UEFI"}


@pytest.mark.parametrize(
    ("fault", "refused", "accepted"),
    [("split_boot_patch", BOOT_WITH_MODE, BOOT), ("whole_boot_patch", BOOT, BOOT_WITH_MODE)],
)
def test_bmcs_differ_in_the_boot_patch_they_accept(
    rack: RunningRack, call: Call, fault: str, refused: dict[str, str], accepted: dict[str, str]
) -> None:
    rack.fault(NAME, **{fault: True})

    assert call("PATCH", json={"Boot": refused}).status_code == 400
    assert rack.machine(NAME)["boot"]["target"] == "None"
    assert call("PATCH", json={"Boot": accepted}).status_code == 204
    assert rack.machine(NAME)["boot"]["target"] == "Pxe"


def test_a_bmc_may_mind_being_asked_for_what_is(rack: RunningRack, call: Call) -> None:
    assert reset(call, "ForceOff") == 204

    rack.fault(NAME, refuse_same_power=True)

    assert reset(call, "ForceOff") == 409


def test_a_lie_is_told_while_the_machine_does_what_it_is_told(rack: RunningRack, call: Call) -> None:
    rack.fault(NAME, lie_about_power="Off")
    rack.press(NAME, "on")

    assert call().json()["PowerState"] == "Off"
    assert rack.power_of(NAME) == "On"


def test_a_dropped_command_is_accepted_and_on_record(rack: RunningRack, call: Call) -> None:
    rack.fault(NAME, drop_power=True)

    assert reset(call, "On") == 204
    assert rack.power_of(NAME) == "Off"
    assert rack.power_actions() == {NAME: {"Reset On": 1}}


def test_health_shows_in_the_system(rack: RunningRack, call: Call) -> None:
    rack.fault(NAME, health="Critical")

    assert call().json()["Status"]["Health"] == "Critical"


def test_several_faults_are_on_at_once_and_one_can_be_cleared(rack: RunningRack) -> None:
    rack.fault(NAME, drop_power=True, latency_s=0.2, health="Warning")

    assert rack.fault(NAME, latency_s=None) == {"drop_power": True, "health": "Warning"}


@pytest.mark.parametrize(
    "wrong",
    [{"explode": True}, {"hang": 1}, {"latency_s": -1}, {"tls": "rot13"}, {"http_error": 404}, {"flapping_s": "often"}],
)
def test_nonsense_is_refused_and_changes_nothing(rack: RunningRack, wrong: dict[str, object]) -> None:
    with pytest.raises(ControlError, match="fault"):
        rack.fault(NAME, drop_power=True, **wrong)

    assert rack.machine(NAME)["faults"] == {}


def test_every_fault_is_explained() -> None:
    assert set(MEANINGS) == set(HEALTHY.__dataclass_fields__)
    assert set(MEANINGS) >= BMC_FAULTS


def test_faults_are_read_from_the_command_line() -> None:
    assert [parsed("hang", ""), parsed("latency_s", "2"), parsed("tls", "none")] == [True, 2.0, "none"]
    with pytest.raises(BadFault):
        parsed("hang", "perhaps")
    with pytest.raises(BadFault):
        changed(HEALTHY, {"nonsense": parsed("nonsense", "1")})
