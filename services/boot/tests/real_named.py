"""A real BIND on loopback, run as whoever runs the tests: zones that take updates signed by one key."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import pytest
from steelyard_boot.domain.dns_records import DnsKey
from steelyard_common.embedded.process import free_port
from steelyard_common.testing import eventually

PROGRAM = shutil.which("named") or (shutil.which("named", path="/usr/sbin") or "")
needs_named = pytest.mark.skipif(not PROGRAM, reason="bind9 (named) is not installed: see tests/packages.txt")
FORWARD, REVERSE, REVERSE6 = "nodes.example.org.", "2.0.192.in-addr.arpa.", "8.b.d.0.1.0.0.2.ip6.arpa."
KEY = DnsKey(name="steelyard", secret=base64.b64encode(os.urandom(32)).decode())
ZONE = "$TTL 60\n@ SOA ns hostmaster 1 60 60 3600 60\n@ NS ns.example.net.\n"


def free_for_both() -> int:
    """A port that both TCP and UDP have free."""
    while True:
        port = free_port()
        with contextlib.suppress(OSError), socket.socket(type=socket.SOCK_DGRAM) as udp:
            udp.bind(("127.0.0.1", port))
            return port


@dataclass
class Named:
    folder: Path
    port: int = field(default_factory=free_for_both)

    def ask(self, name: str, kind: str) -> list[str]:
        """What it answers: values, without quotes."""
        query = dns.message.make_query(name, kind)
        answer = dns.query.udp(query, "127.0.0.1", timeout=30, port=self.port)
        return sorted(str(item).strip('"') for rrset in answer.answer for item in rrset)

    def is_up(self) -> bool:
        try:
            query = dns.message.make_query(FORWARD, "SOA")
            return bool(dns.query.udp(query, "127.0.0.1", timeout=1, port=self.port).rcode() == dns.rcode.NOERROR)
        except (OSError, dns.exception.DNSException):
            return False

    @contextmanager
    def running(self, zones: Sequence[str] = (FORWARD, REVERSE, REVERSE6)) -> Iterator[None]:
        """What was written outlives a stop."""
        command = [PROGRAM, "-g", "-n", "1", "-c", str(self._configuration(zones))]
        with (self.folder / "named.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        try:
            eventually(lambda: self.is_up() or process.poll() is not None, timeout_s=30, every_s=0.05)
            said = (self.folder / "named.log").read_text()[-3000:]
            if process.poll() is not None and "permission denied" in said.lower():  # AppArmor's profile of some systems
                pytest.skip(f"named may not read its files here: {said[-300:]}")
            assert process.poll() is None, said
            yield
        finally:
            process.terminate()
            process.wait(60)

    def _configuration(self, zones: Sequence[str]) -> Path:
        lines = [
            f'options {{ directory "{self.folder}"; listen-on port {self.port} {{ 127.0.0.1; }};',
            'listen-on-v6 { none; }; recursion no; pid-file none; session-keyfile "session.key"; ',
            "dnssec-validation no; notify no; };",
            "controls { };",
            f'key "{KEY.name}" {{ algorithm {KEY.algorithm}; secret "{KEY.secret}"; }};',
            'key "reader" { algorithm hmac-sha256; secret "cmVhZGVyLXJlYWRlci1yZWFkZXI="; };',
        ]
        for zone in zones:
            file = self.folder / f"{zone}db"
            if not file.exists():
                file.write_text(ZONE)
            lines.append(f'zone "{zone}" {{ type primary; file "{file}"; allow-update {{ key "{KEY.name}"; }}; }};')
        written = self.folder / "named.conf"
        written.write_text("\n".join(lines) + "\n")
        return written
