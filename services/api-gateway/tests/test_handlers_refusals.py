"""Entrances, what they refuse: bodies, errors of other services, sign-in."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from steelyard_api_gateway.testing import Api, Others, fault, make_api, message
from steelyard_common.bus import MemoryBus
from steelyard_common.errors import (
    Busy,
    Conflict,
    DeviceRefused,
    DeviceUnreachable,
    Forbidden,
    InternalError,
    NotFound,
    OutcomeUnknown,
    SteelyardError,
    Unavailable,
    Unsupported,
)
from werkzeug.test import create_environ, run_wsgi_app

VERSION = "X-OpenStack-Ironic-API-Version"
OWN_BODY = {"driver": "ipmi"}
N1 = "/v1/nodes/n1"
STATES = f"{N1}/states"

# Bodies


@pytest.mark.parametrize("path", ["/v1/nodes", "/v1/ports"])
@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b'{"a": NaN}', b"null", b"[]", b'"x"', b"", b" "])
def test_a_body_that_is_no_json_object_gets_400(api: Api, path: str, body: bytes) -> None:
    response = api("POST", path, data=body)

    assert response.status_code == 400
    assert fault(response)["faultcode"] == "Client"


def nested(levels: int, *, lists: bool = False) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value] if lists else {"a": value}
    return value


def test_twenty_five_levels_are_taken_and_one_more_is_refused_bare(api: Api) -> None:
    assert api("POST", "/v1/nodes", OWN_BODY | {"extra": nested(24)}).status_code == 201

    for body in ({"extra": nested(25)}, {"extra": nested(25, lists=True)}, nested(26, lists=True)):
        response = api("POST", "/v1/nodes", body)
        assert response.status_code == 400
        assert response.get_json().keys() == {"faultcode", "faultstring"}


def test_brackets_inside_strings_are_no_levels(api: Api) -> None:
    assert api("POST", "/v1/nodes", OWN_BODY | {"extra": {"a": "[{" * 100}}).status_code == 201


def test_a_body_too_deep_for_the_decoder_is_refused_bare(api: Api) -> None:
    response = api("POST", "/v1/nodes", data=b"[" * 100_000)

    assert response.status_code == 400
    assert "faultstring" in response.get_json()


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/nodes"), ("POST", "/v1/bogus"), ("GET", "/v1/nodes")])
def test_more_than_a_mebibyte_gets_413_bare(api: Api, others: Others, method: str, path: str) -> None:
    response = api(method, path, data=b" " * (1024 * 1024 + 1))

    assert response.status_code == 413
    assert response.get_json()["faultcode"] == "Client"
    assert "error_message" not in response.get_json()
    assert others.asked == []


def test_a_body_of_unknown_length_is_read_no_further_than_the_limit(api: Api) -> None:
    class Endless(io.RawIOBase):
        read_so_far = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            self.read_so_far += len(buffer)
            buffer[:] = b" " * len(buffer)
            return len(buffer)

    stream = Endless()
    environ = create_environ("/v1/nodes", method="POST")
    environ |= {"wsgi.input": io.BufferedReader(stream), "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}

    _, status, _ = run_wsgi_app(api.client.application, environ)

    assert status.startswith("413")
    assert stream.read_so_far < 2 * 1024 * 1024


def test_provision_requests_may_be_larger(api: Api) -> None:
    response = api("PUT", f"{N1}/states/provision", {"target": "bogus", "configdrive": "x" * 2_000_000})

    assert response.status_code == 400
    assert "bogus" in message(response)


def test_a_body_that_the_bus_cannot_carry_gets_400(api: Api, others: Others) -> None:
    response = api("POST", "/v1/nodes", OWN_BODY | {"extra": {"a": "x" * 1_010_000}})

    assert response.status_code == 400
    assert "larger than" in message(response)
    assert others.asked == []


def test_parameters_that_are_null_or_empty_count_as_not_given(api: Api, others: Others) -> None:
    body: dict[str, Any] = {"target": "manage", "configdrive": None, "clean_steps": [], "rescue_password": ""}

    assert api("PUT", f"{STATES}/provision", body).status_code == 202
    assert others.last[1].keys() == {"api", "ident", "target"}


def test_a_nul_is_refused_before_a_database_would(api: Api, others: Others) -> None:
    assert api("POST", "/v1/nodes", data=b'{"driver":"ipmi","extra":{"a":"\\u0000"}}').status_code == 400
    assert api("POST", "/v1/nodes", data=b'{"driver":"ipmi","extra":{"a":"\\\\u0000"}}').status_code == 201
    assert api("GET", "/v1/nodes?driver=%00").status_code == 400
    assert len(others.asked) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("states/power", None), ("states/power", {"target": None}), ("states/power", {"target": 5}),
        ("states/power", {"target": "bogus"}), ("states/power", {"target": "power on", "timeout": 0}),
        ("states/power", {"target": "power on", "timeout": 1.5}), ("states/power", {"target": "power on", "x": 1}),
        ("states/provision", {}), ("states/provision", {"target": None}), ("states/provision", {"target": "MANAGE"}),
        ("states/provision", {"target": "manage", "configdrive": "x"}), ("states/boot_mode", {"target": None}),
        ("states/boot_mode", {"target": "zz"}), ("states/secure_boot", {"target": None}),
        ("states/secure_boot", {"target": "zz"}), ("management/boot_device", {}),
        ("management/boot_device", {"boot_device": "zz"}),
        ("management/boot_device", {"boot_device": "pxe", "persistent": "zz"}), ("management/inject_nmi", {"x": 1}),
        ("management/indicators/led@chassis", {"state": "zz"}), ("management/indicators/led@chassis", {}),
        ("maintenance", {"reason": 5}), ("maintenance", {"x": 1}), ("maintenance", []), ("traits", {}),
        ("traits", {"traits": None}), ("traits", {"traits": ["x"]}), ("traits", []),
        ("traits/CUSTOM_A", {"traits": []}),
        ("traits/bogus", None),
    ],
)  # fmt: skip
def test_a_verb_with_a_bad_body_gets_400_and_nothing_is_asked(api: Api, others: Others, path: str, body: Any) -> None:
    response = api("PUT", f"{N1}/{path}", body)

    assert response.status_code == 400, response.data
    assert fault(response)["faultcode"] == "Client"
    assert others.asked == []


# Errors of other services


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound("Node n1 could not be found."), 404), (Conflict("no"), 409), (Busy("locked by host"), 409),
        (Forbidden("protected"), 403), (Unsupported("cannot"), 400), (Unavailable("away"), 503),
        (OutcomeUnknown("?"), 504), (DeviceUnreachable("BMC"), 502), (DeviceRefused("BMC"), 502),
        (InternalError(), 500),
    ],
)  # fmt: skip
def test_an_error_of_another_service_keeps_its_message(
    api: Api, others: Others, error: SteelyardError, status: int
) -> None:
    others.errors["qry.node"] = error

    response = api("GET", N1)

    assert response.status_code == status
    assert fault(response) == {
        "faultcode": "Client" if status < 500 else "Server", "faultstring": error.message, "debuginfo": None,
    }  # fmt: skip
    assert ("Retry-After" in response.headers) is (status == 503)


def test_a_client_that_breaks_at_retry_after_is_not_told_it(api: Api, others: Others) -> None:
    """python-ironicclient dies of it instead of trying again; seen in the lab."""
    others.errors["qry.node"] = Unavailable("away")

    response = api("GET", N1, headers={"User-Agent": "python-ironicclient"})

    assert response.status_code == 503
    assert fault(response)["faultstring"] == "away"
    assert "Retry-After" not in response.headers


def test_a_bus_that_is_away_gets_503(api: Api, bus: MemoryBus) -> None:
    bus.available = False

    assert api("GET", "/v1/nodes").status_code == 503
    assert api("GET", "/v1").status_code == 200


def test_a_reply_that_is_no_json_where_it_must_be_read_is_a_500_without_details(api: Api, others: Others) -> None:
    others.replies["qry.indicators"] = b"not json"

    response = api("GET", f"{N1}/management/indicators")

    assert response.status_code == 500
    assert fault(response)["faultcode"] == "Server"
    assert "json" not in message(response)


# Sign-in


@pytest.fixture
def guarded(bus: MemoryBus, others: Others, tmp_path: Path) -> Api:
    users = tmp_path / "users"
    users.write_text("ann:" + bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode() + "\n")
    return make_api(bus, auth="http_basic", htpasswd_file=str(users), http_bind="0.0.0.0:0")


@pytest.mark.parametrize("path", ["/v1/nodes", "/v1/bogus", "/bogus"])
def test_without_credentials_there_is_a_401_that_says_how(guarded: Api, others: Others, path: str) -> None:
    for response in (guarded("GET", path), guarded("GET", path, auth=("ann", "wrong"))):
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("Basic realm=")
        assert fault(response)["faultcode"] == "Client"
        assert response.headers[VERSION] == "1.115"
    assert others.asked == []


def test_with_credentials_the_user_travels_on(guarded: Api, others: Others) -> None:
    assert guarded("GET", "/v1/nodes", auth=("ann", "right")).status_code == 200
    assert '"user":"ann"' in others.last_headers["Steelyard-Caller"]


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/"])
def test_the_roots_are_public(guarded: Api, path: str) -> None:
    assert guarded("GET", path).status_code == 200
