"""CPU of one request over the bus, by process: ``python -m bench.bus [--requests 5000] [--profile] [--open|--no-tls]``.

As the embedded runner has it: the gateway asks inventory, each its own user with its rights, over TLS.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
from steelyard_common.bus import Access, Endpoint, connect
from steelyard_common.embedded import EmbeddedNats, NatsFolder

SITE = "bench"
SUBJECT = f"{SITE}.inventory.qry.node"
HEADERS = {"Steelyard-Caller": '{"user":"bench","roles":["admin"],"project":null,"request_id":"req-1"}'}


def _serve(access: Access, pipe: Connection, size: int) -> None:
    bus = connect(access, SITE, "server", wait_s=10)
    reply = b"x" * size
    bus.serve("inventory", [Endpoint(subject=SUBJECT, handler=lambda _request: reply)])
    pipe.send("ready")
    pipe.recv()
    bus.close()


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.bus", description=__doc__)
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--size", type=int, default=3000, help="bytes of a reply")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--profile", action="store_true", help="profile the client's event loop")
    parser.add_argument("--open", action="store_true", help="one user who may do all, no TLS")
    parser.add_argument("--no-tls", action="store_true", help="users and their rights, no TLS")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        users = None if options.open else NatsFolder(Path(folder) / "users", SITE, has_tls=not options.no_tls)
        server = EmbeddedNats(Path(folder) / "nats", durable=False, users=users)
        server.start()
        mine, theirs = multiprocessing.get_context("spawn").Pipe()
        peer = multiprocessing.get_context("spawn").Process(
            target=_serve, args=(_access(server, users, "inventory"), theirs, options.size)
        )
        peer.start()
        mine.recv()
        _measure(
            _access(server, users, "api-gateway"),
            options,
            {"server": peer.pid or 0, "nats-server": server.process.pid if server.process else 0},
        )
        mine.send("stop")
        peer.join()
        server.stop()


def _access(server: EmbeddedNats, users: NatsFolder | None, user: str) -> Access:
    if users is None:
        return Access(url=server.url)
    return Access(
        url=users.url(user, server.port), password_file=str(users.password_file(user)),
        ca_file=str(users.ca_file) if users.has_tls else "", makes_streams=user == "inventory",
    )  # fmt: skip


def _measure(access: Access, options: argparse.Namespace, others: dict[str, int]) -> None:
    bus = connect(access, SITE, "client", wait_s=10)
    if options.profile:
        _profile(bus._link.loop)
    pids = {"client": psutil.Process().pid, **others}
    before = {name: _cpu_s(pid) for name, pid in pids.items()}
    began = time.perf_counter()
    each = options.requests // options.threads

    def work() -> None:
        for _ in range(each):
            bus.request(SUBJECT, {"ident": "node-1", "fields": None}, timeout_s=5, headers=HEADERS)

    threads = [threading.Thread(target=work) for _ in range(options.threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.perf_counter() - began
    count = each * options.threads
    for name, pid in pids.items():
        print(f"{name:12} {(_cpu_s(pid) - before[name]) / count * 1e6:7.0f} µs CPU a request")
    print(f"{'rate':12} {count / wall:7.0f} /s, {wall / count * 1e6 * options.threads:.0f} µs each")
    bus.close()


def _profile(loop: object) -> None:
    """Print what the loop's thread does, at exit."""
    import atexit
    import cProfile
    import pstats

    profile = cProfile.Profile()
    loop.call_soon_threadsafe(profile.enable)  # type: ignore[attr-defined]
    atexit.register(lambda: pstats.Stats(profile).sort_stats("tottime").print_stats(25))


if __name__ == "__main__":
    main()
