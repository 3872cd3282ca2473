"""Artifacts in the whole suite: fetched by the API, read by machines, however slow some of them are."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import urllib.error
import urllib.request
from typing import Any

import pytest
from steelyard_common.testing import eventually
from steelyard_local.testing import RunningSuite

from services.boot.tests.source_server import serving

DATA = os.urandom(1 << 20) * 12
SUM = hashlib.sha256(DATA).hexdigest()
SLOW = 200


def call(url: str, method: str = "GET", body: Any = None) -> Any:
    headers = {"Content-Type": "application/json"}
    asked = urllib.request.Request(url, json.dumps(body).encode() if body else None, headers, method=method)
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return json.loads(answer.read() or b"null")


def is_here(artifacts: str, wish: dict[str, str]) -> bool:
    """Boot may be starting still."""
    try:
        return bool(call(artifacts, "POST", wish)["status"] == "here")
    except urllib.error.HTTPError as error:
        if error.code != 503:
            raise
        return False


def read(place: str, path: str, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(place, timeout=60)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    try:
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.slow
def test_an_artifact_is_fetched_ahead_read_in_parts_and_beside_slow_readers_and_deleted(shared: RunningSuite) -> None:
    with serving() as source:
        wish = {"url": source.put("/node.img", DATA), "kind": "image", "checksum": f"sha256:{SUM}"}
        artifacts = f"{shared.url}/v1/artifacts"
        eventually(lambda: is_here(artifacts, wish), timeout_s=60, every_s=0.2)
        [known] = [each for each in call(artifacts)["artifacts"] if each["sha256"] == SUM]  # others fetch theirs
        place, _, path = known["url"].removeprefix("http://").partition("/")
        slow = []
        for _ in range(SLOW):
            client = socket.create_connection(place.rsplit(":", 1), timeout=60)
            client.sendall(f"GET /{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            slow.append(client)

        assert [client.recv(1) for client in slow] == [b"H"] * SLOW
        assert read(place, f"/{path}") == (200, DATA)
        assert read(place, f"/{path}", Range="bytes=5000000-5000009") == (206, DATA[5000000:5000010])
        assert read(place, f"/{path}", Range="bytes=99999999-")[0] == 416
        assert source.requests["/node.img"] == 1
        for client in slow:
            client.close()
        call(f"{artifacts}/{SUM}", "DELETE")
        assert read(place, f"/{path}")[0] == 404
