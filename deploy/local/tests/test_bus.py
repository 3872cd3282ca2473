"""The suite's bus: users and TLS made by ``up``, also in a folder from before; and a nats-server of somebody's own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from steelyard_common.bus import Message, connect
from steelyard_common.contracts import permissions
from steelyard_common.embedded import EmbeddedNats
from steelyard_common.embedded.nats import server_program
from steelyard_common.embedded.process import free_port
from steelyard_common.errors import InvalidRequest, Unavailable
from steelyard_common.secrets import Sealer, write_secret
from steelyard_common.testing import eventually
from steelyard_local.api import Api
from steelyard_local.bus import ForeignBus, OwnBus, step_providers
from steelyard_local.layout import Layout
from steelyard_local.main import main

STEELYARD = [sys.executable, "-m", "steelyard_local"]
PAGE = Path(__file__).parents[3] / "docs" / "howto" / "follow-events.md"
OLD_FACT = "local.inventory.evt.node-created.from-before"


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **environment}
    return subprocess.run([*STEELYARD, *arguments], capture_output=True, text=True, timeout=240, env=env, check=False)


def _as_it_was_before(data: Path) -> None:
    """One user for all, no TLS, and an event on the stream."""
    data.mkdir(mode=0o700)
    passwords = {"postgres": "postgres-word", "nats": "nats-word", "admin": "admin-word"}
    write_secret(data / "credentials.json", json.dumps(passwords))
    write_secret(data / "seal.keys", Sealer.new_key() + "\n")
    server = EmbeddedNats(data / "nats", password="nats-word")
    bus = connect(server.start(), "local", "old", wait_s=10)
    event = {"type": "org.steelyard.inventory.node-created", "subject": "from-before", "data": {}}
    bus.publish([Message(subject=OLD_FACT, body=json.dumps(event).encode(), msg_id="old")])
    bus.close()
    server.stop()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A suite with a node, on a folder that an earlier version made."""
    folder = tmp_path_factory.mktemp("suite") / "data"
    _as_it_was_before(folder)
    done = _run("up", "--listen", "127.0.0.1:0", "--data", str(folder), "--detach", "--rack", "1",
                "--step-provider", "acme:burn-in")  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    yield folder
    assert _run("down", "--data", str(folder)).returncode == 0


def _children(data: Path) -> dict[str, psutil.Process]:
    state = json.loads((data / "state.json").read_text())
    running = [child for child in state["children"] if child["process"]]
    return {child["name"]: psutil.Process(child["process"]["pid"]) for child in running}


def _url(data: Path) -> str:
    url: str = json.loads((data / "state.json").read_text())["url"]
    return url


def test_the_example_of_the_documentation_follows_events_as_printed(data: Path, tmp_path: Path) -> None:
    [code] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    program, said = tmp_path / "follow.py", tmp_path / "said"
    program.write_text(code)
    with said.open("wb") as output:
        follower = subprocess.Popen([sys.executable, str(program), str(data)], stdout=output, stderr=output)
    try:
        eventually(lambda: "org.steelyard.inventory.node-created from-before" in said.read_text(), timeout_s=120)
        node = Api(url=_url(data)).post("/v1/nodes", {"driver": "fake-hardware", "name": "followed"})["uuid"]
        eventually(lambda: f"org.steelyard.inventory.node-created {node}" in said.read_text(), timeout_s=120)
    finally:
        follower.kill()
        follower.wait()


def test_a_service_is_given_its_own_password_file_and_no_password(data: Path) -> None:
    words = {file.stem: file.read_text().strip() for file in (data / "bus").glob("*.password")}
    assert {*permissions.ROWS, "acme"} == set(words)

    for name, process in _children(data).items():
        told = " ".join(process.cmdline()) + str(process.environ())
        assert not [user for user, word in words.items() if word in told], name
        named = set(re.findall(r"bus/([a-z-]+)\.password", told))
        assert named == ({name} if name in permissions.SERVICES else set())


def _as_soon_as_all_are_back(ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The services find back to the bus one after the other; until then the API says that they are away."""
    answers: list[dict[str, Any]] = []

    def is_done() -> bool:
        try:
            answers.append(ask())
        except Unavailable:
            return False
        return True

    eventually(is_done, timeout_s=120, every_s=0.2)
    return answers[0]


def test_a_child_that_starts_again_finds_its_way_back_to_the_bus(data: Path) -> None:
    nats = _children(data)["nats"]

    nats.kill()

    log = data / "logs" / "supervisor.log"
    eventually(lambda: "nats is started again" in log.read_text(), timeout_s=120, every_s=0.2)
    api = Api(url=_url(data))
    node = _as_soon_as_all_are_back(lambda: api.post("/v1/nodes", {"driver": "fake-hardware"}))["uuid"]
    _as_soon_as_all_are_back(lambda: api.put(f"/v1/nodes/{node}/states/provision", {"target": "manage"}))
    eventually(lambda: api.get(f"/v1/nodes/{node}")["provision_state"] == "manageable", timeout_s=120, every_s=0.2)


def _switch(api: Api, name: str, target: str) -> None:
    api.put(f"/v1/nodes/{name}/states/power", {"target": target})
    eventually(lambda: api.get(f"/v1/nodes/{name}")["power_state"] == target, timeout_s=120)


def test_no_service_is_refused_anything_in_its_daily_work(data: Path) -> None:
    api = Api(url=_url(data))
    [name] = [node["name"] for node in api.get("/v1/nodes")["nodes"] if (node["name"] or "").startswith("rack-")]
    for target in ("power on", "power off"):
        _switch(api, name, target)
    api.put(f"/v1/nodes/{name}/management/boot_device", {"boot_device": "pxe"})

    logs = {log.name: log.read_text() for log in (data / "logs").glob("*.log")}

    assert {"inventory.log", "power.log", "api-gateway.log"} <= set(logs)
    assert [name for name, text in logs.items() if "may not do" in text or "ermissions violation" in text.lower()] == []


def test_the_written_configuration_serves_a_suite_on_a_server_of_ones_own(tmp_path: Path, database_url: str) -> None:
    out, port = tmp_path / "bus", free_port()
    assert main(["nats-config", "--site", "lab1", "--out", str(out), "--port", str(port)]) == 0
    assert (out / "nats.conf").stat().st_mode & 0o777 == 0o600
    own = {"STEELYARD_SITE": "lab1", "STEELYARD_NATS_URL": f"tls://127.0.0.1:{port}"}
    own |= {"STEELYARD_NATS_USERS_DIR": str(out), "STEELYARD_DATABASE_URL": database_url}
    with (tmp_path / "nats.log").open("wb") as log:
        server = subprocess.Popen([server_program(), "-c", str(out / "nats.conf")], stdout=log, stderr=log)
    data = tmp_path / "data"
    try:
        done = _run("up", "--listen", "127.0.0.1:0", "--data", str(data), "--detach", "--rack", "1", **own)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "nats" not in _children(data)
        assert not (data / "bus").exists()
    finally:
        _run("down", "--data", str(data))
        server.terminate()
        server.wait()


def test_what_is_there_is_kept_when_the_configuration_is_written_again(tmp_path: Path) -> None:
    command = ["nats-config", "--site", "lab1", "--out", str(tmp_path), "--host", "nats.example"]
    assert main(command) == 0
    before = {name: (tmp_path / name).read_bytes() for name in ("ca.pem", "ca.key", "power.password")}

    assert main([*command, "--step-provider", "acme:burn-in,stress"]) == 0

    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    users = [user["user"] for user in json.loads((tmp_path / "nats.conf").read_text())["authorization"]["users"]]
    assert users == [*permissions.ROWS, "acme"]


@pytest.mark.parametrize("site", ["a.b", "Lab", "*", ""])
def test_a_site_that_makes_no_subject_is_refused(tmp_path: Path, site: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nats-config", "--site", site, "--out", str(tmp_path / "x")]) == 2

    assert "a site has small letters" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_tls_is_left_out_only_when_that_is_said(tmp_path: Path) -> None:
    def urls(**environ: str) -> tuple[str, str]:
        settings = OwnBus(Layout(tmp_path), environ, {}).settings("power")
        return settings["STEELYARD_NATS_URL"].split(":")[0], settings["STEELYARD_NATS_CA_FILE"]

    assert urls() == ("tls", str(tmp_path / "bus" / "ca.pem"))
    assert urls(STEELYARD_NATS_TLS="false") == ("nats", "")
    with pytest.raises(InvalidRequest, match="STEELYARD_NATS_TLS: true or false"):
        urls(STEELYARD_NATS_TLS="perhaps")


@pytest.mark.parametrize("word", ["acme", "acme:", ":burn-in"])
def test_a_step_provider_without_name_or_interface_is_refused(word: str) -> None:
    with pytest.raises(InvalidRequest, match="NAME:INTERFACE"):
        step_providers([word])


def test_two_ways_to_say_who_one_is_are_one_too_many(tmp_path: Path) -> None:
    environ = {"STEELYARD_NATS_URL": "nats://me:word@bus:4222", "STEELYARD_NATS_USERS_DIR": str(tmp_path)}

    with pytest.raises(InvalidRequest, match="one of them is enough"):
        ForeignBus(environ).settings("power")
