"""Files go out without threads of those who answer: a worker with two threads and many slow clients."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from steelyard_common.http.files import FilePart, FileSenders
from steelyard_common.testing import eventually

_SERVER = """
    import os, sys
    from steelyard_common.testing.http_server import serve

    class Growing:
        there = 0

        def __init__(self, file):
            self.fileno, self.seek, self.read, self.file, self.holders = file.fileno, file.seek, file.read, file, 1

        def hold(self):
            self.holders += 1

        def close(self):
            self.holders -= 1
            if not self.holders:
                self.file.close()

        def ready(self):
            if Growing.there < 0:
                raise OSError("it will not come")
            return Growing.there

    def files(environ, start_response):
        if environ["PATH_INFO"] == "/small":
            start_response("200 OK", [("Content-Length", "5")])
            return [b"hello"]
        if environ["PATH_INFO"] == "/more":
            Growing.there = int(environ["QUERY_STRING"])
            start_response("200 OK", [("Content-Length", "4")])
            return [b"more"]
        is_growing = environ["PATH_INFO"] == "/growing"
        file = Growing(open(sys.argv[1], "rb")) if is_growing else open(sys.argv[1], "rb")
        begin = int(environ["QUERY_STRING"] or 0)
        length = os.path.getsize(sys.argv[1]) - begin
        file.seek(begin)
        start_response("200 OK", [("Content-Length", str(length))])
        return environ["wsgi.file_wrapper"](file)

    serve(files)
"""
SIZE = 24 * 1024 * 1024


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(1024) * (SIZE // 1024))
    return path


@pytest.fixture
def port(file: Path) -> Iterator[int]:
    command = [sys.executable, "-c", textwrap.dedent(_SERVER), str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.kill()


def _ask(port: int, path: str) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=30)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return client


def _read(client: socket.socket) -> bytes:
    with client.makefile("rb") as stream:
        assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
        length = 0
        while (line := stream.readline()) != b"\r\n":
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        return stream.read(length)


def test_a_file_comes_whole_and_from_where_it_is_asked_for(port: int, file: Path) -> None:
    for begin in (0, 1, SIZE - 10):
        with _ask(port, f"/?{begin}") as client:
            assert hashlib.sha256(_read(client)).digest() == hashlib.sha256(file.read_bytes()[begin:]).digest()


def test_a_file_that_grows_is_followed_without_a_thread_and_ends_when_it_will_not_come(port: int, file: Path) -> None:
    half = SIZE // 2
    with _ask(port, f"/more?{half}") as client:
        assert _read(client) == b"more"
    readers = [_ask(port, "/growing") for _ in range(6)]
    beyond, late = _ask(port, f"/growing?{half + 100}"), _ask(port, "/growing")
    streams = [each.makefile("rb") for each in (*readers, late)]
    content = file.read_bytes()
    for stream in streams:
        while stream.readline() != b"\r\n":
            pass
        assert stream.read(half) == content[:half]

    with _ask(port, "/small") as client:  # both threads are free
        assert _read(client) == b"hello"
    with _ask(port, f"/more?{half + 50_000}") as client:
        _read(client)
    assert streams[-1].read(50_000) == content[half : half + 50_000]
    with _ask(port, f"/more?{SIZE}") as client:
        _read(client)
    for stream in streams[:-1]:
        assert stream.read(half) == content[half:]
    assert _read(beyond) == content[half + 100 :]
    streams[-1].read(half - 50_000)
    with _ask(port, "/more?1000") as client:
        _read(client)
    with _ask(port, "/growing") as failing, failing.makefile("rb") as stream:
        while stream.readline() != b"\r\n":
            pass
        assert stream.read(1000) == content[:1000]
        with _ask(port, "/more?-1") as client:
            _read(client)
        assert stream.read() == b""
    for stream in streams:
        stream.close()
    for client in (*readers, beyond, late):
        client.close()


def test_another_request_may_follow_on_the_connection(port: int, file: Path) -> None:
    with _ask(port, "/") as client:
        first = _read(client)
        client.sendall(b"GET /small HTTP/1.1\r\nHost: x\r\n\r\n")
        assert _read(client) == b"hello"
    assert len(first) == SIZE


def test_readers_that_take_nothing_keep_nobody_waiting(port: int) -> None:
    slow = [_ask(port, "/") for _ in range(50)]
    for client in slow:
        assert client.recv(1) == b"H"

    with _ask(port, "/small") as client:
        assert _read(client) == b"hello"
    with ThreadPoolExecutor(8) as pool:

        def load(_: int) -> int:
            with _ask(port, "/") as client:
                return len(_read(client))

        assert list(pool.map(load, range(8))) == [SIZE] * 8
    for client in slow:
        client.close()


class _Ends:
    """What became of clients."""

    def __init__(self) -> None:
        self.told: list[tuple[str, bool]] = []

    def of(self, name: str) -> Any:
        return lambda is_sent: self.told.append((name, is_sent))


class _Taking:
    """A client at one end of a pair of sockets. Its other end reads when it is told to."""

    def __init__(self, part: FilePart) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self._part = part

    @property
    def left(self) -> int:
        return self._part.left

    def fileno(self) -> int:
        return self.ours.fileno()

    @property
    def is_waiting(self) -> bool:
        return self._part.is_waiting

    def flush(self) -> int:
        return self._part.send(self.ours.fileno())


class _Held:
    """A file that counts its holders."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self.holders = 1

    def hold(self) -> None:
        self.holders += 1

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self.holders -= 1
        if not self.holders:
            self._file.close()


def test_a_held_file_is_closed_once_when_it_is_sent_or_left(file: Path) -> None:
    held = _Held(file)
    part = FilePart(held, 0, 10)
    held.close()
    assert held.holders == 1

    part.close()
    part.close()
    assert held.holders == 0


def test_a_file_that_became_shorter_ends_the_connection(tmp_path: Path) -> None:
    short = tmp_path / "short"
    short.write_bytes(b"12345")
    ends = _Ends()
    with short.open("rb") as stream:
        client = _Taking(FilePart(stream, 0, 10))
    FileSenders(10).add(client, "one", ends.of("one"))

    eventually(lambda: ends.told == [("one", False)])
    assert client.theirs.recv(10) == b"12345"


def test_beyond_the_limit_one_of_who_has_most_goes(file: Path) -> None:
    senders, ends = FileSenders(3), _Ends()
    with file.open("rb") as stream:
        clients = [_Taking(FilePart(stream, 0, SIZE)) for _ in range(4)]
    for number, caller in enumerate(["greedy", "greedy", "modest", "greedy"]):
        senders.add(clients[number], caller, ends.of(caller))

    eventually(lambda: ends.told == [("greedy", False)])
    reader = threading.Thread(target=lambda: _drain(clients[2].theirs, SIZE), daemon=True)
    reader.start()
    eventually(lambda: ("modest", True) in ends.told)
    reader.join()


def _drain(client: socket.socket, size: int) -> None:
    while size > 0 and (data := client.recv(1 << 20)):
        size -= len(data)
