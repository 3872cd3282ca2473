"""Sign-in by tokens, as `steelyard up` sees it: what is missing is said before anything starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from steelyard_common.errors import InvalidRequest
from steelyard_local import sign_in
from steelyard_local.credentials import keep, write_clouds
from steelyard_local.layout import Layout
from steelyard_local.main import main

ACCOUNT = {
    "STEELYARD_KEYSTONE_URL": "https://keystone.example:5000/", "STEELYARD_KEYSTONE_USERNAME": "steelyard",
    "STEELYARD_KEYSTONE_PASSWORD": "hidden", "STEELYARD_KEYSTONE_PROJECT": "service",
}  # fmt: skip
ISSUER = {"STEELYARD_OIDC_ISSUER": "https://login.example", "STEELYARD_OIDC_AUDIENCE": "steelyard"}
MODES = {"keystone": ACCOUNT, "oidc": ISSUER}


@pytest.mark.parametrize("auth", MODES)
def test_with_all_that_is_needed_it_may_start(auth: str) -> None:
    sign_in.check(auth, MODES[auth])


@pytest.mark.parametrize(("auth", "name"), [(auth, name) for auth in MODES for name in MODES[auth]])
def test_each_setting_that_is_missing_is_named(auth: str, name: str) -> None:
    without = {key: value for key, value in MODES[auth].items() if key != name}

    with pytest.raises(InvalidRequest, match=f"STEELYARD_AUTH={auth} needs {name}$"):
        sign_in.check(auth, without)


@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        ("keystone", "STEELYARD_KEYSTONE_URL", "keystone.example"), ("oidc", "STEELYARD_OIDC_ISSUER", "http://login.example"),
        ("oidc", "STEELYARD_OIDC_ISSUER", "http://localhost.evil.example"),
        ("oidc", "STEELYARD_OIDC_ALGORITHMS", "HS256"),
        ("oidc", "STEELYARD_OIDC_ALGORITHMS", "none"), ("oidc", "STEELYARD_OIDC_ROLES", "dc-ops"),
        ("keystone", "STEELYARD_AUTH_CA_FILE", "/nowhere/ca.pem"), ("oidc", "STEELYARD_AUTH_CACHE_S", "soon"),
        ("keystone", "STEELYARD_KEYSTONE_PUBLIC_URL", 'https://a" realm="b'),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_and_no_secret_shown(auth: str, name: str, value: str) -> None:
    with pytest.raises(InvalidRequest, match=name) as refused:
        sign_in.check(auth, {**MODES[auth], name: value})

    assert "hidden" not in refused.value.message


def test_the_command_refuses_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ACCOUNT:
        monkeypatch.delenv(name, raising=False)

    assert main(["up", "--auth", "keystone", "--data", str(tmp_path / "data")]) == 2

    said = capsys.readouterr().err
    assert said.startswith("steelyard: STEELYARD_AUTH=keystone needs STEELYARD_KEYSTONE_URL, ")
    assert said.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_a_rack_cannot_be_enrolled_without_a_token(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ISSUER.items():
        monkeypatch.setenv(name, value)

    assert main(["up", "--auth", "oidc", "--rack", "3", "--data", str(tmp_path)]) == 2
    assert "cannot enrol a rack" in capsys.readouterr().err


def test_a_file_that_was_named_from_here_is_named_in_full() -> None:
    assert sign_in.handed_on({"STEELYARD_AUTH_CA_FILE": "ca.pem"}) == {
        "STEELYARD_AUTH_CA_FILE": str(Path("ca.pem").absolute())
    }
    assert sign_in.handed_on({}) == {}


@pytest.mark.parametrize(
    ("auth", "told"),
    [
        ("keystone", {"auth_type": "password", "auth": {"auth_url": "https://keystone.example:5000/v3"}}),
        ("oidc", {"auth_type": "admin_token", "auth": {"endpoint": "http://127.0.0.1:1"}}),
    ],
)
def test_clouds_yaml_says_how_to_sign_in_and_holds_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, auth: str, told: dict[str, object]
) -> None:
    for name, value in ACCOUNT.items():
        monkeypatch.setenv(name, value)
    layout = Layout(tmp_path)
    layout.prepare()

    write_clouds(layout, "http://127.0.0.1:1", auth, keep(layout))

    cloud = json.loads(layout.clouds.read_text())["clouds"]["steelyard"]
    assert cloud.items() >= told.items()
    assert cloud["baremetal_endpoint_override"] == "http://127.0.0.1:1"
    assert "hidden" not in layout.clouds.read_text()
