"""A service as a process: health while what it stands on is away, a drain on SIGTERM, clear refusals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from steelyard_common.bus import NatsBus
from steelyard_common.embedded import EmbeddedNats
from steelyard_common.embedded.process import free_port
from steelyard_common.testing import eventually

_SERVICE = """
    import sys
    from pathlib import Path
    from flask import Flask
    from steelyard_common import runner
    from steelyard_common.bus import Endpoint, connect
    from steelyard_common.db import Database, migrate
    from steelyard_common.errors import Unavailable
    from steelyard_common.health import Parts
    from steelyard_common.settings import DatabaseSettings
    from steelyard_common.testing import eventually

    class Running(Parts):
        pass

    def slow(request):
        begun, freed = Path(request.body["begun"]), Path(request.body["freed"])
        begun.touch()
        return {"freed": eventually(freed.exists, timeout_s=60)}

    def start(settings):
        parts = Running()
        database = Database(settings.database_url, "demo")
        bus = connect(settings.nats_url, settings.site, settings.instance, wait_s=0)
        parts.add("database", stop=database.close, check=database.is_alive)
        parts.add("bus", stop=bus.close, check=lambda: bus.is_connected)
        bus.serve("demo", [Endpoint(subject=f"{settings.site}.demo.qry.slow", handler=slow)])
        return parts

    def make_app(settings, running):
        app = Flask("demo")
        app.add_url_rule("/v1", "root", lambda: {"instance": settings.instance})
        return app

    def upgrade(settings):
        sys.stdout.write("upgraded")

    spec = runner.ServiceSpec(name="demo", settings=DatabaseSettings, start=start, make_app=make_app, migrate=upgrade)
    sys.exit(runner.main(spec))
"""
Start = Callable[..., "Service"]


class Service:
    """A running process of the demo service."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._port_file = folder / "port"
        self.log = folder / "log"
        (folder / "service.py").write_text(textwrap.dedent(_SERVICE))
        env = {**os.environ, "STEELYARD_PORT_FILE": str(self._port_file), **environment}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([sys.executable, str(folder / "service.py")], stderr=log, env=env)
        eventually(self._port_file.exists, timeout_s=60)

    def is_closed(self) -> bool:
        """It takes no HTTP any more."""
        try:
            self.get("/health/live")
        except OSError:
            return True
        return False

    def get(self, path: str) -> tuple[int, Any]:
        url = f"http://127.0.0.1:{self._port_file.read_text()}{path}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def ready(self) -> dict[str, bool]:
        parts: dict[str, bool] = orjson.loads(self.get("/health/ready")[1])["parts"]
        return parts


@pytest.fixture
def start(tmp_path: Path, site: str) -> Iterator[Start]:
    services: list[Service] = []

    def start_one(nats_url: str, database_url: str) -> Service:
        environment = {
            "STEELYARD_NATS_URL": nats_url, "STEELYARD_DATABASE_URL": database_url,
            "STEELYARD_SITE": site, "STEELYARD_INSTANCE": "demo-1.here",
        }  # fmt: skip
        services.append(Service(tmp_path, environment))
        return services[-1]

    yield start_one
    for service in services:
        service.process.kill()
        service.process.wait()


def test_a_service_waits_for_bus_and_database_and_says_so(start: Start, tmp_path: Path, database_url: str) -> None:
    nats = EmbeddedNats(tmp_path / "nats", free_port(), durable=False, password="p")
    service = start(nats.url, "postgresql://u:p@127.0.0.1:1/x")

    eventually(lambda: service.ready() == {"database": False, "bus": False}, every_s=0.1)
    assert service.get("/health/live")[0] == 200
    assert service.get("/health/ready")[0] == 503
    nats.start()
    eventually(lambda: service.ready()["bus"], every_s=0.1)
    assert service.process.poll() is None
    nats.stop()


def test_a_service_serves_health_metrics_and_its_own_app(
    start: Start, own_nats: EmbeddedNats, database_url: str
) -> None:
    service = start(own_nats.url, database_url)

    eventually(lambda: service.get("/health/ready")[0] == 200, every_s=0.1)
    assert orjson.loads(service.get("/v1")[1]) == {"instance": "demo-1.here"}
    assert b"process_cpu_seconds_total" in service.get("/metrics")[1]
    assert service.get("/nothing")[0] == 404


def test_sigterm_lets_requests_finish_and_exits_cleanly(
    start: Start, own_nats: EmbeddedNats, database_url: str, nats_bus: NatsBus, site: str, tmp_path: Path
) -> None:
    service = start(own_nats.url, database_url)
    eventually(lambda: service.get("/health/ready")[0] == 200, every_s=0.1)
    answers: list[bytes] = []
    begun, freed = tmp_path / "begun", tmp_path / "freed"

    def ask() -> None:
        body = {"begun": str(begun), "freed": str(freed)}
        answers.append(nats_bus.request(f"{site}.demo.qry.slow", body, timeout_s=60))

    caller = threading.Thread(target=ask)
    caller.start()
    eventually(begun.exists)

    service.process.send_signal(signal.SIGTERM)
    eventually(service.is_closed)
    freed.touch()

    assert service.process.wait(60) == 0
    caller.join(60)
    assert answers == [b'{"freed":true}']


@pytest.mark.parametrize(("words", "status"), [(["migrate"], 0), (["nonsense"], 2)])
def test_the_command_line_of_a_service(tmp_path: Path, words: list[str], status: int) -> None:
    (tmp_path / "service.py").write_text(textwrap.dedent(_SERVICE))
    env = {**os.environ, "STEELYARD_DATABASE_URL": "postgresql://x"}

    done = subprocess.run(
        [sys.executable, str(tmp_path / "service.py"), *words], capture_output=True, env=env, check=False
    )

    assert done.returncode == status
    assert (done.stdout == b"upgraded") == (status == 0)


def test_wrong_settings_end_a_service_with_all_reasons(tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text(textwrap.dedent(_SERVICE))
    env = {**os.environ, "STEELYARD_DATABASE_URL": "", "STEELYARD_HTTP_THREADS": "none"}

    done = subprocess.run([sys.executable, str(tmp_path / "service.py")], capture_output=True, env=env, check=False)

    assert done.returncode == 2
    assert b"STEELYARD_DATABASE_URL is not set" in done.stderr
    assert b"STEELYARD_HTTP_THREADS" in done.stderr
