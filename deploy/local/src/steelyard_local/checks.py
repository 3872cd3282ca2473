"""What is looked at before anything starts: a mistake is then one line, not a service that ends again and again."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Mapping

from steelyard_api_gateway.settings import Settings as GatewaySettings
from steelyard_boot.settings import Settings as BootSettings
from steelyard_common.errors import InvalidRequest, Unavailable
from steelyard_common.settings import CommonSettings, faults
from steelyard_console.settings import Settings as ConsoleSettings
from steelyard_firmware.settings import Settings as FirmwareSettings
from steelyard_inspector.settings import Settings as InspectorSettings
from steelyard_inventory.settings import Settings as InventorySettings
from steelyard_power.settings import Settings as PowerSettings

from .layout import Layout

SETTINGS: Mapping[str, type[CommonSettings]] = {
    "inventory": InventorySettings,
    "power": PowerSettings,
    "boot": BootSettings,
    "inspector": InspectorSettings,
    "firmware": FirmwareSettings,
    "console": ConsoleSettings,
    "api-gateway": GatewaySettings,
}
ENOUGH_MB = 300  # an empty database, its journal and the streams take some 150


def check_settings(environment: Mapping[str, str]) -> None:
    """Errors: InvalidRequest that names each variable some service would refuse."""
    wrong = dict.fromkeys(line for settings in SETTINGS.values() for line in faults(settings, environment))
    if wrong:
        raise InvalidRequest("settings are wrong: " + "; ".join(wrong))


def check_port(host: str, port: int) -> None:
    """Errors: InvalidRequest when the API could not listen there, with the reason and what to do."""
    code = _bind_error(host, port)
    if code is None:
        return
    reasons = {
        errno.EADDRINUSE: f"port {port} on {host} is in use; choose another with --listen {host}:PORT",
        errno.EADDRNOTAVAIL: f"this machine has no address {host}; choose one of its own with --listen ADDRESS:{port}",
        errno.EACCES: f"port {port} is for root alone; choose one above 1023 with --listen {host}:PORT",
    }
    raise InvalidRequest(reasons.get(code, f"cannot listen on {host}:{port}: {os.strerror(code)}"))


def is_free(host: str, port: int) -> bool:
    return _bind_error(host, port) is None


def check_space(layout: Layout) -> None:
    """Errors: Unavailable when a suite would not get far in this folder."""
    free_mb = shutil.disk_usage(layout.root).free >> 20
    if free_mb < ENOUGH_MB:
        raise Unavailable(
            f"{layout.root} has {free_mb} MB of free space and Steelyard needs {ENOUGH_MB}: "
            "make room there, or choose another folder with --data DIR"
        )


def _bind_error(host: str, port: int) -> int | None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno or errno.EINVAL
    return None
