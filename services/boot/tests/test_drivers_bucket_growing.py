"""Something large on its way from the bucket: read as far as it has come, by all who ask, and brought once."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from minio import Minio
from moto.server import ThreadedMotoServer
from steelyard_boot.domain.bucket import BucketPlace
from steelyard_boot.drivers import Stored
from steelyard_boot.drivers.bucket import Bucket
from steelyard_boot.drivers.folder import Drafts, Folder
from steelyard_common.testing import eventually

from services.boot.tests.artifact_parts import sha256

MB = 1 << 20
LARGE = bytes(range(251)) * (8 * MB // 251)
COMES = 5 * MB  # of it, before the gate is opened


@dataclass
class Gate:
    """Between us and the store: of what the store answers on a connection, so much goes through until it is opened."""

    to: tuple[str, int]
    opened: threading.Event = field(default_factory=threading.Event)
    held: threading.Event = field(default_factory=threading.Event)  # something waits for that
    breaks: bool = False  # when it is opened, on connections that were held
    gets: int = 0
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.to)
                threading.Thread(target=self._ask, args=[client, server], daemon=True).start()
                threading.Thread(target=self._answer, args=[server, client], daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                self.gets += data.startswith(b"GET ")
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        went = 0
        with contextlib.suppress(OSError), server, client:
            while data := server.recv(65536):
                if went + len(data) > COMES and not self.opened.is_set():
                    self.held.set()
                    self.opened.wait(60)
                    if self.breaks:
                        client.shutdown(socket.SHUT_RDWR)
                        return
                client.sendall(data)
                went += len(data)


@pytest.fixture(scope="module")
def store() -> Iterator[BucketPlace]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    _, port = server.get_host_and_port()
    place = BucketPlace(host=f"127.0.0.1:{port}", bucket="large", prefix="", is_secure=False, key="k", secret="s" * 9)
    Minio(place.host, place.key, place.secret, secure=False, region="us-east-1").make_bucket(place.bucket)
    yield place
    server.stop()


@pytest.fixture
def gate(store: BucketPlace) -> Iterator[Gate]:
    host, _, port = store.host.rpartition(":")
    gate = Gate((host, int(port)))
    threading.Thread(target=gate.run, daemon=True).start()
    yield gate
    gate.opened.set()
    gate.listener.shutdown(socket.SHUT_RDWR)
    gate.listener.close()


def put(store: BucketPlace, folder: Path, content: bytes, key: str) -> None:
    source = folder / "source"
    source.write_bytes(content)
    client = Minio(store.host, store.key, store.secret, secure=False, region="us-east-1")
    client.fput_object(store.bucket, f"{key[:2]}/{key}", str(source))


def behind(gate: Gate, store: BucketPlace, folder: Path) -> Bucket:
    place = replace(store, host=f"127.0.0.1:{gate.listener.getsockname()[1]}")
    return Bucket(place, Folder(folder), Drafts(folder))


def opened(storage: Bucket, key: str) -> Stored:
    stored = storage.open(key)
    assert stored is not None
    return stored


def test_what_has_come_is_read_at_once_by_all_and_the_rest_when_it_comes(
    store: BucketPlace, gate: Gate, tmp_path: Path
) -> None:
    key = sha256(LARGE)
    put(store, tmp_path, LARGE, key)
    storage = behind(gate, store, tmp_path)

    readers = [opened(storage, key) for _ in range(3)]
    assert {(each.size, each.changed_at) for each in readers} == {(len(LARGE), readers[0].changed_at)}
    for each in readers:
        assert each.file.read(3 * MB) == LARGE[: 3 * MB]
    readers[1].file.seek(2 * MB + 7)
    assert readers[1].file.read(100) == LARGE[2 * MB + 7 : 2 * MB + 107]
    assert storage.size(key) == len(LARGE)
    assert list((tmp_path / "files").rglob(key)) == []

    gate.opened.set()
    assert readers[0].file.read() == LARGE[3 * MB :]
    readers[1].file.seek(-10, 2)
    assert readers[1].file.read(100) == LARGE[-10:]
    eventually(lambda: (tmp_path / "files" / key[:2] / key).exists())
    near = opened(storage, key)
    with near.file:
        assert (near.file.read(), near.changed_at) == (LARGE, readers[0].changed_at)
    assert gate.gets == 1
    assert list((tmp_path / "drafts").iterdir()) == []
    for each in readers:
        each.file.close()


def test_many_who_ask_in_the_same_instant_bring_it_once(store: BucketPlace, gate: Gate, tmp_path: Path) -> None:
    key = sha256(LARGE)
    put(store, tmp_path, LARGE, key)
    storage = behind(gate, store, tmp_path)
    gate.opened.set()
    read: list[bool] = []

    def one() -> None:
        with opened(storage, key).file as file:
            read.append(file.read() == LARGE)

    threads = [threading.Thread(target=one) for _ in range(12)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert (read, gate.gets) == ([True] * 12, 1)


def test_nobody_gets_the_whole_of_what_was_changed_in_the_bucket(
    store: BucketPlace, gate: Gate, tmp_path: Path
) -> None:
    key = sha256(LARGE[1:])
    put(store, tmp_path, LARGE, key)
    storage = behind(gate, store, tmp_path)
    with opened(storage, key).file as file:
        assert file.read(len(LARGE) // 2) == LARGE[: len(LARGE) // 2]
        gate.opened.set()
        with pytest.raises(OSError, match="is not what was put there"):
            file.read()
    eventually(lambda: not list((tmp_path / "drafts").iterdir()))
    assert list((tmp_path / "files").rglob(key)) == []


def test_what_breaks_off_on_its_way_is_said_to_who_reads_and_brought_anew_for_the_next(
    store: BucketPlace, gate: Gate, tmp_path: Path
) -> None:
    key = sha256(LARGE)
    put(store, tmp_path, LARGE, key)
    gate.breaks = True
    storage = behind(gate, store, tmp_path)
    with opened(storage, key).file as file:
        assert file.read(MB) == LARGE[:MB]
        assert gate.held.wait(60)
        gate.opened.set()
        with pytest.raises(OSError, match="cannot be reached"):
            file.read()
    assert not storage.is_well()

    def again() -> bool:
        with contextlib.suppress(OSError), opened(storage, key).file as file:
            return file.read() == LARGE
        return False

    eventually(again)
    assert storage.is_well()


def test_two_that_do_not_fit_together_are_not_brought_together(store: BucketPlace, gate: Gate, tmp_path: Path) -> None:
    class Small(Drafts):
        def free_bytes(self) -> int:
            return 10 * MB  # at least 3 MB of the first one are still behind the gate

    first, second = sha256(LARGE), sha256(LARGE + b"x")
    put(store, tmp_path, LARGE, first)
    put(store, tmp_path, LARGE + b"x", second)
    place = replace(store, host=f"127.0.0.1:{gate.listener.getsockname()[1]}")
    storage = Bucket(place, Folder(tmp_path), Small(tmp_path))
    with opened(storage, first).file as file:
        assert file.read(MB) == LARGE[:MB]
        with pytest.raises(OSError, match="do not fit") as told:
            storage.open(second)
        assert told.value.errno == errno.ENOSPC
