"""Serves the image to agents, and can hold one download in the middle: then somebody may die at a known moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from steelyard_lab.failure import LabError

HELD_AT_MOST_S = 50.0  # an agent gives a silent server a minute
LOOK_EVERY_S = 5.0


class Gate:
    """Holds each next download of one machine at its half, till it is opened."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def wait_reached(self, timeout_s: float, is_hopeless: Callable[[], object]) -> None:
        """``is_hopeless``: raises when nobody will ever ask."""
        deadline = time.monotonic() + timeout_s
        while not self.reached.wait(min(LOOK_EVERY_S, timeout_s)):
            is_hopeless()
            if time.monotonic() > deadline:
                raise LabError(f"nobody asked for half of the image within {timeout_s:g} s")

    def hold(self) -> None:
        self.reached.set()
        self.opened.wait(HELD_AT_MOST_S)


class Images:
    """``/<machine>/<file>``: a path for each machine, so that each has a gate of its own."""

    def __init__(self, folder: Path, base: str) -> None:
        self.folder, self._base = folder, base
        self.gates: dict[str, Gate] = {}

    def url(self, machine: str, file: Path) -> str:
        return f"{self._base}/{machine}/{file.name}"

    def close_gate(self, machine: str) -> Gate:
        gate = self.gates[machine] = Gate()
        return gate


class _Handler(BaseHTTPRequestHandler):
    images: Images

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        machine, _, name = self.path.strip("/").partition("/")
        file = self.images.folder / Path(name).name
        if not file.is_file():
            self.send_error(404)
            return
        content = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            if gate := self.images.gates.pop(machine, None):
                gate.hold()
            self.wfile.write(content[len(content) // 2 :])

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def image_server(folder: Path, address: str, port: int) -> Iterator[Images]:
    images = Images(folder, "")
    server = ThreadingHTTPServer((address, port), type("Handler", (_Handler,), {"images": images}))
    images._base = f"http://{address}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, name="images", daemon=True)
    thread.start()
    try:
        yield images
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
