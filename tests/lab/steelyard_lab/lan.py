"""The machines' network: a bridge with this side's address, dnsmasq as Steelyard drives it, a firewall where asked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from steelyard_lab.processes import Daemon, run

BRIDGE = "lab"
ADDRESS, ADDRESS_V6 = "192.0.2.1", "2001:db8:1::1"  # documentation ranges: nothing of it exists outside
API_PORT, BOOT_PORT, IMAGES_PORT = 6385, 8089, 8080
API = f"http://{ADDRESS}:{API_PORT}"
# Without a router advertisement iPXE waits 13 s for one.
RANGES = "192.0.2.100,192.0.2.200,1h;2001:db8:1::100,2001:db8:1::200,64,1h"
DNSMASQ = """conf-file={steered}
port=0
user=root
interface={bridge}
bind-interfaces
except-interface=lo
no-ping
dhcp-authoritative
dhcp-leasefile={folder}/leases
enable-tftp
tftp-root={folder}/tftp
log-dhcp
log-facility={folder}/dnsmasq.log
"""
# Steelyard ends dnsmasq when it must read its configuration anew; here, as with systemd, somebody starts it again.
KEEP_RUNNING = """trap 'kill $child; exit' TERM
while true; do
    dnsmasq --keep-in-foreground --conf-file="$0/dnsmasq.conf" --pid-file="$0/dnsmasq.pid" &
    child=$!
    wait $child
    sleep 0.2
done
"""


class Lan:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @staticmethod
    def addresses() -> dict[str, str]:
        """Steelyard's boot service, as machines reach it."""
        return {
            "STEELYARD_BOOT_URL": f"http://{ADDRESS}:{BOOT_PORT}",
            "STEELYARD_BOOT_URL_V6": f"http://[{ADDRESS_V6}]:{BOOT_PORT}",
        }

    def settings(self) -> dict[str, str]:
        """For Steelyard's boot service, which drives dnsmasq."""
        return {
            "STEELYARD_DHCP": "dnsmasq",
            "STEELYARD_DHCP_DIR": str(self.folder / "dhcp"),
            "STEELYARD_DHCP_PID_FILE": str(self.folder / "dnsmasq.pid"),
            "STEELYARD_DHCP_RESTARTS": "true",
            "STEELYARD_DHCP_RANGES": RANGES,
            "STEELYARD_DHCP_LOG_FILE": str(self.folder / "dnsmasq.log"),
            "STEELYARD_DHCP_LEASES_FILE": str(self.folder / "leases"),
            "STEELYARD_TFTP_DIR": str(self.folder / "tftp"),
        }

    def has_asked_for_address(self, mac: str) -> bool:
        log = self.folder / "dnsmasq.log"
        return (
            log.exists() and re.search(rf"DHCP(DISCOVER|REQUEST).* {mac} ", log.read_text(errors="replace")) is not None
        )

    def cut_off(self, address: str) -> None:
        """From now on this machine opens no connection to us but to the images; ours to it still work."""
        run(["iptables", "-A", "INPUT", "-i", BRIDGE, "-s", address, "-p", "tcp", "--syn", "!", "--dport",
             str(IMAGES_PORT), "-j", "DROP"])  # fmt: skip

    def leave_ipv6_alone(self, mac: str) -> None:
        """From now on nothing that this machine sends by IPv4 gets in."""
        run(["iptables", "-A", "INPUT", "-i", BRIDGE, "-m", "mac", "--mac-source", mac, "-j", "DROP"])

    def is_cut_off(self, address: str) -> bool:
        return re.search(rf"DROP .* {re.escape(address)} ", run(["iptables", "-nvL", "INPUT"])) is not None


@contextmanager
def lan(folder: Path) -> Iterator[Lan]:
    """The bridge. It goes with its namespace."""
    (folder / "tftp").mkdir()
    (folder / "dhcp").mkdir()
    run(["ip", "link", "add", BRIDGE, "type", "bridge", "forward_delay", "0"])
    run(["ip", "address", "add", f"{ADDRESS}/24", "dev", BRIDGE])
    run(["ip", "address", "add", f"{ADDRESS_V6}/64", "dev", BRIDGE, "nodad"])
    # Something is always plugged in: Kea does not listen on an interface that has no link when it is configured.
    run(["ip", "link", "add", "name", "lab-plug", "type", "veth", "peer", "name", "lab-socket"])
    run(["ip", "link", "set", "lab-plug", "master", BRIDGE])
    for each in ("lab-plug", "lab-socket", BRIDGE):
        run(["ip", "link", "set", each, "up"])
    yield Lan(folder)


@contextmanager
def dhcp(network: Lan, environ: Mapping[str, str]) -> Iterator[None]:
    """dnsmasq, as soon as Steelyard has written what it answers."""
    steered = network.folder / "dhcp/steelyard.conf"
    config = DNSMASQ.format(steered=steered, bridge=BRIDGE, folder=network.folder)
    (network.folder / "dnsmasq.conf").write_text(config)
    words: list[str | Path] = ["sh", "-c", KEEP_RUNNING, network.folder]
    with Daemon("dnsmasq", words, network.folder / "dnsmasq-start.log", environ) as server:
        pid = network.folder / "dnsmasq.pid"
        server.wait_until_ready(lambda: steered.exists() and pid.exists(), timeout_s=60)
        yield
