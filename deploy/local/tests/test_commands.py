"""``up --detach`` and ``down`` in each other's way: whole suites, as in test_supervisor."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from steelyard_common.testing import eventually
from steelyard_local import state
from steelyard_local.api import Api
from steelyard_local.layout import Layout

STEELYARD = [sys.executable, "-m", "steelyard_local"]


class Folder:
    """A data folder and the commands that somebody gives there."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def begin(self, command: str, *options: str) -> subprocess.Popen[str]:
        listen = ["--listen", "127.0.0.1:0", "--detach"] if command == "up" else []
        arguments = [*STEELYARD, command, *listen, "--data", str(self.root), *options]
        return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, command: str, *options: str) -> tuple[int, str]:
        process = self.begin(command, *options)
        said = process.communicate(timeout=240)[0]
        return process.returncode, said

    def drivers(self) -> int:
        """How many are enabled."""
        found = state.read(Layout(self.root).state)
        assert found is not None
        return len(Api(url=found.url).call("GET", "/v1/drivers", timeout_s=120)["drivers"])

    @property
    def phase(self) -> str | None:
        found = state.read(Layout(self.root).state)
        return found.phase if found else None


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path / "data")
    yield folder
    status, said = folder.run("down")
    assert status == 0, said
    assert not state.is_locked(Layout(folder.root))


def test_up_and_down_follow_one_another_at_once_and_two_downs_agree(folder: Folder) -> None:
    for _ in range(2):
        assert folder.run("up")[0] == 0
        assert folder.drivers(), "nobody waits for the workers of an earlier run"
        downs = [folder.begin("down") for _ in range(2)]
        said = [down.communicate(timeout=240)[0] for down in downs]

        assert [down.returncode for down in downs] == [0, 0], said
        assert not any("already runs" in words for words in said)
        assert folder.run("status") == (3, f"Nothing runs on {folder.root}.\n")


def test_down_stops_a_suite_that_is_still_starting(folder: Folder) -> None:
    up = folder.begin("up")
    eventually(lambda: folder.phase == "starting", timeout_s=120)

    status, said = folder.run("down")

    assert status == 0, said
    assert "Nothing is left running" in said
    assert up.communicate(timeout=240)[0]
    assert up.returncode == 1


def test_ctrl_c_during_up_stops_what_has_begun(folder: Folder) -> None:
    up = folder.begin("up")
    eventually(lambda: folder.phase == "starting", timeout_s=120)

    up.send_signal(signal.SIGINT)

    said = up.communicate(timeout=240)[0]
    assert up.returncode == 130, said
    assert "Traceback" not in said
    assert folder.run("status")[0] == 3


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m steelyard_local status --data {tmp_path} | true"],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip

    assert done.stderr == ""
