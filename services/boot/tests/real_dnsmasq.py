"""A real dnsmasq on loopback, and a machine that asks it by DHCP (as a relay would pass it on) and by TFTP."""

from __future__ import annotations

import random
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from steelyard_common.embedded.process import free_port
from steelyard_common.testing import eventually

DNSMASQ = shutil.which("dnsmasq") or shutil.which("dnsmasq", path="/usr/sbin:/sbin")
COOKIE = b"\x63\x82\x53\x63"
RELAY = "127.0.0.2"
PROBE = "52:54:00:00:00:fe"  # of nobody
RANGE = "127.0.0.100,127.0.0.200,255.0.0.0,1h"
MESSAGE, CLIENT_ARCH, VENDOR, IPXE, BOOT_FILE = 53, 93, 60, 175, 67


@dataclass(frozen=True, kw_only=True)
class Offer:
    """``file``: what to boot; ``options`` by number."""

    address: str
    file: str
    options: Mapping[int, bytes]


@dataclass(frozen=True, kw_only=True)
class Server:
    port: int
    tftp_port: int
    log: Path
    pid_file: Path
    leases: Path

    def ask(self, mac: str, arch: int, *, is_ipxe: bool = False, kind: int = 1, wait_s: float = 30) -> Offer | None:
        """What a machine of this firmware is offered; None when nobody answers."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            line.bind((RELAY, self.port))
            line.settimeout(wait_s)
            number = random.getrandbits(32)  # of the transaction
            line.sendto(_request(number, mac, arch, is_ipxe=is_ipxe, kind=kind), ("127.0.0.1", self.port))
            while True:
                try:
                    packet = line.recv(4096)
                except TimeoutError:
                    return None
                if packet[0] == 2 and struct.unpack_from("!I", packet, 4)[0] == number:
                    return _offer(packet)


def _request(number: int, mac: str, arch: int, *, is_ipxe: bool, kind: int) -> bytes:
    head = struct.pack("!BBBBIHH4s4s4s4s", 1, 1, 6, 1, number, 0, 0, *[bytes(4)] * 3, socket.inet_aton(RELAY))
    vendor = b"HTTPClient:Arch:00016" if arch in (16, 19) else f"PXEClient:Arch:{arch:05d}".encode()
    options = [(MESSAGE, bytes([kind])), (CLIENT_ARCH, struct.pack("!H", arch)), (VENDOR, vendor)]
    options += [(55, bytes([1, 3, 43, 60, 66, 67]))]
    options += [(IPXE, b"\x01\x01\x01")] if is_ipxe else []
    body = b"".join(bytes([code, len(value)]) + value for code, value in options)
    return head + bytes.fromhex(mac.replace(":", "")).ljust(16, b"\0") + bytes(192) + COOKIE + body + b"\xff"


def _offer(packet: bytes) -> Offer:
    options: dict[int, bytes] = {}
    at = 240
    while at < len(packet) and packet[at] != 255:
        if packet[at] == 0:
            at += 1
            continue
        size = packet[at + 1]
        options[packet[at]] = packet[at + 2 : at + 2 + size]
        at += 2 + size
    file = options.get(BOOT_FILE, b"").rstrip(b"\0") or packet[108:236].rstrip(b"\0")
    return Offer(address=socket.inet_ntoa(packet[16:20]), file=file.decode(), options=options)


def _is_up(server: Server) -> bool:
    """It takes requests: before that it has written its process number, and misses signals."""
    server.ask(PROBE, 0, wait_s=0.05)
    return server.log.exists() and PROBE in server.log.read_text()


@contextmanager
def running(folder: Path, configuration: Path, tftp_root: Path | None = None) -> Iterator[Server]:
    """Skips where dnsmasq is not installed, or may not open a DHCP socket."""
    if DNSMASQ is None:
        pytest.skip("dnsmasq is not installed")
    server = Server(
        port=free_port(), tftp_port=0, log=folder / "dnsmasq.log", pid_file=folder / "dnsmasq.pid",
        leases=folder / "leases",
    )  # fmt: skip
    words = [
        DNSMASQ, "--keep-in-foreground", "--port=0", f"--conf-file={configuration}", "--interface=lo",
        "--bind-interfaces",
        f"--dhcp-alternate-port={server.port}", f"--dhcp-range={RANGE}", "--log-dhcp", f"--log-facility={server.log}",
        f"--pid-file={server.pid_file}", f"--dhcp-leasefile={server.leases}", "--user=", "--group=", "--no-ping",
    ]  # fmt: skip
    words += [f"--tftp-root={tftp_root}"] if tftp_root else []
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        eventually(lambda: process.poll() is not None or _is_up(server), timeout_s=30)
        if process.poll() is not None:
            said = process.stdout.read() if process.stdout else ""
            if "permission" in said.lower() or "not permitted" in said.lower():
                pytest.skip(f"dnsmasq may not run here: {said.strip()}")
            raise AssertionError(said)
        yield server
    finally:
        process.terminate()
        process.wait(60)
        server.pid_file.unlink(missing_ok=True)
        if process.stdout:
            process.stdout.close()
