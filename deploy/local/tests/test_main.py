"""The command line: what is refused, and how it says so. Nothing is started here."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest
from steelyard_local.credentials import keep, write_clouds
from steelyard_local.layout import Layout
from steelyard_local.main import main, split_listen


def test_an_open_api_that_others_can_reach_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "--listen", "0.0.0.0:0", "--data", str(tmp_path)]) == 2

    assert "--auth none lets everybody in. Use --auth http_basic" in capsys.readouterr().err


def test_a_port_that_is_taken_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        assert main(["up", "--listen", f"127.0.0.1:{port}", "--data", str(tmp_path)]) == 2

    assert f"port {port} on 127.0.0.1 is in use" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["nonsense", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:-1"])
def test_a_listen_address_that_makes_no_sense_is_refused(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["up", "--listen", text, "--data", str(tmp_path)]) == 2

    assert "ADDRESS:PORT" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:6385", ("127.0.0.1", 6385)),
        (":80", ("127.0.0.1", 80)),
        ("localhost:1", ("127.0.0.1", 1)),
        ("[::1]:2", ("::1", 2)),
    ],
)
def test_a_listen_address_is_taken_apart(text: str, expected: tuple[str, int]) -> None:
    assert split_listen(text) == expected


def test_status_and_down_of_nothing_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--data", str(tmp_path)]) == 3
    assert main(["down", "--data", str(tmp_path)]) == 0

    assert capsys.readouterr().out.count("Nothing runs on") == 2


def test_credentials_are_made_once_and_are_their_owners_alone(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "data")
    layout.prepare()

    first = keep(layout)
    write_clouds(layout, "http://127.0.0.1:1", "http_basic", first)

    assert keep(layout) == first
    assert first.admin not in repr(first)
    secret_files = [layout.credentials, layout.seal_keys, layout.htpasswd, layout.clouds]
    assert {stat.S_IMODE(file.stat().st_mode) for file in secret_files} == {0o600}
    assert stat.S_IMODE(layout.root.stat().st_mode) == 0o700
    assert first.admin not in layout.htpasswd.read_text()


def test_the_rack_of_a_folder_without_one_is_not_mistaken_for_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rack", "list", "--data", str(tmp_path)]) == 1

    assert f"start one with `steelyard up --rack N --data {tmp_path}`" in capsys.readouterr().err
