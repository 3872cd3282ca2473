"""Whole suites, really up and really down, on free ports and in folders of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from steelyard_common.errors import Unavailable
from steelyard_common.testing import eventually
from steelyard_local.api import Api
from steelyard_local.suite import SERVICES

STEELYARD = [sys.executable, "-m", "steelyard_local"]


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **environment}
    return subprocess.run([*STEELYARD, *arguments], capture_output=True, text=True, timeout=240, env=env, check=False)


def _up(data: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return _run("up", "--listen", "127.0.0.1:0", "--data", str(data), "--detach", *options, **environment)


def _status(data: Path) -> dict[str, Any]:
    done = _run("status", "--json", "--data", str(data))
    body: dict[str, Any] = json.loads(done.stdout)
    return body


def _pids(data: Path) -> dict[str, int]:
    return {process["name"]: process["pid"] for process in _status(data)["processes"]}


def _living_below(data: Path) -> list[str]:
    """Command lines of processes that have to do with this folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ", "status"]):
        text = " ".join(process.info["cmdline"] or []) + str((process.info["environ"] or {}).get("STEELYARD_PORT_FILE"))
        if str(data) in text and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(text)
    return found


def _supervisor(data: Path) -> int:
    pid: int = json.loads((data / "state.json").read_text())["supervisor"]["pid"]
    return pid


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A suite with a rack of two, for all tests of this file."""
    folder = tmp_path_factory.mktemp("suite") / "data"
    done = _up(folder, "--rack", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    yield folder
    done = _run("down", "--data", str(folder))
    assert done.returncode == 0, done.stdout
    assert _living_below(folder) == []


def _well(data: Path) -> dict[str, Any]:
    """Its status once all of it is ready; empty before."""
    body = _status(data)
    return body if all(process["health"] == "ready" for process in body["processes"]) else {}


def _names(data: Path) -> list[str]:
    return sorted(node["name"] for node in Api(url=_status(data)["url"]).get("/v1/nodes")["nodes"])


def _names_if_told(data: Path) -> list[str]:
    """Empty while a part of the suite is away."""
    try:
        return _names(data)
    except Unavailable:
        return []


def test_the_rack_is_found_by_the_data_folder(data: Path) -> None:
    done = _run("rack", "list", "--json", "--data", str(data))

    assert [machine["name"] for machine in json.loads(done.stdout)] == ["rack-0001", "rack-0002"]


def test_every_process_is_shown_with_its_health(data: Path) -> None:
    body = eventually(lambda: _well(data), timeout_s=120, every_s=0.2)

    names = [process["name"] for process in body["processes"]]
    assert names == ["postgres", "nats", "rack", *SERVICES]
    assert all(process["version"] and process["rss_mb"] > 1 for process in body["processes"])
    assert body["phase"] == "ready"
    assert "******@" in body["processes"][0]["url"]


def test_a_second_supervisor_on_the_same_folder_is_refused(data: Path) -> None:
    done = _up(data)

    assert done.returncode == 1
    assert f"already runs on {data}" in done.stderr


def test_the_written_clouds_file_serves_the_client_people_have(data: Path) -> None:
    client = [str(Path(sys.executable).parent / "baremetal"), "node", "list", "-f", "json"]
    env = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(data / "clouds.yaml"), "OS_CLOUD": "steelyard"}

    done = subprocess.run(client, capture_output=True, timeout=240, env=env, check=True)

    assert [node["name"] for node in json.loads(done.stdout)] == ["rack-0001", "rack-0002"]


@pytest.mark.parametrize("name", ["power", "nats", "api-gateway"])
def test_a_child_that_is_killed_is_reported_and_started_again(data: Path, name: str) -> None:
    before = _pids(data)[name]

    os.kill(before, signal.SIGKILL)

    log = data / "logs" / "supervisor.log"
    eventually(lambda: f"{name} was ended by signal 9 (SIGKILL); it starts again" in log.read_text(), timeout_s=120)
    eventually(lambda: _pids(data)[name] not in (None, before), timeout_s=120, every_s=0.2)
    eventually(lambda: _well(data), timeout_s=120, every_s=0.2)
    # Who was cut off from another may not have noticed yet.
    assert eventually(lambda: _names_if_told(data), timeout_s=120, every_s=0.2) == ["rack-0001", "rack-0002"]


def test_nothing_outlives_a_killed_supervisor_and_its_data_is_found_again(data: Path) -> None:
    os.kill(_supervisor(data), signal.SIGKILL)
    eventually(lambda: not _living_below(data), timeout_s=120, every_s=0.2)

    done = _up(data)

    assert done.returncode == 0, done.stdout + done.stderr
    assert _names(data) == ["rack-0001", "rack-0002"]
    assert "enrolled" not in done.stdout


def test_suites_live_side_by_side_and_on_a_foreign_database(data: Path, tmp_path: Path, database_url: str) -> None:
    other = tmp_path / "other"
    done = _up(other, "--auth", "http_basic", "--rack", "1", STEELYARD_DATABASE_URL=database_url)
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        assert [process["name"] for process in _status(other)["processes"]][:2] == ["nats", "rack"]
        assert _names(data) == ["rack-0001", "rack-0002"]
        admin = json.loads((other / "credentials.json").read_text())["admin"]
        api = Api(url=_status(other)["url"], user="admin", password=admin)
        assert [node["name"] for node in api.get("/v1/nodes")["nodes"]] == ["rack-0001"]
    finally:
        assert _run("down", "--data", str(other)).returncode == 0
    assert _living_below(other) == []


def test_a_suite_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    done = _up(tmp_path / "bad", STEELYARD_LOG_LEVEL="shout")

    assert done.returncode == 1
    assert "STEELYARD_LOG_LEVEL: one of debug, info, warning, error is expected" in done.stdout
    assert _living_below(tmp_path / "bad") == []
