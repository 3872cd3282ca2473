"""The command line: what is refused, and how it says so. Nothing is started here."""

from __future__ import annotations

import os
import socket
import stat
import threading
from pathlib import Path

import pytest
from steelyard_common.errors import Conflict, InvalidRequest
from steelyard_local import state
from steelyard_local.checks import check_settings
from steelyard_local.credentials import keep, write_clouds
from steelyard_local.layout import Layout
from steelyard_local.main import main, split_listen
from steelyard_local.suite import is_service, replica_name


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


@pytest.mark.parametrize("path", ["/proc/nowhere/data", "/etc/passwd"])
def test_a_folder_that_cannot_be_ours_is_named_with_what_to_do(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "--detach", "--listen", "127.0.0.1:0", "--data", path]) == 2

    said = capsys.readouterr().err
    assert said.startswith(f"steelyard: the data folder {path} cannot be used: ")
    assert "--data DIR" in said


def test_an_address_that_is_not_ours_is_told_from_a_port_in_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["up", "--auth", "http_basic", "--listen", "192.0.2.1:8000", "--data", str(tmp_path)]) == 2

    assert "this machine has no address 192.0.2.1" in capsys.readouterr().err


def test_all_wrong_settings_are_named_at_once_before_anything_starts() -> None:
    wrong = {
        "STEELYARD_HTTP_THREADS": "x",
        "STEELYARD_POWER_SYNC_INTERVAL_S": "soon",
        "STEELYARD_DATABASE_URL": "later",
    }

    with pytest.raises(InvalidRequest) as refused:
        check_settings(wrong)

    assert refused.value.message == (
        "settings are wrong: STEELYARD_HTTP_THREADS: a whole number, 1 or more, is expected; "
        "STEELYARD_POWER_SYNC_INTERVAL_S: a number of seconds, 0 or more, is expected"
    )


def test_a_second_up_says_who_has_the_folder_and_not_that_the_port_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = Layout(tmp_path)
    layout.prepare()

    with state.lock(layout), socket.socket() as api:
        api.bind(("127.0.0.1", 0))
        assert main(["up", "--listen", f"127.0.0.1:{api.getsockname()[1]}", "--data", str(tmp_path)]) == 1

    said = capsys.readouterr().err
    assert f"already runs on {tmp_path} (process {os.getpid()})" in said
    assert f"`steelyard down --data {tmp_path}`" in said


def test_who_has_the_folder_is_known_when_the_state_file_is_damaged(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.prepare()
    layout.state.write_text("{")

    with state.lock(layout):
        found = state.holder(layout)
    left = state.holder(layout)

    assert found is not None
    assert found.pid == os.getpid()
    assert left is None


@pytest.mark.parametrize("file", ["credentials", "seal_keys"])
@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}'])
def test_damaged_secrets_are_refused_and_kept(tmp_path: Path, file: str, content: str) -> None:
    layout = Layout(tmp_path)
    layout.prepare()
    keep(layout)
    damaged: Path = getattr(layout, file)
    damaged.write_text(content)

    with pytest.raises(Conflict, match="Restore it from a backup"):
        keep(layout)

    assert damaged.read_text() == content


def test_a_lost_sealing_key_is_not_replaced_in_silence(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.prepare()
    keep(layout)
    layout.seal_keys.unlink()

    with pytest.raises(Conflict, match="BMC passwords in the database cannot be opened"):
        keep(layout)


def test_who_only_asks_is_never_taken_for_an_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "LOCK_S", 120.0)  # two who do nothing but ask leave few gaps
    layout, refused = Layout(tmp_path), []
    layout.prepare()
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            refused.append(state.is_locked(layout))

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    for _ in range(300):
        state.lock(layout).close()  # raises when an asker is in the way
    done.set()
    for asker in askers:
        asker.join()
    with state.lock(layout):
        assert state.is_locked(layout)
    assert not state.is_locked(layout)


def test_a_folder_that_is_just_being_cleared_is_not_said_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(tmp_path)
    layout.prepare()
    monkeypatch.setattr(state, "LOCK_S", 0.1)

    with state.lock(layout, as_holder=False), pytest.raises(Conflict, match="just being stopped"):
        state.lock(layout)


@pytest.mark.parametrize("replicas", ["0", "9"])
def test_a_number_of_replicas_that_makes_no_sense_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], replicas: str
) -> None:
    assert main(["up", "--data", str(tmp_path), "--replicas", replicas]) == 2

    assert "1 to 8" in capsys.readouterr().err


def test_the_first_replica_has_the_name_of_its_service_and_all_are_known_as_services() -> None:
    names = [replica_name("api-gateway", number) for number in (1, 2)]

    assert names == ["api-gateway", "api-gateway-2"]
    assert all(is_service(name) for name in (*names, "power", "power-8"))
    assert not any(is_service(name) for name in ("nats", "rack", "rack-2", "api", "gateway-2"))
