"""Kea as Steelyard drives it: configured as docs/howto/dhcp.md says, started when Steelyard has written its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from steelyard_lab.lan import BRIDGE
from steelyard_lab.processes import Daemon

CONTROL = Path("/run/kea/kea4-ctrl-socket")  # /run is the lab's own
CONFIG = """{{"Dhcp4": {{
  "interfaces-config": {{"interfaces": ["{bridge}"]}},
  "control-socket": {{"socket-type": "unix", "socket-name": "{control}"}},
  "lease-database": {{"type": "memfile", "persist": false}},
  "subnet4": [{{"subnet": "192.0.2.0/24", "pools": [{{"pool": "192.0.2.100-192.0.2.200"}}]}}],
  "reservations-global": true,
  "client-classes": <?include "{files}/steelyard-classes.json"?>,
  "reservations": <?include "{files}/steelyard-reservations.json"?>,
  "loggers": [{{"name": "kea-dhcp4", "severity": "INFO", "output_options": [{{"output": "stdout"}}]}}]
}}}}
"""


def settings(files: Path) -> dict[str, str]:
    """For Steelyard's boot service, which writes ``files``."""
    return {
        "STEELYARD_DHCP": "kea",
        "STEELYARD_DHCP_DIR": str(files),
        "STEELYARD_KEA_CONTROL": f"unix:{CONTROL}",
    }


def configuration(files: Path) -> str:
    return CONFIG.format(bridge=BRIDGE, control=CONTROL, files=files)


@contextmanager
def kea(folder: Path, files: Path, environ: Mapping[str, str]) -> Iterator[None]:
    CONTROL.parent.mkdir(exist_ok=True)
    config = folder / "kea-dhcp4.conf"
    config.write_text(configuration(files))
    places = {name: str(CONTROL.parent) for name in ("KEA_PIDFILE_DIR", "KEA_LOCKFILE_DIR")}
    with Daemon("kea-dhcp4", ["kea-dhcp4", "-c", config], folder / "kea.log", {**environ, **places}) as server:
        server.wait_until_ready(CONTROL.exists, timeout_s=60)
        yield
