"""What tests of booting share: nodes, artifacts, the service's HTTP on a port of loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import requests
from flask import Flask
from steelyard_boot.domain.boot_model import Purpose
from steelyard_boot.domain.node_for_boot import BootOf, NodeForBoot
from steelyard_common.provider.testing import node as view
from werkzeug.serving import make_server

MAC, OTHER_MAC = "52:54:00:00:00:01", "52:54:00:00:00:02"
SYSTEM = "4c4c4544-0042-3510-8052-b4c04f4d3132"
BASE = "http://boot.example:8080"


@dataclass(frozen=True, kw_only=True)
class Made:
    """An artifact as booting sees it."""

    url: str
    sha256: str = "a" * 64
    size: int = 1000


KERNEL, RAMDISK, ISO = (Made(url=f"{BASE}/artifacts/{name * 8}/{name}") for name in ("kernel", "ramdisk", "iso"))


def machine(interface: str = "ipxe", **more: object) -> NodeForBoot:
    """A node with two ports. ``more``: of the provider's view."""
    given: dict[str, object] = {
        "interfaces": {"boot": interface, "deploy": "direct"},
        "ports": [{"address": MAC}, {"address": OTHER_MAC.upper()}],
        "properties": {"system_uuid": SYSTEM.upper(), "cpu_arch": "x86_64"},
    }
    return NodeForBoot.from_view(view(**(given | more)))


def agent(purpose: Purpose = Purpose.DEPLOY, **more: object) -> BootOf:
    return BootOf(**({"purpose": purpose, "kernel": KERNEL, "ramdisk": RAMDISK, "agent": True} | more))  # type: ignore[arg-type]


class NoMedia:
    """Nodes of these tests boot over the network."""

    def insert(self, *_: object) -> bool:
        raise AssertionError("no node has virtual media")

    def remove(self, *_: object) -> None:
        raise AssertionError("no node has virtual media")

    def unpublish(self, node_uuid: str) -> None:
        """Nothing was published."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    text: str
    headers: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Site:
    """The service's HTTP as machines reach it."""

    url: str

    def get(self, path: str, **headers: str) -> Answer:
        path = path if path.startswith("/") else f"/{path}"
        request = requests.Request("GET", self.url, headers=headers).prepare()
        request.url = self.url + path  # as it is: nothing is tidied up on the way
        with requests.Session() as session:
            answer = session.send(request, timeout=60, allow_redirects=False)
        return Answer(status=answer.status_code, text=answer.content.decode("latin-1"), headers=dict(answer.headers))


@contextmanager
def serving(app: Flask, host: str = "127.0.0.1") -> Iterator[Site]:
    server = make_server(host, 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        shown = f"[{host}]" if ":" in host else host
        yield Site(url=f"http://{shown}:{server.server_port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
