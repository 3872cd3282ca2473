"""Keeps one server for a whole test run: ``python -m steelyard_common.testing.keeper postgres DIR``.

Each test process holds a connection to the keeper's socket for as long as it lives. The kernel closes it however the
process ends; when the last is gone the keeper stops its server, removes the folder and ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import shutil
import socket
import sys
import time
from pathlib import Path

from ..embedded import EmbeddedNats, EmbeddedPostgres

FIRST_CLIENT_S = 30


def join(kind: str, folder: Path) -> tuple[str, socket.socket]:
    """The server's URL, and the connection that keeps it: started by the first who asks."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "url").exists():
            _start(kind, folder)
            _wait_for_url(folder)
        client = socket.socket(socket.AF_UNIX)
        client.connect(_socket_name(folder))
        return (folder / "url").read_text(), client


def _start(kind: str, folder: Path) -> None:
    command = [sys.executable, "-m", "steelyard_common.testing.keeper", kind, str(folder)]
    with (folder / "keeper.log").open("wb") as log:
        files = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, log.fileno(), 1),
            (os.POSIX_SPAWN_DUP2, log.fileno(), 2),
        ]
        # It ends after us and is waited for by nobody, about which subprocess would complain.
        os.posix_spawn(sys.executable, command, os.environ, file_actions=files, setsid=True)


def _wait_for_url(folder: Path) -> None:
    deadline = time.monotonic() + 90
    while not (folder / "url").exists():
        if time.monotonic() > deadline or (folder / "failed").exists():
            raise RuntimeError(f"the test server did not start: {(folder / 'keeper.log').read_text()[-2000:]}")
        time.sleep(0.02)


def _socket_name(folder: Path) -> str:
    # Abstract (no file, no length limit of the folder's path), unique by the folder.
    return f"\0steelyard-keeper-{os.stat(folder).st_dev}-{os.stat(folder).st_ino}"


def _main(kind: str, folder: Path) -> None:
    server: EmbeddedPostgres | EmbeddedNats
    if kind == "postgres":
        server = EmbeddedPostgres(folder / "data", durable=False)
    else:
        server = EmbeddedNats(folder / "data", durable=False)
    try:
        url = server.start()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(_socket_name(folder))
        listener.listen(64)
        (folder / "url.new").write_text(url)
        (folder / "url.new").rename(folder / "url")
        _serve(listener)
    except BaseException:
        (folder / "failed").touch()
        raise
    finally:
        server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def _serve(listener: socket.socket) -> None:
    """Until the last client is gone, or none ever came."""
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    clients: set[socket.socket] = set()
    came = False
    while clients or not came:
        events = selector.select(None if came else FIRST_CLIENT_S)
        if not events:
            return
        for key, _ in events:
            if key.fileobj is listener:
                client, _ = listener.accept()
                clients.add(client)
                selector.register(client, selectors.EVENT_READ)
                came = True
            else:
                gone = next(each for each in clients if each is key.fileobj)
                selector.unregister(gone)
                clients.discard(gone)
                with contextlib.suppress(OSError):
                    gone.close()


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]))
