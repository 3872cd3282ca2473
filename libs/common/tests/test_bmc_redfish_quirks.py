"""Quirks of Redfish BMCs, each from a file of replies that names where the behaviour is known from."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from steelyard_common.bmc import BmcDriver, BootDevice, NodeAccess, PowerAction, PowerState, Sensor
from steelyard_common.bmc.line import PoolSettings
from steelyard_common.bmc.pool import BmcPool
from steelyard_common.errors import (
    DeviceRefused,
    DeviceUnreachable,
    OutcomeUnknown,
    SteelyardError,
    Unsupported,
)

from libs.common.tests.replay_server import ReplayBmc, recorded, serving

SYSTEM = "/redfish/v1/Systems/1"
RESET = f"{SYSTEM}/Actions/ComputerSystem.Reset"


@contextmanager
def talking_to(bmc: ReplayBmc, prefix: str = "", timeout_s: float = 30, **info: Any) -> Iterator[BmcDriver]:
    with serving(bmc):
        pool = BmcPool(PoolSettings(calls_per_s=1000, max_reply_bytes=300_000), open_secret=lambda text: text)
        info = {"redfish_address": bmc.url + prefix, "redfish_username": "u", "redfish_password": "p", **info}
        try:
            with pool.driver("redfish", NodeAccess(uuid="node", driver_info=info), timeout_s=timeout_s) as driver:
                yield driver
        finally:
            pool.close()


def boot_patches(bmc: ReplayBmc) -> list[dict[str, Any]]:
    return [body["Boot"] for path, body in bmc.of("PATCH") if path == SYSTEM]


def test_device_and_mode_go_in_separate_patches() -> None:
    bmc = recorded("plain")

    with talking_to(bmc) as driver:
        driver.set_boot_device("pxe", persistent=False)
        driver.set_boot_mode("bios")

    assert boot_patches(bmc) == [
        {"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Once"},
        {"BootSourceOverrideMode": "Legacy"},
    ]


def test_a_bmc_known_to_want_all_boot_fields_gets_them_at_once() -> None:
    bmc = recorded("ami/megarac-full-boot")

    with talking_to(bmc) as driver:
        driver.set_boot_device("disk", persistent=True)
        driver.set_boot_mode("bios")

    assert [set(patch) for patch in boot_patches(bmc)] == [
        {"BootSourceOverrideTarget", "BootSourceOverrideEnabled", "BootSourceOverrideMode"}
    ] * 2


def test_an_unknown_bmc_that_refuses_the_separate_form_gets_all_boot_fields() -> None:
    bmc = recorded("unknown/wants-all-boot-fields")

    with talking_to(bmc) as driver:
        driver.set_boot_device("pxe", persistent=False)
        assert driver.get_boot_device() == BootDevice(device="pxe", persistent=False)
        driver.set_boot_mode("bios")
        assert driver.get_boot_mode() == "bios"

    assert len(boot_patches(bmc)) == 4


def test_a_supermicro_is_told_once_each_time_and_boots_virtual_media_as_usbcd() -> None:
    bmc = recorded("supermicro/x11-usbcd")

    with talking_to(bmc) as driver:
        driver.set_boot_device("cdrom", persistent=False)
        assert driver.get_boot_device() == BootDevice(device="cdrom", persistent=False)

    assert boot_patches(bmc) == [{"BootSourceOverrideTarget": "UsbCd", "BootSourceOverrideEnabled": "Once"}]


def test_a_bmc_that_drops_its_boot_mode_with_the_device_gets_it_back() -> None:
    bmc = recorded("plain")
    usual = bmc.answer

    def forgetful(method: str, path: str, body: Any) -> Any:
        reply = usual(method, path, body)
        if method == "PATCH" and "BootSourceOverrideTarget" in body.get("Boot", {}):
            bmc.replies[f"GET {SYSTEM}"][2]["Boot"]["BootSourceOverrideMode"] = "Legacy"
        return reply

    bmc.answer = forgetful  # type: ignore[method-assign]
    with talking_to(bmc) as driver:
        driver.set_boot_device("pxe", persistent=False)
        assert driver.get_boot_mode() == "uefi"


@pytest.mark.parametrize(
    ("case", "ask"),
    [
        ("dell/idrac10-on-409", lambda driver: driver.set_power(PowerAction.ON)),
        ("hpe/ilo5-post", lambda driver: driver.set_boot_device("pxe", persistent=False)),
    ],
)
def test_not_now_is_told_apart_from_no(case: str, ask: Callable[[BmcDriver], None]) -> None:
    with talking_to(recorded(case)) as driver, pytest.raises(DeviceUnreachable, match="not ready") as caught:
        ask(driver)
    assert caught.value.retryable


def test_a_refusal_of_what_became_so_meanwhile_is_success() -> None:
    bmc = recorded("dell/idrac10-on-409")
    usual = bmc.answer

    def switched_on_by_somebody(method: str, path: str, body: Any) -> Any:
        reply = usual(method, path, body)
        if path == RESET:
            bmc.replies[f"GET {SYSTEM}"][2]["PowerState"] = "On"
        return reply

    bmc.answer = switched_on_by_somebody  # type: ignore[method-assign]
    with talking_to(bmc) as driver:
        driver.set_power(PowerAction.ON)
        assert driver.get_power() is PowerState.ON


def test_an_action_the_bmc_does_not_list_is_not_sent() -> None:
    bmc = recorded("plain")

    with talking_to(bmc) as driver, pytest.raises(Unsupported):
        driver.inject_nmi()

    assert not [path for path, _ in bmc.of("POST") if path == RESET]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, DeviceRefused), (403, DeviceRefused), (405, Unsupported), (429, DeviceUnreachable),
     (500, OutcomeUnknown), (501, Unsupported), (503, DeviceUnreachable), (504, OutcomeUnknown)],
)  # fmt: skip
def test_each_status_of_a_change_has_its_kind(status: int, kind: type[SteelyardError]) -> None:
    bmc = recorded("plain")
    bmc.replies[f"POST {RESET}"] = [status, {}, {"error": {"code": "Base.1.0.GeneralError", "message": "no"}}]

    with talking_to(bmc) as driver, pytest.raises(kind):
        driver.set_power(PowerAction.ON)

    assert len([path for path, _ in bmc.of("POST") if path == RESET]) == 1


def test_a_connection_that_breaks_after_a_reset_was_sent_leaves_the_outcome_unknown_and_sends_no_second() -> None:
    bmc = recorded("plain")

    def hang_up(handler: BaseHTTPRequestHandler, method: str, path: str) -> bool:
        if path == RESET:
            handler.close_connection = True
        return path == RESET

    bmc.hook = hang_up
    with talking_to(bmc) as driver, pytest.raises(OutcomeUnknown):
        driver.set_power(PowerAction.ON)

    assert len([path for path, _ in bmc.of("POST") if path == RESET]) == 1


def test_a_read_over_a_connection_the_bmc_has_closed_is_done_again_on_a_new_one() -> None:
    bmc = recorded("plain")
    dropped: list[str] = []

    def drop_second_look(handler: BaseHTTPRequestHandler, method: str, path: str) -> bool:
        if path != SYSTEM or len(bmc.of("GET")) < 4 or dropped:
            return False
        dropped.append(path)
        handler.close_connection = True
        return True

    bmc.hook = drop_second_look
    with talking_to(bmc) as driver:
        states = [driver.get_power() for _ in range(4)]

    assert states == [PowerState.OFF] * 4
    assert dropped


def test_a_lost_session_is_opened_again_once_and_the_change_arrives_once() -> None:
    bmc = recorded("plain")
    usual = bmc.answer
    refused: list[str] = []

    def lost(method: str, path: str, body: Any) -> Any:
        if path == RESET and not refused:
            refused.append(path)
            bmc.replies["POST /redfish/v1/SessionService/Sessions"][1]["X-Auth-Token"] = "token-2"
            return 401, {}, {"error": {}}
        return usual(method, path, body)

    bmc.answer = lost  # type: ignore[method-assign]
    with talking_to(bmc) as driver:
        driver.set_power(PowerAction.ON)

    tokens = [
        headers.get("x-auth-token")
        for headers, (_, path, _) in zip(bmc.headers, bmc.requests, strict=True)
        if path == RESET
    ]
    assert tokens == ["token-1", "token-2"]
    assert len([path for path, _ in bmc.of("POST") if path.endswith("Sessions")]) == 2


def test_a_bmc_that_repeats_the_password_in_its_refusal_is_not_quoted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bmc = recorded("plain")
    said = {"error": {"code": "x", "message": "bad canary-7f3a", "@Message.ExtendedInfo": [{"Message": "canary-7f3a"}]}}
    bmc.replies["POST /redfish/v1/SessionService/Sessions"] = [400, {}, said]

    with (
        talking_to(bmc, redfish_password="canary-7f3a", redfish_auth_type="session") as driver,
        pytest.raises(DeviceRefused) as caught,
    ):
        driver.get_power()

    assert bmc.of("POST")[0][1]["Password"] == "canary-7f3a"
    assert "canary" not in f"{caught.value!r} {caught.value.detail} {caught.value.__cause__!r}" + caplog.text


def test_a_session_that_stays_refused_is_not_opened_for_ever() -> None:
    bmc = recorded("plain")
    bmc.replies[f"GET {SYSTEM}"] = [401, {}, {"error": {}}]

    with talking_to(bmc) as driver, pytest.raises(DeviceRefused, match="credentials"):
        driver.get_power()

    assert len([path for path, _ in bmc.of("POST") if path.endswith("Sessions")]) == 2


def test_an_answer_that_trickles_ends_by_the_deadline() -> None:
    bmc = recorded("plain")

    def trickle(handler: BaseHTTPRequestHandler, method: str, path: str) -> bool:
        if path != SYSTEM:
            return False
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                handler.wfile.write(b" ")
                handler.wfile.flush()
            except OSError:
                break
            time.sleep(0.05)
        handler.close_connection = True
        return True

    bmc.hook = trickle
    began = time.monotonic()
    with talking_to(bmc, timeout_s=2) as driver, pytest.raises(DeviceUnreachable):
        driver.get_power()

    assert time.monotonic() - began < 15


def test_an_answer_without_end_is_cut_at_the_limit() -> None:
    bmc = recorded("plain")
    bmc.replies[f"GET {SYSTEM}"][2]["Oem"] = {"blob": "x" * 400_000}

    with talking_to(bmc) as driver, pytest.raises(DeviceUnreachable):
        driver.get_power()


def test_an_answer_that_is_not_json_is_no_usable_answer() -> None:
    bmc = recorded("plain")

    def garbage(handler: BaseHTTPRequestHandler, method: str, path: str) -> bool:
        if path == SYSTEM:
            handler.send_response(200)
            handler.send_header("Content-Length", "9")
            handler.end_headers()
            handler.wfile.write(b"<html></>")
        return path == SYSTEM

    bmc.hook = garbage
    with talking_to(bmc) as driver, pytest.raises(DeviceUnreachable):
        driver.get_power()


def test_links_to_another_host_are_asked_of_the_bmc_we_know() -> None:
    bmc = recorded("plain")
    bmc.replies["GET /redfish/v1/Systems"][2]["Members"] = [{"@odata.id": f"http://192.0.2.9{SYSTEM}"}]
    bmc.replies["POST /redfish/v1/SessionService/Sessions"][1]["Location"] = "https://bmc.invalid/redfish/v1/S/1"

    with talking_to(bmc) as driver:
        assert driver.get_power() is PowerState.OFF


def test_links_that_lack_the_prefix_of_a_proxy_get_it() -> None:
    bmc = recorded("plain")
    usual = bmc.answer

    def proxy(method: str, path: str, body: Any) -> Any:
        if not path.startswith("/rack7/"):
            return 404, {}, None
        return usual(method, path.removeprefix("/rack7"), body)

    bmc.answer = proxy  # type: ignore[method-assign]
    with talking_to(bmc, prefix="/rack7") as driver:
        assert driver.get_power() is PowerState.OFF


def test_a_bmc_that_refuses_identity_encoding_is_asked_with_compression() -> None:
    bmc = recorded("plain")
    usual = bmc.answer

    def picky(method: str, path: str, body: Any) -> Any:
        if path == SYSTEM and bmc.headers[-1]["accept-encoding"] == "identity":
            return 406, {}, {"error": {}}
        return usual(method, path, body)

    bmc.answer = picky  # type: ignore[method-assign]
    with talking_to(bmc) as driver:
        assert driver.get_power() is PowerState.OFF


def test_a_redirect_is_followed_for_reads_only() -> None:
    bmc = recorded("plain")
    bmc.replies["GET /moved"] = bmc.replies[f"GET {SYSTEM}"]
    bmc.replies[f"GET {SYSTEM}"] = [308, {"Location": "/moved"}, None]
    bmc.replies[f"POST {RESET}"] = [308, {"Location": "/moved"}, None]

    with talking_to(bmc) as driver:
        assert driver.get_power() is PowerState.OFF
        with pytest.raises(DeviceRefused):
            driver.set_power(PowerAction.ON)


def test_a_lamp_of_the_newer_kind_is_switched() -> None:
    bmc = recorded("generic/location-indicator")

    with talking_to(bmc) as driver:
        driver.set_indicator("system", "1", "on")
        assert driver.get_indicator("system", "1") == "on"

    assert bmc.of("PATCH") == [(SYSTEM, {"LocationIndicatorActive": True})]


def test_sensors_of_the_newer_kind_are_read_in_one_request() -> None:
    bmc = recorded("generic/sensors-expanded")

    with talking_to(bmc) as driver:
        sensors = driver.read_sensors()

    assert sensors == (
        Sensor(kind="Temperature", name="Inlet", value=21.5, unit="Cel", health="OK"),
        Sensor(kind="Fan", name="Fan 1", value=4200.0, unit="RPM", health="Critical"),
    )


def test_a_part_that_fails_is_left_out_and_does_not_put_the_bmc_to_rest() -> None:
    bmc = recorded("plain")
    bmc.replies[f"GET {SYSTEM}"][2]["Storage"] = {"@odata.id": f"{SYSTEM}/Storage"}
    bmc.replies[f"GET {SYSTEM}/Storage"] = [500, {}, {"error": {"code": "Base.1.0.GeneralError"}}]

    with talking_to(bmc) as driver:
        assert driver.read_sensors() == ()
        assert [lamp.name for lamp in driver.list_indicators()] == ["1"]
        assert driver._connection.connector._line.failures == 0  # type: ignore[attr-defined]


def test_health_is_that_of_the_node_with_all_its_parts() -> None:
    with talking_to(recorded("plain")) as driver:
        assert driver.get_health() == "Warning"
        assert driver.get_vendor() == "Contoso"
        assert driver.get_secure_boot() is None
        with pytest.raises(Unsupported):
            driver.set_secure_boot(True)


def test_a_power_state_nobody_knows_is_not_guessed() -> None:
    bmc = recorded("plain")
    bmc.replies[f"GET {SYSTEM}"][2]["PowerState"] = None

    with talking_to(bmc) as driver, pytest.raises(DeviceRefused, match="None"):
        driver.get_power()
