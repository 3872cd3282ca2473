"""Where machines reach this process."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from steelyard_common.errors import InvalidRequest


def own_url(configured: str, bind: str, port_file: str) -> str:
    """``configured``, else the address that the process is bound to. Errors: InvalidRequest when that is none."""
    if configured:
        return configured
    host, _, port = bind.rpartition(":")
    try:
        if ip_address(host.strip("[]")).is_unspecified:
            raise ValueError
        number = int(port) or int(Path(port_file).read_text())
    except (ValueError, OSError):
        raise InvalidRequest(
            f"machines cannot be told where boot is: it is bound to {bind}. Set STEELYARD_BOOT_URL to where it is"
        ) from None
    return f"http://{host}:{number}"
