"""How fast boot hands out artifacts, beside nginx: ``python -m bench.artifacts [--clients 300] [--mib 16]``.

The whole suite runs; one artifact lies in its folder, and nginx serves the same file (one worker process, sendfile).
Rounds take turns, so that both see the same machine; what is judged is their ratio. Without nginx boot is measured
alone.
The clients are one process that throws away what it reads, in the kernel (MSG_TRUNC).
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import selectors
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from steelyard_common.embedded.process import free_port
from steelyard_common.testing import eventually
from steelyard_local.testing import running_suite

from .report import Figure, table

AT_ONCE = 1 << 20
WAITS_S = 60.0
_NGINX = """
daemon off;
worker_processes 1;
error_log {folder}/error.log;
pid {folder}/pid;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
    server {{ listen 127.0.0.1:{port}; location / {{ root {root}; }} }}
}}
"""


def load(url: str, clients: int, size: int) -> tuple[float, float]:
    """All clients download it at once. → (seconds, seconds until the first byte of the last client)"""
    parts = urlsplit(url)
    request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode()
    begun = time.monotonic()
    left: dict[socket.socket, int] = {}
    first = 0.0
    with selectors.DefaultSelector() as selector:
        for _ in range(clients):
            client = socket.create_connection((parts.hostname or "", parts.port or 80))
            client.sendall(request)
            client.setblocking(False)
            left[client] = -1
            selector.register(client, selectors.EVENT_READ)
        while left:
            events = selector.select(WAITS_S)
            if not events:
                raise SystemExit(f"{len(left)} clients of {url} got nothing for {WAITS_S:g} s")
            for key, _ in events:
                assert isinstance(key.fileobj, socket.socket)
                client = key.fileobj
                if left[client] < 0:
                    left[client] = size - _head(client)
                    first = time.monotonic() - begun
                else:
                    left[client] -= _skip(client)
                if left[client] == 0:
                    selector.unregister(client)
                    del left[client]
                    client.close()
    return time.monotonic() - begun, first


def _head(client: socket.socket) -> int:
    """→ bytes of the body that came with it"""
    data = client.recv(8192)
    head, mark, body = data.partition(b"\r\n\r\n")
    if not mark or not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"not served: {head[:200]!r}")
    return len(body)


def _skip(client: socket.socket) -> int:
    taken = client.recv_into(_BUFFER, AT_ONCE, socket.MSG_TRUNC)
    if taken == 0:
        raise SystemExit("the connection ended in the middle")
    return taken


_BUFFER = bytearray(AT_ONCE)


@contextlib.contextmanager
def nginx(root: Path) -> Iterator[str | None]:
    """Serves the folder. → its URL; None when it is not installed"""
    program = os.environ.get("NGINX") or shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        print("nginx is not installed (or named by NGINX): only boot is measured")
        yield None
        return
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="nginx-") as folder:
        config = Path(folder) / "nginx.conf"
        config.write_text(_NGINX.format(folder=folder, port=port, root=root))
        process = subprocess.Popen([program, "-c", str(config), "-p", folder], stderr=subprocess.DEVNULL)
        try:
            eventually(lambda: _answers(port), every_s=0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def figures(clients: int, mib: int, rounds: int) -> list[Figure]:
    with running_suite() as suite:
        data = os.urandom(1 << 20) * mib
        key = hashlib.sha256(data).hexdigest()
        place = suite.data / "artifacts" / "files" / key[:2] / key
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(data)
        boot = f"http://127.0.0.1:{(suite.data / 'boot-port').read_text()}/artifacts/{key}"
        # What nginx runs as, where its master is root, may not enter the suite's folder: it gets a copy of its own.
        with tempfile.TemporaryDirectory(prefix="artifact-") as copy:
            Path(copy).chmod(0o755)
            shutil.copyfile(place, Path(copy) / key)
            with nginx(Path(copy)) as other:
                return _compare(boot, other and f"{other}/{key}", clients, len(data), rounds)


def _compare(boot: str, other: str | None, clients: int, size: int, rounds: int) -> list[Figure]:
    ours, theirs, firsts = [], [], []
    for number in range(rounds):
        taken, first = load(boot, clients, size)
        ours.append(clients * size / taken / 1e6)
        firsts.append(first)
        if other is not None:
            theirs.append(clients * size / load(other, clients, size)[0] / 1e6)
        print(
            f"round {number + 1}: boot {ours[-1]:.0f} MB/s{f', nginx {theirs[-1]:.0f} MB/s' if theirs else ''}",
            flush=True,
        )
    made = [
        Figure(f"artifacts to {clients} clients at once", "MB/s", statistics.median(ours), None, None),
        Figure("the last of them has its first byte after", "s", statistics.median(firsts), None, None),
    ]
    if theirs:
        made.append(Figure("the same by nginx", "MB/s", statistics.median(theirs), None, None))
        ratio = 100 * statistics.median(ours) / statistics.median(theirs)
        made.append(Figure("boot's share of nginx", "%", ratio, 70, None, more=True))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.artifacts", description=__doc__)
    parser.add_argument("--clients", type=int, default=300)
    parser.add_argument("--mib", type=int, default=16, help="size of the artifact (16)")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(table(figures(options.clients, options.mib, options.rounds)))


if __name__ == "__main__":
    main()
